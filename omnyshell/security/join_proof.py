"""The bytes that a peer signs to join by invite (extension `admin`); the proof is good for this hub alone."""

from omnyshell.security.credentials import LoginContext, place_fields
from omnyshell.security.length_prefix import length_prefixed, utf8

_JOIN_TAG = b"omnyshell:join:v1"
_BOUND_JOIN_TAG = b"omnyshell:join:v2"


def join_message(context: LoginContext, token_hash: bytes) -> bytes:
    """The bytes that a `join.request` signs; they include the dialled host and port where the context has them.

    Raises `ValueError` without the hub's key in the context.
    """
    if context.spki_sha256 is None:
        raise ValueError("joining needs the hash of the hub's public key")
    nonce = utf8(context.nonce)
    if context.host:
        return length_prefixed(_BOUND_JOIN_TAG, nonce, *place_fields(context, token_hash))
    return length_prefixed(_JOIN_TAG, nonce, context.spki_sha256, utf8(context.role), token_hash)
