"""The lines that a session's screen has left, page by page (docs/extensions.md#history)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import BASE64, COUNT, OFFSET
from omnyshell.model.schema import ANSWERED, OMIT, OMIT_EMPTY
from omnyshell.model.sessions import SessionAsker
from omnyshell.protocol.extensions import HISTORY
from omnyshell.protocol.messages.base import Way
from omnyshell.protocol.messages.detached import Outcome, RelayedRequest, SessionsRequest

MOST_LINES = 500
"""Lines that one answer may have."""

MOST_BYTES = 32 * 1024
"""Bytes that the lines of one answer may take, unless it is a single one."""


class SessionHistoryRequest(SessionsRequest, kw_only=True):
    """Asks for lines that were above a session's screen."""

    TYPE: ClassVar[str] = "sessions.history.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = HISTORY

    session_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""

    before: Annotated[int | None, OMIT, OFFSET] = None
    """The place before which the newest lines are wanted; that above the screen if missing."""

    lines: Annotated[int, ANSWERED] = MOST_LINES
    """How many lines are wanted: 500 at most."""


class HistoryOutcome(Outcome, kw_only=True):
    """Lines that were above a session's screen."""

    lines: Annotated[str | None, OMIT_EMPTY, BASE64] = None
    """The lines, oldest first: text, SGR and OSC 8 alone, each ended by CR and LF but those wrapped into the next."""

    count: Annotated[int, OMIT, COUNT] = 0
    """How many rows they were on the node's screen."""

    before: Annotated[int | None, OMIT, OFFSET] = None
    """The place of the first of them, where older ones may be; smaller than the one asked for."""


class SessionHistoryResponse(HistoryOutcome):
    """Lines that were above a session's screen."""

    TYPE: ClassVar[str] = "sessions.history.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    EXTENSION: ClassVar[str] = HISTORY


class NodeSessionHistoryRequest(RelayedRequest, kw_only=True):
    """Asks for lines that were above the screen of a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.history.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    EXTENSION: ClassVar[str] = HISTORY

    session_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""

    before: Annotated[int | None, OMIT, OFFSET] = None
    """The place before which the newest lines are wanted; that above the screen if missing."""

    lines: Annotated[int, ANSWERED] = MOST_LINES
    """How many lines are wanted: 500 at most."""

    asker: Annotated[SessionAsker | None, OMIT] = None
    """Of `logins`: who looks; its owner if missing."""


class NodeSessionHistoryResponse(HistoryOutcome):
    """Lines that were above the screen of a principal's session."""

    TYPE: ClassVar[str] = "node.sessions.history.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    EXTENSION: ClassVar[str] = HISTORY


MESSAGES = (
    SessionHistoryRequest,
    SessionHistoryResponse,
    NodeSessionHistoryRequest,
    NodeSessionHistoryResponse,
)
