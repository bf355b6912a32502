"""Sessions: their modes, states and terminals (wire protocol sections 4 and 5)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from omnyshell.model.grammars import NODE_ID, PRINCIPAL_OR_NONE, SESSION_ID, SHORT_ID
from omnyshell.model.schema import ANSWERED, FREE, OMIT, LenientEnum, WireObject

DEFAULT_TERM = "xterm-256color"
DEFAULT_COLS = 80
DEFAULT_ROWS = 24


class SessionMode(LenientEnum):
    """What a session runs. Our nodes serve `exec` and `shell`; the hub relays transfer and drive."""

    __fallback__ = "EXEC"

    EXEC = "exec"
    SHELL = "shell"
    TRANSFER = "transfer"
    DRIVE = "drive"
    TUNNEL = "tunnel"


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
    """Why a channel was closed (sections 4 and 6); peers may send others, which are passed on."""

    NORMAL = "normal"
    CLIENT_CLOSED = "client_closed"
    CLIENT_DISCONNECTED = "client_disconnected"
    NODE_CLOSED = "node_closed"
    ERROR = "error"
    TARGET_CLOSED = "target_closed"
    TARGET_ERROR = "target_error"
    EXTERNAL_CLOSED = "external_closed"
    EXTERNAL_ERROR = "external_error"
    TUNNEL_CLOSED = "tunnel_closed"
    EXPOSER_CLOSED = "exposer_closed"


class PtySpec(WireObject, kw_only=True):
    """The terminal a session asks for: its type, and its size in character cells."""

    term: Annotated[str, FREE] = DEFAULT_TERM
    cols: Annotated[int, ANSWERED] = DEFAULT_COLS
    rows: Annotated[int, ANSWERED] = DEFAULT_ROWS


class DetachedSessionInfo(WireObject, kw_only=True):
    """One line of a session listing; covers attached sessions too."""

    session_id: Annotated[str, SESSION_ID]
    short_id: Annotated[str, SHORT_ID]
    node_id: Annotated[str, NODE_ID]
    owner_user_id: Annotated[str, PRINCIPAL_OR_NONE]
    mode: SessionMode = SessionMode.SHELL
    created_at: datetime
    detached_at: Annotated[datetime | None, OMIT] = None
    expires_at: Annotated[datetime | None, OMIT] = None
    state: SessionState = SessionState.DETACHED
    current_command: Annotated[str | None, OMIT, FREE] = None
    current_cwd: Annotated[str | None, OMIT, FREE] = None


def describe_exit(code: int) -> str:
    """Say how a program ended; a negative code is that of the signal that killed it."""
    return f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
