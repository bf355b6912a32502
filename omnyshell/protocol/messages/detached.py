"""Detachable sessions: detach, list, kill and screen (wire protocol section 5)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.grammars import BASE64, EXIT_CODE, PRINCIPAL, SESSION_ID, SHORT_ID
from omnyshell.model.schema import ANSWERED, FREE, OMIT, OMIT_EMPTY
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.protocol.messages.base import ChannelMessage, ControlMessage


class SessionDetachRequest(ChannelMessage, kw_only=True):
    """A client leaves its session running."""

    TYPE: ClassVar[str] = "session.detach.request"

    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class NodeSessionDetach(ChannelMessage, kw_only=True):
    """The hub passes a detach on to the node, which goes by the channel."""

    TYPE: ClassVar[str] = "node.session.detach"

    session_id: Annotated[str, SESSION_ID]
    principal: Annotated[str, PRINCIPAL]
    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class NodeSessionDetached(ChannelMessage, kw_only=True):
    """The node detached the session."""

    TYPE: ClassVar[str] = "node.session.detached"

    session_id: Annotated[str, SESSION_ID]
    short_id: Annotated[str, SHORT_ID] = ""
    expires_at: Annotated[datetime | None, OMIT] = None


class SessionDetached(ChannelMessage, kw_only=True):
    """The session goes on without this client; nothing follows on the channel."""

    TYPE: ClassVar[str] = "session.detached"

    session_id: Annotated[str, SESSION_ID]
    short_id: Annotated[str, SHORT_ID] = ""
    expires_at: Annotated[datetime | None, OMIT] = None


class Request(ControlMessage, kw_only=True):
    """A request outside any channel; its answer carries the same id."""

    request_id: Annotated[str, FREE]


class ClientRequest(Request, kw_only=True):
    """A client's request about one node."""

    node_id: Annotated[str, ANSWERED]


class RelayedRequest(Request, kw_only=True):
    """The hub's request to a node, on behalf of a principal."""

    principal: Annotated[str, PRINCIPAL]


class Outcome(Request, kw_only=True):
    """Whether a request was done; `message` says why not."""

    ok: bool = False
    message: Annotated[str | None, OMIT_EMPTY, FREE] = None


class DetachedSessionsRequest(ClientRequest):
    """Lists the caller's sessions on a node."""

    TYPE: ClassVar[str] = "sessions.list.request"


class DetachedSessionsResponse(Request, kw_only=True):
    """The caller's sessions on a node. `refused` is of the extension `rights`: why the caller may not list them."""

    TYPE: ClassVar[str] = "sessions.list.response"

    sessions: tuple[DetachedSessionInfo, ...] = ()
    refused: Annotated[str | None, OMIT_EMPTY, FREE] = None


class NodeDetachedSessionsRequest(RelayedRequest):
    """Lists a principal's sessions."""

    TYPE: ClassVar[str] = "node.sessions.list.request"


class NodeDetachedSessionsResponse(Request, kw_only=True):
    """A principal's sessions."""

    TYPE: ClassVar[str] = "node.sessions.list.response"

    sessions: tuple[DetachedSessionInfo, ...] = ()


class DetachedSessionKillRequest(ClientRequest, kw_only=True):
    """Ends a session."""

    TYPE: ClassVar[str] = "sessions.kill.request"

    session_ref: Annotated[str, ANSWERED]


class DetachedSessionKillResponse(Outcome):
    """Whether the session was ended."""

    TYPE: ClassVar[str] = "sessions.kill.response"


class NodeDetachedSessionKillRequest(RelayedRequest, kw_only=True):
    """Ends a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.kill.request"

    session_ref: Annotated[str, ANSWERED]


class NodeDetachedSessionKillResponse(Outcome):
    """Whether the session was ended."""

    TYPE: ClassVar[str] = "node.sessions.kill.response"


class ActiveSessionDetachRequest(ClientRequest, kw_only=True):
    """Detaches an attached session from elsewhere; no reference means the only attached shell."""

    TYPE: ClassVar[str] = "sessions.detach.request"

    session_ref: Annotated[str, OMIT_EMPTY, ANSWERED] = ""
    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class DetachOutcome(Outcome, kw_only=True):
    """Whether a session was detached, and which."""

    short_id: Annotated[str | None, OMIT_EMPTY, SHORT_ID] = None


class ActiveSessionDetachResponse(DetachOutcome):
    """Whether the session was detached."""

    TYPE: ClassVar[str] = "sessions.detach.response"


class NodeActiveSessionDetach(RelayedRequest, kw_only=True):
    """Detaches a principal's attached session."""

    TYPE: ClassVar[str] = "node.sessions.detach.request"

    session_ref: Annotated[str, OMIT_EMPTY, ANSWERED] = ""
    timeout_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class NodeActiveSessionDetachResponse(DetachOutcome):
    """Whether the session was detached."""

    TYPE: ClassVar[str] = "node.sessions.detach.response"


class ScreenOutcome(Outcome, kw_only=True):
    """A session's screen as base64 of the bytes that paint it.

    The last three fields belong to `screen-etag`: `same` stands for a screen that has not changed, `exit_code` is that
    of a session that has ended.
    """

    screen: Annotated[str | None, OMIT_EMPTY, BASE64] = None
    alt_screen: Annotated[bool, OMIT] = False
    etag: Annotated[str | None, OMIT, FREE] = None
    same: Annotated[bool, OMIT] = False
    exit_code: Annotated[int | None, OMIT, EXIT_CODE] = None


class SessionScreenRequest(ClientRequest, kw_only=True):
    """Asks for a session's present screen; `etag`, empty at first, asks by the rules of `screen-etag`."""

    TYPE: ClassVar[str] = "sessions.screen.request"

    session_ref: Annotated[str, ANSWERED]
    etag: Annotated[str | None, OMIT, FREE] = None


class SessionScreenResponse(ScreenOutcome):
    """A session's present screen."""

    TYPE: ClassVar[str] = "sessions.screen.response"


class NodeSessionScreenRequest(RelayedRequest, kw_only=True):
    """Asks for the present screen of a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.screen.request"

    session_ref: Annotated[str, ANSWERED]
    etag: Annotated[str | None, OMIT, FREE] = None


class NodeSessionScreenResponse(ScreenOutcome):
    """The present screen of a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.screen.response"
