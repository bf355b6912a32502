"""Opening sessions and what travels on their channels (docs/protocol.md#sessions)."""

from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

from omnyshell.clock import SystemClock
from omnyshell.errors import ErrorCodes
from omnyshell.model.grammars import (
    COUNT,
    CREDIT,
    EXIT_CODE,
    LOGIN_OR_NONE,
    OFFSET,
    PRINCIPAL,
    ROLES,
    SESSION_ID,
    SESSION_ID_OR_NONE,
)
from omnyshell.model.schema import ANSWERED, FREE, OMIT, OMIT_EMPTY
from omnyshell.model.sessions import (
    DEFAULT_COLS,
    DEFAULT_ROWS,
    CloseReason,
    PtySpec,
    SessionAsker,
    SessionMode,
    ShellFamily,
)
from omnyshell.protocol.messages.base import ChannelMessage, Way


class SessionRequest(ChannelMessage, kw_only=True):
    """What a client asks to be run; the part that hub and node share."""

    mode: SessionMode = SessionMode.EXEC
    """What is run."""

    command: Annotated[str | None, OMIT, FREE] = None
    """The program, or without `args` a line for the shell."""

    args: Annotated[tuple[str, ...], OMIT, FREE] = ()
    """Arguments, which make `command` a program that is run without a shell."""

    env: Annotated[dict[str, str], OMIT, FREE] = {}
    """Variables beside those that the node gives."""

    cwd: Annotated[str | None, OMIT, FREE] = None
    """The directory to start in."""

    pty: Annotated[PtySpec | None, OMIT] = None
    """The terminal to run it on."""

    resume_session_id: Annotated[str | None, OMIT, ANSWERED] = None
    """The session to take up again, by its id or the beginning of it."""

    shell_family: Annotated[ShellFamily | None, OMIT] = None
    """The language in which `command` is written."""

    interactive: Annotated[bool, OMIT] = False
    """Of `interactive`: a login shell with prompt and echo."""

    offsets: Annotated[bool, OMIT] = False
    """Of `resume-offset`: asks for it."""

    output_offset: Annotated[int | None, OMIT, OFFSET] = None
    """Of `resume-offset`: how many bytes of output the client has."""

    repaint: Annotated[bool, OMIT] = False
    """Of `resume-offset`: paint the screen behind the output that is sent again."""

    history: Annotated[bool, OMIT] = False
    """Of `history`: asks for the place above the screen that is painted."""

    leader_only: Annotated[bool, OMIT] = False
    """Of `leader-only`: a command on pipes ends with its own process."""

    user: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `logins`: the user of the node's machine whose it is to be; missing for the first that is allowed."""

    target: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `forward`: what a connection leads to, `HOST:PORT` or the path of a UNIX socket; missing for a permission."""

    ahead: Annotated[bool, OMIT] = False
    """Of `forward-ahead`: a connection is made once it is used, and not before."""

    max_input_window: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `wide-input`: how many bytes of input the client lets be unacknowledged."""

    ssh_key: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `ssh`: the client's public key of ssh-ed25519, 32 bytes in base64; missing where it asks who it would be."""

    ssh_nonce: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `ssh`: what the client chose for this session alone, at most 128 characters."""


class StartedSession(ChannelMessage, kw_only=True):
    """The fields that a started session has in the answers to hub and client alike."""

    offsets: Annotated[bool, OMIT] = False
    """Of `resume-offset`: it is in force on this channel."""

    output_offset: Annotated[int | None, OMIT, OFFSET] = None
    """Of `resume-offset`: where the output that follows begins."""

    input_offset: Annotated[int | None, OMIT, OFFSET] = None
    """Of `resume-offset`: how many bytes of input the node has."""

    input_ended: Annotated[bool, OMIT] = False
    """Of `resume-offset`: the node has the end of the input too."""

    reset: Annotated[bool, OMIT] = False
    """Of `resume-offset`: output is missing, and the screen is painted instead."""

    history_end: Annotated[int | None, OMIT, OFFSET] = None
    """Of `history`: the place above the screen that is painted."""

    max_window: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `wide-window`: how many bytes of output the node lets be unacknowledged."""

    ssh_host_key: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `ssh`: the public key of ssh-ed25519 that sshd will show, 32 bytes in base64."""

    ssh_node_key: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `ssh`: the node's enrolled key, likewise; missing for a node that logs in with a token."""

    ssh_proof: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `ssh`: the enrolled key's signature over the host key, in base64."""


class SessionOpen(SessionRequest, kw_only=True):
    """A client asks the hub for a session on a node."""

    TYPE: ClassVar[str] = "session.open"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    node_id: Annotated[str, ANSWERED]
    """Where it is to run; white space around it does not count."""

    forward: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `forward`: the id of the permission under which a connection is made."""

    owner: Annotated[str | None, OMIT_EMPTY, ANSWERED] = None
    """Of `others-sessions`: whose session is taken up; the caller's own where it is missing."""


class NodeSessionOpen(SessionRequest, kw_only=True):
    """The hub asks a node to start a session."""

    TYPE: ClassVar[str] = "node.session.open"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    session_id: Annotated[str, SESSION_ID]
    """The id of a new session; for a resume, the id of this attempt."""

    principal: Annotated[str, PRINCIPAL]
    """Who asks: the owner of the session."""

    roles: Annotated[tuple[str, ...], OMIT, ROLES] = ()
    """Of `logins`: the roles of who asks."""

    logins: Annotated[tuple[str, ...], OMIT, FREE] = ()
    """Of `logins`: the users to whom the hub narrows it; it does not where there are none."""

    ssh_agent: Annotated[bool, OMIT] = False
    """Of `ssh`: whether the client has the right to forward its agent."""

    asker: Annotated[SessionAsker | None, OMIT] = None
    """Of `logins`: who takes up a session that is there; its owner if missing."""


class SessionOpened(StartedSession, kw_only=True):
    """The session runs."""

    TYPE: ClassVar[str] = "session.opened"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    session_id: Annotated[str, SESSION_ID]
    """The session's id, as the node reported it: a resumed session keeps its id."""

    pty: bool = False
    """Whether the mode is `shell`."""

    alt_screen: Annotated[bool, OMIT] = False
    """Whether the program shows the alternate screen."""

    shell: Annotated[ShellFamily, OMIT] = ShellFamily.POSIX
    """The language of the session's shell."""

    ahead: Annotated[bool, OMIT] = False
    """Of `forward-ahead`: connections under this permission may be asked for ahead."""


class SessionRejected(ChannelMessage, kw_only=True):
    """Hub or node refused the session."""

    TYPE: ClassVar[str] = "session.rejected"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    reason: Annotated[str, FREE] = ErrorCodes.SESSION_REJECTED
    """Why, as a code."""

    message: Annotated[str, FREE] = "Session rejected"
    """Why, in words."""

    unused: Annotated[bool, OMIT] = False
    """Of `forward-ahead`: it was asked for ahead, and is refused before its use had an effect."""


class NodeSessionOpened(StartedSession, kw_only=True):
    """A node started the session."""

    TYPE: ClassVar[str] = "node.session.opened"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    session_id: Annotated[str, SESSION_ID]
    """The session's id: a resumed session keeps its id."""

    pid: Annotated[int | None, OMIT, COUNT] = None
    """The process that leads the session."""

    user: Annotated[str, OMIT, LOGIN_OR_NONE] = ""
    """Of `logins`: the user of the node's machine as whom it runs."""

    alt_screen: Annotated[bool, OMIT] = False
    """Whether the program shows the alternate screen."""

    shell: Annotated[ShellFamily, OMIT] = ShellFamily.POSIX
    """The language of the session's shell."""


class NodeSessionRejected(ChannelMessage, kw_only=True):
    """A node refused the session."""

    TYPE: ClassVar[str] = "node.session.rejected"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    session_id: Annotated[str, SESSION_ID_OR_NONE] = ""
    """That of the request."""

    reason: Annotated[str, FREE] = ErrorCodes.SESSION_REJECTED
    """Why, as a code."""

    message: Annotated[str, FREE] = "Session rejected"
    """Why, in words."""

    unused: Annotated[bool, OMIT] = False
    """Of `forward-ahead`: it was asked for ahead, and is refused before its use had an effect."""


class ChannelResize(ChannelMessage, kw_only=True):
    """The client's terminal has a new size, in character cells."""

    TYPE: ClassVar[str] = "channel.resize"
    WAY: ClassVar[Way] = Way.CLIENT_TO_NODE

    cols: Annotated[int, ANSWERED] = DEFAULT_COLS
    """Its width."""

    rows: Annotated[int, ANSWERED] = DEFAULT_ROWS
    """Its height."""


class ChannelSignal(ChannelMessage, kw_only=True):
    """Asks the node to signal the session, by name such as `SIGINT`."""

    TYPE: ClassVar[str] = "channel.signal"
    WAY: ClassVar[Way] = Way.CLIENT_TO_NODE

    signal: Annotated[str, FREE]
    """The signal's name, with or without `SIG`, in any case; an unknown one is ignored."""


class ChannelEof(ChannelMessage, kw_only=True):
    """A stream has ended."""

    TYPE: ClassVar[str] = "channel.eof"
    WAY: ClassVar[Way] = Way.CHANNEL

    stream: Annotated[str, FREE] = "stdin"
    """`stdin`, on a tunnel's channel `stdout` too."""


class ChannelExit(ChannelMessage, kw_only=True):
    """The program has ended."""

    TYPE: ClassVar[str] = "channel.exit"
    WAY: ClassVar[Way] = Way.NODE_TO_CLIENT

    exit_code: Annotated[int, EXIT_CODE] = 0
    """How it ended: its exit code, or the number of the signal that killed it, below zero."""

    signal: Annotated[str | None, OMIT, FREE] = None
    """The name of that signal."""

    ts: datetime = msgspec.field(default_factory=SystemClock().now)
    """When it ended; if missing, the time at which the message is read."""


class ChannelClose(ChannelMessage, kw_only=True):
    """The channel ends; nothing follows on it."""

    TYPE: ClassVar[str] = "channel.close"
    WAY: ClassVar[Way] = Way.CHANNEL

    reason: Annotated[str, FREE] = CloseReason.NORMAL
    """Why, as a code."""

    message: Annotated[str | None, OMIT_EMPTY, FREE] = None
    """Why, in words."""


class ChannelWindow(ChannelMessage, kw_only=True, frozen=True):  # type: ignore[misc]  # msgspec allows it
    """Grants the other end credit.

    Frozen, so that the codec can remember it.
    """

    TYPE: ClassVar[str] = "channel.window"
    WAY: ClassVar[Way] = Way.CHANNEL

    stream: Annotated[str, FREE] = "stdout"
    """The stream that was consumed; all streams share one credit."""

    credit: Annotated[int, CREDIT]
    """How many bytes more may be sent."""

    offset: Annotated[int | None, OMIT, OFFSET] = None
    """Of `resume-offset`: how many bytes of the stream have arrived since the session began."""


class ChannelPaint(ChannelMessage, kw_only=True):
    """Of `resume-offset`: what comes next paints the screen, and does not count in offsets."""

    TYPE: ClassVar[str] = "channel.paint"
    WAY: ClassVar[Way] = Way.NODE_TO_CLIENT

    size: Annotated[int, COUNT]
    """How many of the bytes that follow only paint."""
