"""The kinds of requests about sessions that the hub relays to nodes, and the texts of its own answers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from omnyshell.ids import matches_ref, short_id
from omnyshell.model.sessions import UNKNOWN_USAGE, DetachedSessionInfo
from omnyshell.protocol.extensions import EVENTS, HISTORY, LOGINS
from omnyshell.protocol.messages import (
    ActiveSessionDetachRequest,
    ActiveSessionDetachResponse,
    ControlMessage,
    DetachedSessionKillRequest,
    DetachedSessionKillResponse,
    DetachedSessionsRequest,
    DetachedSessionsResponse,
    NodeActiveSessionDetach,
    NodeActiveSessionDetachResponse,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsRequest,
    NodeDetachedSessionsResponse,
    NodeSessionScreenRequest,
    NodeSessionScreenResponse,
    SessionScreenRequest,
    SessionScreenResponse,
)
from omnyshell.protocol.messages.detached import Request
from omnyshell.protocol.messages.events import NodeLiveSessionsRequest, NodeLiveSessionsResponse
from omnyshell.protocol.messages.history import (
    NodeSessionHistoryRequest,
    NodeSessionHistoryResponse,
    SessionHistoryRequest,
    SessionHistoryResponse,
)

NODE_OFFLINE = "Node offline"
NOT_AUTHORIZED = "Not authorized"
NO_HISTORY = "The node keeps no history"
NO_LISTING = "The node tells of sessions to their owners alone: name one"
NO_REASON = "The node refused it"
NO_SUCH_OWNER = "No principal has such a name"
TIMED_OUT = "Timed out"
TOO_MANY = "Too many requests at once"
TOO_OLD = "its OmnyShell is too old to say whose its sessions are, and wants an update"

LOOKS = (DetachedSessionsRequest, SessionScreenRequest, SessionHistoryRequest)
"""Requests that change nothing: those that are repeated are audited now and then."""


LOOKS_AT_ONE = (SessionScreenRequest, SessionHistoryRequest)
"""Those that show what is in a session: they take whom it runs as, where grants or the node say so."""


class Asked(Protocol):
    """A request that was relayed."""

    @property
    def id(self) -> str:
        """Its id, as the client chose it."""

    @property
    def request(self) -> Any:
        """The client's request."""

    @property
    def owner(self) -> str:
        """Whose sessions it is about."""

    @property
    def shared(self) -> frozenset[str]:
        """The extensions that client and node announced."""


AnyAnswer = Request | NodeLiveSessionsResponse
"""A node's answer; each has the id of the hub's request."""


class RequestKind(NamedTuple):
    """The differences between the four kinds of request."""

    action: str
    ask: Callable[[Any, str, str], ControlMessage]
    """Makes the node's request from the client's, the hub's id and the sessions' owner."""

    answered_by: type[AnyAnswer]
    tell: Callable[[Any, Asked], ControlMessage]
    """Makes the client's answer from the node's."""

    refuse: Callable[[str, str], ControlMessage]
    """Makes the answer to a failed request, from the client's id and a text."""

    @property
    def told_as(self) -> type[ControlMessage]:
        """The client's answer."""
        return type(self.refuse("", ""))

    needs: str = ""
    """The extension that a node must have announced, beside those of every node."""

    without: str = ""
    """What a client is told of a node that has not."""


def _list_kind() -> RequestKind:
    return RequestKind(
        "session.list",
        lambda ask, id_, owner: NodeDetachedSessionsRequest(request_id=id_, principal=owner, usage=ask.usage),
        NodeDetachedSessionsResponse,
        _tell_sessions,
        lambda id_, _: DetachedSessionsResponse(request_id=id_),
    )


def _kill_kind() -> RequestKind:
    return RequestKind(
        "session.kill",
        lambda ask, id_, owner: NodeDetachedSessionKillRequest(
            request_id=id_, principal=owner, session_ref=ask.session_ref
        ),
        NodeDetachedSessionKillResponse,
        lambda said, asked: DetachedSessionKillResponse(request_id=asked.id, ok=said.ok, message=said.message),
        lambda id_, text: DetachedSessionKillResponse(request_id=id_, message=text),
    )


def _detach_kind() -> RequestKind:
    return RequestKind(
        "session.detach",
        lambda ask, id_, owner: NodeActiveSessionDetach(
            request_id=id_,
            principal=owner,
            session_ref=ask.session_ref,
            # When it ends by itself is its owner's to say.
            timeout_seconds=None if ask.owner else ask.timeout_seconds,
        ),
        NodeActiveSessionDetachResponse,
        lambda said, asked: ActiveSessionDetachResponse(
            request_id=asked.id, ok=said.ok, short_id=_same_short(said.short_id, asked), message=said.message
        ),
        lambda id_, text: ActiveSessionDetachResponse(request_id=id_, message=text),
    )


def _screen_kind() -> RequestKind:
    return RequestKind(
        "session.peek",
        lambda ask, id_, owner: NodeSessionScreenRequest(
            request_id=id_, principal=owner, session_ref=ask.session_ref, etag=ask.etag, history=ask.history
        ),
        NodeSessionScreenResponse,
        _tell_screen,
        lambda id_, text: SessionScreenResponse(request_id=id_, message=text),
    )


def _history_kind() -> RequestKind:
    return RequestKind(
        "session.peek",
        lambda ask, id_, owner: NodeSessionHistoryRequest(
            request_id=id_, principal=owner, session_ref=ask.session_ref, before=ask.before, lines=ask.lines
        ),
        NodeSessionHistoryResponse,
        lambda said, asked: SessionHistoryResponse(
            request_id=asked.id,
            ok=said.ok,
            message=said.message,
            lines=said.lines,
            count=said.count,
            before=said.before,
        ),
        lambda id_, text: SessionHistoryResponse(request_id=id_, message=text),
        HISTORY,
        NO_HISTORY,
    )


def _everyones_kind() -> RequestKind:
    return RequestKind(
        "session.list",
        lambda ask, id_, _owner: NodeLiveSessionsRequest(request_id=id_, usage=ask.usage),
        NodeLiveSessionsResponse,
        lambda said, asked: DetachedSessionsResponse(request_id=asked.id, sessions=_placed(said.sessions, asked)),
        lambda id_, text: DetachedSessionsResponse(request_id=id_, refused=text),
        EVENTS,
        NO_LISTING,
    )


def _tell_sessions(said: NodeDetachedSessionsResponse, asked: Asked) -> DetachedSessionsResponse:
    """Make the answer from a node's list, with its own sessions of the requested principal only."""
    owners = ("", asked.owner)
    mine = _placed((info for info in said.sessions if info.owner_user_id in owners), asked)
    return DetachedSessionsResponse(request_id=asked.id, sessions=mine)


def _same_short(named: str | None, asked: Asked) -> str | None:
    """Return a node's short id if it may be the session that was asked for, which may be longer or shorter."""
    ref = asked.request.session_ref
    return named if not named or not ref or matches_ref(named, ref) or matches_ref(ref, named) else None


def _placed(sessions: Iterable[DetachedSessionInfo], asked: Asked) -> tuple[DetachedSessionInfo, ...]:
    """Return them at the node that was asked, with their own short ids, and what the client knows, whatever it says."""
    unknown = {} if asked.request.usage else UNKNOWN_USAGE
    return tuple(
        replace(
            info,
            node_id=asked.request.node_id,
            short_id=short_id(info.session_id),
            user=info.user if LOGINS in asked.shared else "",
            **unknown,
        )
        for info in sessions
    )


def _tell_screen(said: NodeSessionScreenResponse, asked: Asked) -> SessionScreenResponse:
    return SessionScreenResponse(
        request_id=asked.id,
        ok=said.ok,
        message=said.message,
        screen=said.screen,
        alt_screen=said.alt_screen,
        etag=said.etag,
        same=said.same,
        exit_code=said.exit_code,
        history_end=said.history_end,
    )


KINDS: Mapping[type[ControlMessage], RequestKind] = {
    DetachedSessionsRequest: _list_kind(),
    DetachedSessionKillRequest: _kill_kind(),
    ActiveSessionDetachRequest: _detach_kind(),
    SessionScreenRequest: _screen_kind(),
    SessionHistoryRequest: _history_kind(),
}

_EVERYONES = _everyones_kind()


def kind_of(request: Any) -> RequestKind:
    """Return the kind of a client's request."""
    is_of_all = isinstance(request, DetachedSessionsRequest) and request.everyone
    return _EVERYONES if is_of_all else KINDS[type(request)]
