"""Which right each request of a client takes at the node that it names."""

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
from omnyshell.security.authorizer import Action

RIGHTS_TAKEN: Mapping[type[ControlMessage], tuple[Action, ...]] = {
    SessionOpen: (Action.SHELL, Action.EXEC),
    DetachedSessionsRequest: (Action.WATCH,),
    SessionScreenRequest: (Action.WATCH,),
    ActiveSessionDetachRequest: (Action.WATCH,),
    DetachedSessionKillRequest: (Action.KILL,),
    TunnelOpenRequest: (Action.EXPOSE,),
}
"""Every request that reaches for a node; of several rights, one is taken by what the request says."""


def right_taken(request: type[ControlMessage]) -> Action:
    """Return the right that requests of a type take; see `right_of_session` for sessions."""
    (right,) = RIGHTS_TAKEN[request]
    return right


def serves(capabilities: NodeCapabilities | None, right: Action) -> bool:
    """Tell whether a node serves anything that takes the right, by what it said of itself."""
    if capabilities is None:
        return True
    if right is Action.SHELL:
        return bool(capabilities.shells)
    return right not in (Action.FORWARD, Action.EXPOSE) or TUNNEL_SERVICE in capabilities.features


def right_of_session(request: SessionOpen, node_features: frozenset[str], *, with_offsets: bool) -> Action:
    """Return the right that a session takes. Transfers run what commands do.

    What is resumed is a shell, whatever mode the request names: commands alone go on by offsets, and only a node that
    knows of rights holds the mode against the session.
    """
    shell, command = RIGHTS_TAKEN[SessionOpen]
    if request.mode is SessionMode.SHELL:
        return shell
    is_command = request.resume_session_id is None or (with_offsets and RIGHTS in node_features)
    return command if is_command else shell
