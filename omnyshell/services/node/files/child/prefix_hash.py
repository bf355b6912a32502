"""The SHA-256 of a file's first bytes, made while these go by, so that they are not read again for it."""

import os

_AT_ONCE = 1 << 18


class PrefixHash:
    """Grows with what is read or written of a file in order. Each method raises `OSError`."""

    def __init__(self, fd: int) -> None:
        """The descriptor, by which the file need not be readable, stays its owner's."""
        # It takes OpenSSL along, which a transfer that needs none does without.
        from hashlib import sha256

        self._fd = fd
        self._new = sha256
        self._forget()

    def was_read(self, offset: int, data: bytes | memoryview) -> None:
        """Count bytes that follow those before."""
        if offset == self._size:
            self._sum.update(data)
            self._size += len(data)

    def was_written(self, offset: int, data: bytes) -> None:
        """Count bytes that follow those before."""
        if offset < self._size:
            self._forget()
        self.was_read(offset, data)
        self._version = self._present()

    def was_set(self) -> None:
        """Size, times or permissions were set on purpose."""
        if os.fstat(self._fd).st_size < self._size:
            self._forget()
        self._version = self._present()

    def of(self, length: int, fd: int) -> tuple[int, bytes]:
        """Return how many of so many bytes there are, all for 0, and their hash.

        What did not go by is read from another descriptor of the file, and all of it once somebody else wrote to it.
        """
        if self._version != self._present() or (length and length < self._size):
            self._forget()
        buffer = memoryview(bytearray(_AT_ONCE))
        while not length or self._size < length:
            wanted = min(_AT_ONCE, length - self._size) if length else _AT_ONCE
            size = os.preadv(fd, [buffer[:wanted]], self._size)
            if not size:
                break
            self.was_read(self._size, buffer[:size])
        return self._size, self._sum.digest()

    def _forget(self) -> None:
        self._sum, self._size = self._new(), 0
        self._version = self._present()

    def _present(self) -> tuple[int, int, int]:
        """Return what is another once somebody has written."""
        found = os.fstat(self._fd)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns
