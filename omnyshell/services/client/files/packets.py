"""A stream of SFTP as packets."""

from collections.abc import Iterator

from omnyshell.services.client.files.problems import FileException, Trouble

_HEAD = 4


class PacketReader:
    """Cuts what arrives into packets, each of which is copied once."""

    def __init__(self, most: int) -> None:
        """`most` is how many bytes a packet may have."""
        self._most = most
        self._head = b""
        self._packet: bytearray | None = None
        self._filled = 0

    def feed(self, data: bytes | memoryview) -> Iterator[bytearray]:
        """Yield the packets that are whole with this. Raises `FileException` for one that is too long."""
        view = memoryview(data)
        while view:
            if self._packet is None:
                view = self._begin(view)
                continue
            packet, filled = self._packet, self._filled
            taken = min(len(packet) - filled, len(view))
            packet[filled : filled + taken] = view[:taken]
            view, self._filled = view[taken:], filled + taken
            if self._filled == len(packet):
                self._packet = None
                yield packet

    def _begin(self, view: memoryview) -> memoryview:
        """Take what there is of the next packet's head, and return the rest."""
        missing = _HEAD - len(self._head)
        self._head += view[:missing]
        if len(self._head) == _HEAD:
            size = int.from_bytes(self._head, "big")
            if not 0 < size <= self._most:
                raise FileException(f"the node's SFTP sends an answer of {size} bytes", code=Trouble.BROKEN)
            self._head, self._packet, self._filled = b"", bytearray(size), 0
        return view[missing:]
