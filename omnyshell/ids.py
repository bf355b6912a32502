"""Identifiers: how they are made, shortened and checked."""

import re
import secrets
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import NewType

ChannelId = NewType("ChannelId", int)
NodeId = NewType("NodeId", str)
PrincipalId = NewType("PrincipalId", str)
SessionId = NewType("SessionId", str)

IdFactory = Callable[[], str]
"""Makes a fresh session or request id; injected so that tests control it."""

CONTROL_CHANNEL = ChannelId(0)
MAX_CHANNEL_ID = 0xFFFF_FFFF
FIRST_HUB_CHANNEL_AT_CLIENT = 0x4000_0000
"""Channels that the hub opens toward a client start here (docs/protocol.md#channels)."""

MAX_NODE_ID = 255
"""Characters of a node id."""

NODE_ID_RULE = "letters, digits, '.', '_' and '-'"
"""What a node id is made of, for errors."""

_NODE_ID = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_NODE_ID}}}")
_HUB_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_UID = re.compile(r"(?:nod|hub)_[A-Za-z0-9_-]{1,251}")


def new_id() -> str:
    """Return a fresh UUID v4 as text: the form of session and request ids."""
    return str(uuid.uuid4())


def new_secure_token() -> str:
    """Return 256 random bits as URL-safe base64 without padding (43 characters)."""
    return secrets.token_urlsafe(32)


def new_typed_token() -> str:
    """Return a secure token for people to type or paste; it never begins with a dash, as an option does."""
    while (token := new_secure_token()).startswith("-"):
        pass
    return token


def new_tunnel_id() -> str:
    """Return a token for a tunnel."""
    return new_typed_token()


def short_id(full_id: str) -> str:
    """Return the first 8 characters of an id, the form shown to people."""
    return full_id[:8]


def matches_ref(full_id: str, ref: str) -> bool:
    """Tell whether an id is, or begins with, what a user wrote; an empty text matches none.

    Hyphens and case do not matter: `sessionRef` in docs/protocol.md#detached-sessions.
    """
    wanted = normal_id(ref)
    return wanted != "" and normal_id(full_id).startswith(wanted)


@lru_cache(maxsize=4096)
def normal_id(text: str) -> str:
    """Return an id in the form in which references are compared: lower case, without hyphens."""
    return text.replace("-", "").casefold()


def is_node_id(text: str) -> bool:
    """Tell whether `text` is a well-formed node id (docs/protocol.md#what-a-value-may-be)."""
    return _NODE_ID.fullmatch(text) is not None


def is_hub_id(text: str) -> bool:
    """Tell whether `text` is a well-formed id of a hub among several."""
    return _HUB_ID.fullmatch(text) is not None


def is_uid(text: str) -> bool:
    """Tell whether `text` is a well-formed node or hub UID (docs/protocol.md#what-a-value-may-be)."""
    return _UID.fullmatch(text) is not None
