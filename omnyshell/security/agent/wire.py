"""The protocol of ssh-agent (draft-ietf-sshm-ssh-agent): bytes in, values out, no I/O. Agents may be hostile.

A message is its length as 4 bytes, big-endian, and so many bytes, of which the first is its type. What breaks this, is
cut off or goes on behind its end raises `ValueError`.
"""

from enum import IntEnum

import msgspec

from omnyshell.security.keys import SIGNATURE_BYTES
from omnyshell.security.length_prefix import FieldReader, length_prefixed
from omnyshell.security.public_keys import PublicKey, SecurityKey, blob_of, read_blob, type_of

MAX_MESSAGE = 256 * 1024
"""Bytes of a message; OpenSSH's limit."""

MAX_KEYS = 1_000
"""How many keys of an agent are looked at."""


class MessageType(IntEnum):
    """The types of messages that are used."""

    FAILURE = 5
    REQUEST_IDENTITIES = 11
    IDENTITIES_ANSWER = 12
    SIGN_REQUEST = 13
    SIGN_RESPONSE = 14
    EXTENSION = 27


class Identity(msgspec.Struct, frozen=True):
    """A key that an agent holds: its comment, and the key itself, or None where it is of a kind that cannot log in."""

    comment: str
    key: PublicKey | None


class AgentSignature(msgspec.Struct, frozen=True):
    """What an agent signed; flags and counter are those of a hardware token, else 0."""

    raw: bytes
    flags: int = 0
    counter: int = 0


def framed(body: bytes) -> bytes:
    """Return a message as it is sent; `body` begins with its type."""
    return length_prefixed(body)


FAILED = bytes([MessageType.FAILURE])
"""The body of the answer that an agent gives to what it does not do."""


class MessageReader:
    """Finds messages in a stream."""

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        """`limit` is the most bytes that a message may have."""
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes of the stream, and return the bodies of the messages that are whole.

        Raises `ValueError` for a length that no message has; the stream is worth nothing from there on.
        """
        self._buffer += data
        found = []
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4])
            if not 0 < size <= self._limit:
                raise ValueError(f"a message of {size} bytes")
            if len(self._buffer) < 4 + size:
                break
            found.append(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
        return found


def identities_request() -> bytes:
    """The body that asks for the keys."""
    return bytes([MessageType.REQUEST_IDENTITIES])


def sign_request(key: PublicKey, message: bytes) -> bytes:
    """The body that asks for a signature of `message`, without flags."""
    return bytes([MessageType.SIGN_REQUEST]) + length_prefixed(blob_of(key), message) + bytes(4)


def read_identities(body: bytes) -> list[Identity]:
    """Read the answer to `identities_request`; a key that is damaged is one that cannot log in."""
    reader = FieldReader(body)
    if reader.number(1) != MessageType.IDENTITIES_ANSWER:
        raise ValueError("no list of keys")
    count = reader.number(4)
    if count > MAX_KEYS:
        raise ValueError(f"{count} keys")
    found = [_identity(reader.field(), reader.field()) for _ in range(count)]
    reader.end()
    return found


def _identity(blob: bytes, comment: bytes) -> Identity:
    try:
        key = read_blob(blob)
    except ValueError:
        key = None
    return Identity(comment.decode("utf-8", "replace"), key)


def read_signature(body: bytes, key: PublicKey) -> AgentSignature | None:
    """Read the answer to `sign_request`; None where the agent does not sign."""
    reader = FieldReader(body)
    if reader.number(1) != MessageType.SIGN_RESPONSE:
        return None
    signature = FieldReader(reader.field())
    reader.end()
    if signature.field() != type_of(key).encode():
        raise ValueError("a signature of another type")
    raw = signature.field()
    if len(raw) != SIGNATURE_BYTES:
        raise ValueError("a signature of another size")
    token = (signature.number(1), signature.number(4)) if isinstance(key, SecurityKey) else ()
    signature.end()
    return AgentSignature(raw, *token)
