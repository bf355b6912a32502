"""TLS without I/O, for either side: ciphertext in and out, plaintext in and out."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Self, cast

from omnyshell.protocol.limits import KIB

Data = bytes | bytearray | memoryview

_PIECE = 16 * KIB
"""The most plaintext in one TLS record, in bytes."""


class After(Enum):
    """What follows the plaintext that was read."""

    MORE = "more"
    """There may be more: the buffer is full."""

    NOTHING_YET = "nothing yet"
    """More ciphertext is needed."""

    END = "end"
    """The other side has sent `close_notify` (RFC 8446 section 6.1). Returned once."""

    NO_TLS = "no tls"
    """The input is not TLS, or was tampered with."""


# These are compared for every piece that is read: a module's name costs less than an enum's member.
MORE, NOTHING_YET, END = After.MORE, After.NOTHING_YET, After.END


class TlsCore:
    """The TLS of one connection. After each call, send the contents of `outgoing`.

    `feed` it ciphertext as it arrives; `shake_hands` until that is done; then `read` and `write`.
    """

    __slots__ = ("_ahead", "_incoming", "feed", "outgoing", "session", "write")

    def __init__(self, wrap: Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject]) -> None:
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.session = wrap(self._incoming, self.outgoing)
        """The standard library's object, with certificates, version and cipher."""

        self._ahead: tuple[bytes, After] | None = None
        # Attributes instead of methods, as an extra call for each piece would be measurable.
        self.feed: Callable[[Data], object] = self._incoming.write
        self.write: Callable[[Data], object] = self.session.write

    @classmethod
    def accepting(cls, context: ssl.SSLContext) -> Self:
        """Return the core of the accepting side."""
        return cls(lambda incoming, outgoing: context.wrap_bio(incoming, outgoing, server_side=True))

    @classmethod
    def connecting(cls, context: ssl.SSLContext, host: str) -> Self:
        """Return the core of the connecting side; the server's certificate must be for `host`.

        Raises as `wrap_bio` does.
        """
        # Passed as bytes: for a text, Python would load the tables of international names even if it is ASCII.
        name = host.encode("ascii") if host.isascii() else host
        return cls(lambda incoming, outgoing: context.wrap_bio(incoming, outgoing, server_hostname=name))

    def shake_hands(self) -> bool:
        """Continue the handshake; return whether it is done. Raises `ssl.SSLError`; then an alert has to be sent."""
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self, buffer: memoryview) -> tuple[int, After]:
        """Decrypt into the buffer; return the number of bytes, and what follows them."""
        if self._ahead is not None:
            return self._read_ahead(buffer, *self._ahead)
        session, room, size = self.session, len(buffer), 0
        try:
            while size < room:
                if not (self._incoming.pending or session.pending()):
                    return size, NOTHING_YET
                count = cast("int", session.read(room - size, buffer[size:]))
                if not count:
                    return size, END
                size += count
        except ssl.SSLWantReadError:
            return size, NOTHING_YET
        except ssl.SSLZeroReturnError:
            return size, END
        except ssl.SSLError:
            return size, After.NO_TLS
        return size, MORE

    def say_goodbye(self) -> None:
        """Send `close_notify`, without waiting for the other side's, which may come much later or never.

        Received input is decrypted first: the library would treat it as a violation, and lose it.
        """
        if self._incoming.pending or self.session.pending():
            self._ahead = self._read_all()
        with suppress(ssl.SSLError, ValueError):
            self.session.unwrap()

    def _read_all(self) -> tuple[bytes, After]:
        plain, after, piece = bytearray(), MORE, memoryview(bytearray(_PIECE))
        while after is MORE:
            size, after = self.read(piece)
            plain += piece[:size]
        return bytes(plain), after

    def _read_ahead(self, buffer: memoryview, plain: bytes, after: After) -> tuple[int, After]:
        size = min(len(buffer), len(plain))
        buffer[:size] = plain[:size]
        left = plain[size:]
        is_last = not left and after is not NOTHING_YET
        self._ahead = (left, after) if left or is_last else None
        return size, after if is_last else MORE
