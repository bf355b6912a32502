"""The right that each request of a client needs on its node."""

from collections.abc import Mapping
from typing import Any

from omnyshell.model.nodes import TUNNEL_SERVICE, NodeCapabilities
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.extensions import AGENT, RIGHTS, SFTP, SSH
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
from omnyshell.protocol.messages.vitals import SessionProcessesRequest
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.audit.log import LONGEST_NAME

RIGHTS_TAKEN: Mapping[type[ControlMessage], tuple[Action, ...]] = {
    SessionOpen: (Action.SHELL, Action.EXEC, Action.SSH, Action.FILES, Action.AGENT, Action.FORWARD),
    DetachedSessionsRequest: (Action.WATCH,),
    SessionScreenRequest: (Action.WATCH,),
    SessionHistoryRequest: (Action.WATCH,),
    SessionProcessesRequest: (Action.WATCH,),
    ActiveSessionDetachRequest: (Action.WATCH,),
    DetachedSessionKillRequest: (Action.KILL,),
    TunnelOpenRequest: (Action.EXPOSE,),
}
"""All requests about a node; if there are several rights, the request's contents decide which one it needs."""


def owner_of(request: Any, caller: Principal) -> str:
    """Return whose sessions a request is about, as its client names them (extension `others-sessions`)."""
    return getattr(request, "owner", None) or caller.id


def reaches_others(request: Any, caller: Principal) -> bool:
    """Tell whether a request is about sessions that are not the caller's own alone."""
    return owner_of(request, caller) != caller.id or getattr(request, "everyone", False)


def whose_for_audit(request: Any, caller: Principal) -> str:
    """Return whose sessions a request is about, if they are not the caller's own; the name is not checked yet."""
    if not reaches_others(request, caller):
        return ""
    return "of everyone" if getattr(request, "everyone", False) else f"of {owner_of(request, caller)[:LONGEST_NAME]}"


def rights_taken(request: Any, caller: Principal) -> tuple[Action, ...]:
    """Return the rights that a request about sessions that are there needs."""
    right = right_taken(type(request))
    return (right, Action.OTHERS) if reaches_others(request, caller) else (right,)


def right_taken(request: type[ControlMessage]) -> Action:
    """Return the right that requests of a type need; see `right_of_session` for sessions."""
    (right,) = RIGHTS_TAKEN[request]
    return right


def serves(capabilities: NodeCapabilities | None, right: Action) -> bool:
    """Tell whether a node offers anything that needs the right, according to its capabilities."""
    if capabilities is None:
        return True
    if right in _EXTENSIONS:
        return _EXTENSIONS[right] in capabilities.features
    if right in (Action.SHELL, Action.SSH):
        return bool(capabilities.shells) and (right is Action.SHELL or SSH in capabilities.features)
    return right not in (Action.FORWARD, Action.EXPOSE) or TUNNEL_SERVICE in capabilities.features


def right_of_session(request: SessionOpen, node_features: frozenset[str], *, with_offsets: bool) -> Action:
    """Return the right that a session needs. A transfer needs that of a command.

    A resumed session counts as a shell, whatever the requested mode, unless offsets are in use and the node has the
    extension `rights`: only then can it be anything else, and does the node check that the mode is right.
    """
    right = right_of_mode(request.mode)
    is_as_asked = request.resume_session_id is None or (with_offsets and RIGHTS in node_features)
    return right if is_as_asked else Action.SHELL


def right_of_mode(mode: SessionMode) -> Action:
    """Return the right that a session of a mode takes for its whole life."""
    return _OF_MODE.get(mode, Action.EXEC)


_OF_MODE = {
    SessionMode.SHELL: Action.SHELL,
    SessionMode.FORWARD: Action.FORWARD,
    SessionMode.SSH: Action.SSH,
    SessionMode.SFTP: Action.FILES,
    SessionMode.AGENT: Action.AGENT,
}
_EXTENSIONS = {Action.FILES: SFTP, Action.AGENT: AGENT}
"""What a node serves alone that lists the extension."""
