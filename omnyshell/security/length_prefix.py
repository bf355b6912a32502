"""Length-prefixed fields: what is hashed and signed (docs/protocol.md#length-prefixed-fields)."""


def length_prefixed(*fields: bytes) -> bytes:
    """Join fields so that no two different lists give the same bytes.

    Each field is its length as 4 bytes, big-endian, followed by its bytes.
    """
    return b"".join(len(field).to_bytes(4) + field for field in fields)


def utf8(text: str) -> bytes:
    """Encode text that came from a peer.

    Never fails: a lone surrogate, which JSON can carry, becomes bytes that no well-formed text has.
    """
    return text.encode("utf-8", "surrogatepass")
