"""What a peer that joins by invite signs (extension `admin`): its key is proved to this hub alone."""

from omnyshell.security.credentials import LoginContext
from omnyshell.security.length_prefix import length_prefixed, utf8

_JOIN_TAG = b"omnyshell:join:v1"


def join_message(context: LoginContext, token_hash: bytes) -> bytes:
    """What the signature of a `join.request` is over. Raises `ValueError` without the hub's key in the context."""
    if context.spki_sha256 is None:
        raise ValueError("joining needs the hash of the hub's public key")
    return length_prefixed(_JOIN_TAG, utf8(context.nonce), context.spki_sha256, utf8(context.role), token_hash)
