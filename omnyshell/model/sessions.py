"""Sessions: their modes, states and terminals (docs/protocol.md#sessions)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from omnyshell.model.grammars import (
    COUNT,
    LOGIN_OR_NONE,
    NODE_ID,
    PRINCIPAL,
    PRINCIPAL_OR_NONE,
    ROLES,
    SESSION_ID,
    SHORT_ID,
)
from omnyshell.model.schema import ANSWERED, FREE, OMIT, LenientEnum, WireObject

DEFAULT_TERM = "xterm-256color"
DEFAULT_COLS = 80
DEFAULT_ROWS = 24


class SessionMode(LenientEnum):
    """What a session runs. Our nodes serve all but transfer, drive and tunnel; the hub relays transfer and drive."""

    __fallback__ = "EXEC"

    EXEC = "exec"
    SHELL = "shell"
    TRANSFER = "transfer"
    DRIVE = "drive"
    TUNNEL = "tunnel"
    FORWARD = "forward"
    """Of the extension `forward`: a permission to reach targets from the node, or one connection to a target."""

    SSH = "ssh"
    """Of the extension `ssh`: the system's sshd, for one connection."""

    SFTP = "sftp"
    """Of the extension `sftp`: files, by a process of the node's."""

    AGENT = "agent"
    """Of the extension `agent`: a socket at the node, whose requests the client's ssh-agent answers."""


class SessionState(LenientEnum):
    """Where a session is in its life."""

    __fallback__ = "DETACHED"

    OPENING = "opening"
    OPEN = "open"
    ATTACHED = "attached"
    DETACHED = "detached"
    CLOSING = "closing"
    CLOSED = "closed"


class ShellFamily(LenientEnum):
    """Which shell language a command string is written in."""

    __fallback__ = "POSIX"

    POSIX = "posix"
    POWERSHELL = "powershell"
    CMD = "cmd"


class CloseReason(StrEnum):
    """Why a channel was closed (docs/protocol.md#how-a-session-ends); peers may send others, which are passed on."""

    NORMAL = "normal"
    """The program has ended, and all that it wrote was sent."""

    CLIENT_CLOSED = "client_closed"
    """The client left on purpose: what runs is ended."""

    CLIENT_DISCONNECTED = "client_disconnected"
    """The client was lost, or gave up an attempt to resume: a session that can be resumed is kept."""

    NODE_CLOSED = "node_closed"
    """The node is gone, or the session was ended there, by a kill or an admin."""

    ERROR = "error"
    """An end broke the rules of credit, or failed."""

    TARGET_CLOSED = "target_closed"
    """The target of a tunnel closed the connection."""

    TARGET_ERROR = "target_error"
    """The connection to the target failed."""

    EXTERNAL_CLOSED = "external_closed"
    """The outside closed the connection."""

    EXTERNAL_ERROR = "external_error"
    """The connection from the outside failed."""

    TUNNEL_CLOSED = "tunnel_closed"
    """The tunnel was closed."""

    EXPOSER_CLOSED = "exposer_closed"
    """The exposer is gone."""


class Widths(LenientEnum):
    """How a terminal counts columns; see docs/terminal.md#text-in-columns."""

    __fallback__ = "JOINED"

    SEPARATE = "separate"
    """Each character by itself, as the C library counts. Marks join what is before them."""

    JOINED = "joined"
    """The same, but emoji that a zero-width joiner joins are one, as in tmux."""

    CLUSTERS = "clusters"
    """What is one cluster of UAX 29 takes one place, of one or two columns."""


class PtySpec(WireObject, kw_only=True):
    """The terminal a session asks for: its type, and its size in character cells."""

    term: Annotated[str, FREE] = DEFAULT_TERM
    """Its type, for `TERM`."""

    cols: Annotated[int, ANSWERED] = DEFAULT_COLS
    """Its width."""

    rows: Annotated[int, ANSWERED] = DEFAULT_ROWS
    """Its height."""

    widths: Annotated[Widths | None, OMIT] = None
    """Of `widths`: how it counts columns; by its type if missing."""

    def toward(self, *, widths: bool) -> "PtySpec":
        """Return it as a peer may be told of it: one with the extension `widths`, or one without."""
        return self if widths or self.widths is None else PtySpec(term=self.term, cols=self.cols, rows=self.rows)


class SessionAsker(WireObject, kw_only=True):
    """Who takes up a session, or looks at it."""

    principal: Annotated[str, PRINCIPAL]
    """Their name."""

    roles: Annotated[tuple[str, ...], OMIT, ROLES] = ()
    """The roles that they have at the hub."""

    logins: Annotated[tuple[str, ...], OMIT, FREE] = ()
    """The users of the node's machine to whom the hub narrows it; it does not where there are none."""


class DetachedSessionInfo(WireObject, kw_only=True):
    """One line of a session listing; covers attached sessions too."""

    session_id: Annotated[str, SESSION_ID]
    """The session's id."""

    short_id: Annotated[str, SHORT_ID]
    """Its first 8 characters."""

    node_id: Annotated[str, NODE_ID]
    """Where it runs."""

    owner_user_id: Annotated[str, PRINCIPAL_OR_NONE]
    """Its owner."""

    mode: SessionMode = SessionMode.SHELL
    """What runs."""

    created_at: datetime
    """When it was opened."""

    detached_at: Annotated[datetime | None, OMIT] = None
    """Since when it is detached."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends by itself."""

    state: SessionState = SessionState.DETACHED
    """Whether a client is attached to it: `attached` or `detached`."""

    current_command: Annotated[str | None, OMIT, FREE] = None
    """What runs in the foreground."""

    current_cwd: Annotated[str | None, OMIT, FREE] = None
    """The directory of what runs there."""

    memory: Annotated[int | None, OMIT, COUNT] = None
    """Of `session-usage`: bytes of memory that its processes take."""

    cpu_millis: Annotated[int | None, OMIT, COUNT] = None
    """Of `session-usage`: milliseconds of processor time that they have taken."""

    processes: Annotated[int | None, OMIT, COUNT] = None
    """Of `session-usage`: how many they are."""

    user: Annotated[str, OMIT, LOGIN_OR_NONE] = ""
    """Of `logins`: the user of the node's machine as whom it runs."""


UNKNOWN_USAGE = {"memory": None, "cpu_millis": None, "processes": None}
"""What a session takes of its machine, for who does not know or was not told."""


def describe_exit(code: int) -> str:
    """Return in words how a program ended; a negative code is the number of the signal that killed it."""
    return f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
