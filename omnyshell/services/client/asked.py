"""Checks a hub's answers against the requests. Errors say what the hub did wrong."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from omnyshell.errors import ProtocolException
from omnyshell.ids import matches_ref, normal_id
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelExit,
    ControlMessage,
    NodeListResponse,
    SessionDetached,
    SessionOpened,
    SessionRejected,
    TunnelOpened,
    TunnelOpenRequest,
)

T = TypeVar("T", bound=ControlMessage)

logger = logging.getLogger("omnyshell.client")

PLATFORM_FILTER = "platform"

TURNING_POINTS = frozenset(
    declared.TYPE for declared in (SessionOpened, SessionRejected, SessionDetached, ChannelExit, ChannelClose)
)
"""What a session begins or ends with: one that cannot be read leaves nobody knowing how it stands."""


def check_kind(request: ControlMessage, answer: Any, expected: type[T]) -> T:
    """Return the answer, if it is of the expected type; log a warning if its list was cut.

    Raises `ProtocolException`.
    """
    if not isinstance(answer, expected):
        raise ProtocolException(f"the hub answered {request.TYPE} with {answer.TYPE}")
    # A cut listing of nodes is reported by the code that shows it.
    if answer.LISTS and not isinstance(answer, NodeListResponse) and (left_out := getattr(answer, "left_out", 0)):
        logger.warning("%d more %s have no place in one answer: they are left out", left_out, answer.LISTS)
    return answer


def check_nodes(nodes: Iterable[NodeDescriptor], labels: Mapping[str, str]) -> None:
    """Raise `ProtocolException` if a listed node lacks one of the requested labels."""
    for node in nodes:
        for name, wanted in labels.items():
            found = node.platform.os if name == PLATFORM_FILTER else node.labels.get(name)
            if found != wanted:
                raise ProtocolException(f"the hub listed the node '{node.node_id}', which was not asked for")


def check_sessions(sessions: Iterable[DetachedSessionInfo], node_id: str, principal: str | None) -> None:
    """Raise `ProtocolException` if a session belongs to another node or principal; None stands for all of them."""
    for found in sessions:
        if found.node_id != node_id:
            raise ProtocolException(f"the hub listed a session of '{found.node_id}', and '{node_id}' was asked for")
        if principal is not None and found.owner_user_id not in ("", principal):
            raise ProtocolException(f"the hub listed a session of '{found.owner_user_id}' for '{principal}'")


def check_resumed(session_id: str, ref: str) -> None:
    """Raise `ProtocolException` if the resumed session is not the requested one."""
    if not matches_ref(session_id, ref):
        raise ProtocolException(f"the hub resumed the session {session_id}, which was not asked for")


def check_detached(short_id: str, ref: str) -> None:
    """Raise `ProtocolException` if the detached session is not the requested one.

    Either text may be a prefix of the other.
    """
    told, asked = normal_id(short_id), normal_id(ref)
    if not told.startswith(asked) and not asked.startswith(told):
        raise ProtocolException(f"the hub detached the session {short_id}, which was not asked for")


def check_opened(request: TunnelOpenRequest, opened: TunnelOpened) -> None:
    """Raise `ProtocolException` if the opened tunnel is not the requested one."""
    if request.public_port not in (None, opened.public_port):
        what = f"port {opened.public_port}, and {request.public_port} was asked for"
    elif request.secure != opened.secure:
        what = f"a tunnel {'with' if opened.secure else 'without'} TLS, which was not asked for"
    elif request.protocol != opened.protocol:
        what = f"a tunnel for {opened.protocol}, and {request.protocol} was asked for"
    else:
        return
    raise ProtocolException(f"the hub opened {what}")


def check_tunnels(tunnels: Iterable[TunnelInfo], principal: str) -> None:
    """Raise `ProtocolException` if a tunnel belongs to another principal."""
    for found in tunnels:
        if found.owner_user_id not in ("", principal):
            raise ProtocolException(f"the hub listed a tunnel of '{found.owner_user_id}' for '{principal}'")
