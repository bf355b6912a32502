"""Length-prefixed fields: what is hashed and signed (docs/protocol.md#length-prefixed-fields), and said to agents."""


def length_prefixed(*fields: bytes) -> bytes:
    """Join fields so that no two different lists give the same bytes.

    Each field is its length as 4 bytes, big-endian, followed by its bytes.
    """
    return b"".join(len(field).to_bytes(4) + field for field in fields)


class FieldReader:
    """Reads such fields, and numbers between them. Its methods raise `ValueError` where input is cut off or goes on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise ValueError("cut off")
        self._at += size
        return taken

    def number(self, size: int) -> int:
        """Return a number of `size` bytes, big-endian."""
        return int.from_bytes(self.take(size))

    def field(self) -> bytes:
        """Return the next field."""
        return self.take(self.number(4))

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._data):
            raise ValueError("goes on behind its end")


def utf8(text: str) -> bytes:
    """Encode text that came from a peer.

    Never fails: a lone surrogate, which JSON can carry, becomes bytes that no well-formed text has.
    """
    return text.encode("utf-8", "surrogatepass")
