"""The right that each request of a client needs on its node."""

from collections.abc import Mapping

from omnyshell.model.nodes import TUNNEL_SERVICE, NodeCapabilities
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.extensions import RIGHTS
from omnyshell.protocol.messages import (
    ActiveSessionDetachRequest,
    ControlMessage,
    DetachedSessionKillRequest,
    DetachedSessionsRequest,
    SessionOpen,
    SessionScreenRequest,
    TunnelOpenRequest,
)
from omnyshell.protocol.messages.history import SessionHistoryRequest
from omnyshell.security.authorizer import Action

RIGHTS_TAKEN: Mapping[type[ControlMessage], tuple[Action, ...]] = {
    SessionOpen: (Action.SHELL, Action.EXEC),
    DetachedSessionsRequest: (Action.WATCH,),
    SessionScreenRequest: (Action.WATCH,),
    SessionHistoryRequest: (Action.WATCH,),
    ActiveSessionDetachRequest: (Action.WATCH,),
    DetachedSessionKillRequest: (Action.KILL,),
    TunnelOpenRequest: (Action.EXPOSE,),
}
"""All requests about a node; if there are several rights, the request's contents decide which one it needs."""


def right_taken(request: type[ControlMessage]) -> Action:
    """Return the right that requests of a type need; see `right_of_session` for sessions."""
    (right,) = RIGHTS_TAKEN[request]
    return right


def serves(capabilities: NodeCapabilities | None, right: Action) -> bool:
    """Tell whether a node offers anything that needs the right, according to its capabilities."""
    if capabilities is None:
        return True
    if right is Action.SHELL:
        return bool(capabilities.shells)
    return right not in (Action.FORWARD, Action.EXPOSE) or TUNNEL_SERVICE in capabilities.features


def right_of_session(request: SessionOpen, node_features: frozenset[str], *, with_offsets: bool) -> Action:
    """Return the right that a session needs. A transfer needs that of a command.

    A resumed session counts as a shell, whatever the requested mode, unless offsets are in use and the node has the
    extension `rights`: only then can it be a command, and does the node check that the mode is right.
    """
    shell, command = RIGHTS_TAKEN[SessionOpen]
    if request.mode is SessionMode.SHELL:
        return shell
    is_command = request.resume_session_id is None or (with_offsets and RIGHTS in node_features)
    return command if is_command else shell
