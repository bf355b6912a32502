"""Detachable sessions: detach, list, kill and screen (docs/protocol.md#detached-sessions)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.grammars import (
    BASE64,
    COUNT,
    EXIT_CODE,
    OFFSET,
    PRINCIPAL,
    PRINCIPAL_OR_NONE,
    SESSION_ID,
    SHORT_ID,
)
from omnyshell.model.schema import ANSWERED, FREE, OMIT, OMIT_EMPTY
from omnyshell.model.sessions import DetachedSessionInfo, SessionAsker
from omnyshell.protocol.messages.base import ChannelMessage, ControlMessage, Way


class SessionDetachRequest(ChannelMessage, kw_only=True):
    """A client leaves its session running."""

    TYPE: ClassVar[str] = "session.detach.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """After how many seconds it ends by itself; never where it is missing."""


class NodeSessionDetach(ChannelMessage, kw_only=True):
    """The hub passes a detach on to the node, which finds the session by the channel."""

    TYPE: ClassVar[str] = "node.session.detach"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    session_id: Annotated[str, SESSION_ID]
    """The id of `node.session.open`."""

    principal: Annotated[str, PRINCIPAL]
    """The session's owner."""

    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """After how many seconds it ends by itself; never where it is missing."""


class NodeSessionDetached(ChannelMessage, kw_only=True):
    """The node detached the session."""

    TYPE: ClassVar[str] = "node.session.detached"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    session_id: Annotated[str, SESSION_ID]
    """The session's id."""

    short_id: Annotated[str, SHORT_ID] = ""
    """Its first 8 characters."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends by itself."""


class SessionDetached(ChannelMessage, kw_only=True):
    """The session goes on without this client; nothing follows on the channel."""

    TYPE: ClassVar[str] = "session.detached"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    session_id: Annotated[str, SESSION_ID]
    """The session's id."""

    short_id: Annotated[str, SHORT_ID] = ""
    """Its first 8 characters."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends by itself."""

    taken_by: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    """Of `others-sessions`: who took it from this client, where that is another principal."""


class Request(ControlMessage, kw_only=True):
    """A request outside any channel; its answer carries the same id."""

    request_id: Annotated[str, FREE]
    """Chosen by the sender, and echoed in the answer."""


class ClientRequest(Request, kw_only=True):
    """A client's request about one node."""

    node_id: Annotated[str, ANSWERED]
    """The node that is asked."""


class RelayedRequest(Request, kw_only=True):
    """The hub's request to a node, on behalf of a principal."""

    principal: Annotated[str, PRINCIPAL]
    """The principal for whom the hub asks: only its sessions count."""


class Outcome(Request, kw_only=True):
    """Whether a request was done."""

    ok: bool = False
    """Whether it was done."""

    message: Annotated[str | None, OMIT_EMPTY, FREE] = None
    """Why not, in words."""


class SessionsRequest(ClientRequest, kw_only=True):
    """A client's request about the sessions of one node."""

    owner: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `others-sessions`: whose sessions are meant; the caller's own where it is missing."""


class DetachedSessionsRequest(SessionsRequest, kw_only=True):
    """Lists the caller's sessions on a node."""

    TYPE: ClassVar[str] = "sessions.list.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    everyone: Annotated[bool, OMIT] = False
    """Of `others-sessions`: lists the shells of all principals."""

    usage: Annotated[bool, OMIT] = False
    """Of `session-usage`: asks for what each takes of the machine."""


class DetachedSessionsResponse(Request, kw_only=True):
    """The caller's sessions on a node."""

    TYPE: ClassVar[str] = "sessions.list.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "sessions"

    sessions: tuple[DetachedSessionInfo, ...] = ()
    """The sessions, attached and detached."""

    refused: Annotated[str | None, OMIT_EMPTY, FREE] = None
    """Of `rights`: why the caller may not list them."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """Of `rights`: how many are not told of, as there was no room."""


class NodeDetachedSessionsRequest(RelayedRequest, kw_only=True):
    """Lists a principal's sessions."""

    TYPE: ClassVar[str] = "node.sessions.list.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    usage: Annotated[bool, OMIT] = False
    """Of `session-usage`: asks for what each takes of the machine."""


class NodeDetachedSessionsResponse(Request, kw_only=True):
    """A principal's sessions."""

    TYPE: ClassVar[str] = "node.sessions.list.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    sessions: tuple[DetachedSessionInfo, ...] = ()
    """The sessions, attached and detached."""


class DetachedSessionKillRequest(SessionsRequest, kw_only=True):
    """Ends a session."""

    TYPE: ClassVar[str] = "sessions.kill.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    session_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""


class DetachedSessionKillResponse(Outcome):
    """Whether the session was ended."""

    TYPE: ClassVar[str] = "sessions.kill.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT


class NodeDetachedSessionKillRequest(RelayedRequest, kw_only=True):
    """Ends a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.kill.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    session_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""


class NodeDetachedSessionKillResponse(Outcome):
    """Whether the session was ended."""

    TYPE: ClassVar[str] = "node.sessions.kill.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB


class ActiveSessionDetachRequest(SessionsRequest, kw_only=True):
    """Detaches an attached session from elsewhere."""

    TYPE: ClassVar[str] = "sessions.detach.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    session_ref: Annotated[str, OMIT_EMPTY, ANSWERED] = ""
    """Its id, or the beginning of it; empty for the only attached shell."""

    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """After how many seconds it ends by itself; never where it is missing."""


class DetachOutcome(Outcome, kw_only=True):
    """Whether a session was detached, and which."""

    short_id: Annotated[str | None, OMIT_EMPTY, SHORT_ID] = None
    """The first 8 characters of its id."""


class ActiveSessionDetachResponse(DetachOutcome):
    """Whether the session was detached."""

    TYPE: ClassVar[str] = "sessions.detach.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT


class NodeActiveSessionDetach(RelayedRequest, kw_only=True):
    """Detaches a principal's attached session."""

    TYPE: ClassVar[str] = "node.sessions.detach.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    session_ref: Annotated[str, OMIT_EMPTY, ANSWERED] = ""
    """Its id, or the beginning of it; empty for the only attached shell."""

    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """After how many seconds it ends by itself; never where it is missing."""


class NodeActiveSessionDetachResponse(DetachOutcome):
    """Whether the session was detached."""

    TYPE: ClassVar[str] = "node.sessions.detach.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB


class ScreenOutcome(Outcome, kw_only=True):
    """A session's screen."""

    screen: Annotated[str | None, OMIT_EMPTY, BASE64] = None
    """The bytes that paint the screen."""

    alt_screen: Annotated[bool, OMIT] = False
    """Whether it is the alternate screen."""

    etag: Annotated[str | None, OMIT, FREE] = None
    """Of `screen-etag`: names this state of the screen."""

    same: Annotated[bool, OMIT] = False
    """Of `screen-etag`: the screen still has the `etag` of the request, and is not sent."""

    exit_code: Annotated[int | None, OMIT, EXIT_CODE] = None
    """Of `screen-etag`: the session has ended with this code, and this is its last screen."""

    history_end: Annotated[int | None, OMIT, OFFSET] = None
    """Of `history`: the place above the screen."""


class SessionScreenRequest(SessionsRequest, kw_only=True):
    """Asks for a session's present screen."""

    TYPE: ClassVar[str] = "sessions.screen.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    session_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""

    etag: Annotated[str | None, OMIT, FREE] = None
    """Of `screen-etag`: the state that the client knows; empty for none."""

    history: Annotated[bool, OMIT] = False
    """Of `history`: asks for the place above the screen."""


class SessionScreenResponse(ScreenOutcome):
    """A session's present screen."""

    TYPE: ClassVar[str] = "sessions.screen.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT


class NodeSessionScreenRequest(RelayedRequest, kw_only=True):
    """Asks for the present screen of a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.screen.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    session_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""

    etag: Annotated[str | None, OMIT, FREE] = None
    """Of `screen-etag`: the state that the client knows; empty for none."""

    history: Annotated[bool, OMIT] = False
    """Of `history`: asks for the place above the screen."""

    asker: Annotated[SessionAsker | None, OMIT] = None
    """Of `logins`: who looks; its owner if missing."""


class NodeSessionScreenResponse(ScreenOutcome):
    """The present screen of a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.screen.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB


RELAYED_ANSWERS: tuple[type[Request], ...] = (
    NodeDetachedSessionsResponse,
    NodeDetachedSessionKillResponse,
    NodeActiveSessionDetachResponse,
    NodeSessionScreenResponse,
)
"""The answers of nodes to requests that the hub relayed."""
