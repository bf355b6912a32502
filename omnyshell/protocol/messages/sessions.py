"""Opening sessions and what travels on their channels (wire protocol section 4)."""

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

from omnyshell.clock import SystemClock
from omnyshell.errors import ErrorCodes
from omnyshell.model.grammars import COUNT, CREDIT, EXIT_CODE, OFFSET, PRINCIPAL, SESSION_ID, SESSION_ID_OR_NONE
from omnyshell.model.schema import ANSWERED, FREE, OMIT, OMIT_EMPTY
from omnyshell.model.sessions import (
    DEFAULT_COLS,
    DEFAULT_ROWS,
    CloseReason,
    PtySpec,
    SessionMode,
    ShellFamily,
)
from omnyshell.protocol.messages.base import ChannelMessage


class SessionRequest(ChannelMessage, kw_only=True):
    """What a client asks to be run; the part that hub and node share.

    `interactive` is an extension; the last three fields belong to `resume-offset` (docs/extensions.md).
    """

    mode: SessionMode = SessionMode.EXEC
    command: Annotated[str | None, OMIT, FREE] = None
    args: Annotated[tuple[str, ...], OMIT, FREE] = ()
    env: Annotated[dict[str, str], OMIT, FREE] = {}
    cwd: Annotated[str | None, OMIT, FREE] = None
    pty: Annotated[PtySpec | None, OMIT] = None
    resume_session_id: Annotated[str | None, OMIT, ANSWERED] = None
    shell_family: Annotated[ShellFamily | None, OMIT] = None
    interactive: Annotated[bool, OMIT] = False
    offsets: Annotated[bool, OMIT] = False
    output_offset: Annotated[int | None, OMIT, OFFSET] = None
    repaint: Annotated[bool, OMIT] = False


class StartedSession(ChannelMessage, kw_only=True):
    """Where a channel with `resume-offset` begins, and how far `wide-window` lets it be opened (docs/extensions.md)."""

    offsets: Annotated[bool, OMIT] = False
    output_offset: Annotated[int | None, OMIT, OFFSET] = None
    input_offset: Annotated[int | None, OMIT, OFFSET] = None
    input_ended: Annotated[bool, OMIT] = False
    reset: Annotated[bool, OMIT] = False
    max_window: Annotated[int | None, OMIT, ANSWERED] = None


class SessionOpen(SessionRequest, kw_only=True):
    """A client asks the hub for a session on a node."""

    TYPE: ClassVar[str] = "session.open"

    node_id: Annotated[str, ANSWERED]


class NodeSessionOpen(SessionRequest, kw_only=True):
    """The hub asks a node to start a session."""

    TYPE: ClassVar[str] = "node.session.open"

    session_id: Annotated[str, SESSION_ID]
    principal: Annotated[str, PRINCIPAL]


class SessionOpened(StartedSession, kw_only=True):
    """The session runs. `session_id` is what the node reported."""

    TYPE: ClassVar[str] = "session.opened"

    session_id: Annotated[str, SESSION_ID]
    pty: bool = False
    alt_screen: Annotated[bool, OMIT] = False
    shell: Annotated[ShellFamily, OMIT] = ShellFamily.POSIX


class SessionRejected(ChannelMessage, kw_only=True):
    """Hub or node refused the session."""

    TYPE: ClassVar[str] = "session.rejected"

    reason: Annotated[str, FREE] = ErrorCodes.SESSION_REJECTED
    message: Annotated[str, FREE] = "Session rejected"


class NodeSessionOpened(StartedSession, kw_only=True):
    """A node started the session."""

    TYPE: ClassVar[str] = "node.session.opened"

    session_id: Annotated[str, SESSION_ID]
    pid: Annotated[int | None, OMIT, COUNT] = None
    alt_screen: Annotated[bool, OMIT] = False
    shell: Annotated[ShellFamily, OMIT] = ShellFamily.POSIX


class NodeSessionRejected(ChannelMessage, kw_only=True):
    """A node refused the session."""

    TYPE: ClassVar[str] = "node.session.rejected"

    session_id: Annotated[str, SESSION_ID_OR_NONE] = ""
    reason: Annotated[str, FREE] = ErrorCodes.SESSION_REJECTED
    message: Annotated[str, FREE] = "Session rejected"


class ChannelResize(ChannelMessage, kw_only=True):
    """The client's terminal has a new size, in character cells."""

    TYPE: ClassVar[str] = "channel.resize"

    cols: Annotated[int, ANSWERED] = DEFAULT_COLS
    rows: Annotated[int, ANSWERED] = DEFAULT_ROWS


class ChannelSignal(ChannelMessage, kw_only=True):
    """Asks the node to signal the session, by name such as `SIGINT`."""

    TYPE: ClassVar[str] = "channel.signal"

    signal: Annotated[str, FREE]


class ChannelEof(ChannelMessage, kw_only=True):
    """A stream has ended."""

    TYPE: ClassVar[str] = "channel.eof"

    stream: Annotated[str, FREE] = "stdin"


class ChannelExit(ChannelMessage, kw_only=True):
    """The program has ended; a death by signal is its number below zero."""

    TYPE: ClassVar[str] = "channel.exit"

    exit_code: Annotated[int, EXIT_CODE] = 0
    signal: Annotated[str | None, OMIT, FREE] = None
    ts: datetime = msgspec.field(default_factory=SystemClock().now)


class ChannelClose(ChannelMessage, kw_only=True):
    """The channel ends; nothing follows on it."""

    TYPE: ClassVar[str] = "channel.close"

    reason: Annotated[str, FREE] = CloseReason.NORMAL
    message: Annotated[str | None, OMIT_EMPTY, FREE] = None


class ChannelWindow(ChannelMessage, kw_only=True, frozen=True):  # type: ignore[misc]  # msgspec allows it
    """Grants the sender credit, in bytes, whatever stream it names. Frozen, so that the codec can remember it.

    `offset` belongs to `resume-offset`: so many bytes of the stream have arrived since the session began.
    """

    TYPE: ClassVar[str] = "channel.window"

    stream: Annotated[str, FREE] = "stdout"
    credit: Annotated[int, CREDIT]
    offset: Annotated[int | None, OMIT, OFFSET] = None


class ChannelPaint(ChannelMessage, kw_only=True):
    """The next `size` bytes of output paint the screen and do not count in offsets (`resume-offset`)."""

    TYPE: ClassVar[str] = "channel.paint"

    size: Annotated[int, COUNT]
