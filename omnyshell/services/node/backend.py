"""What a session asks of the machine, and what it gets: a process behind a terminal or pipes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from omnyshell.model.sessions import PtySpec, SessionMode, ShellFamily
from omnyshell.protocol.frames import DataOpcode


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """What is to be run, as `session.open` describes it. All of it but the first two comes from a client, unchecked."""

    session_id: str
    principal: str
    """Who asks: the hub says so, and has judged that they may use the node."""

    mode: SessionMode = SessionMode.EXEC
    command: str | None = None
    """A line for a shell; with `args`, a program."""

    args: tuple[str, ...] = ()
    """The program's arguments, which no shell sees; the program too where there is no command."""

    env: dict[str, str] = field(default_factory=dict)
    """What to add to the environment, as far as it may."""

    cwd: str | None = None
    pty: PtySpec | None = None
    """The terminal that is wanted; a shell has one in any case."""

    shell_family: ShellFamily | None = None
    """Which language the command is written in; None for the user's own shell."""

    interactive: bool = False
    """Whether a shell shows prompt and echo."""

    @property
    def wants_pty(self) -> bool:
        """Whether the process gets a terminal."""
        return self.pty is not None or self.mode is SessionMode.SHELL


class Foreground(NamedTuple):
    """A command line and a working directory; None where it cannot be known."""

    command: str | None = None
    cwd: str | None = None


class Launch(NamedTuple):
    """What a request comes to: all that a process is started with."""

    argv: list[str]
    """Its program, as a path that is right from everywhere, and its arguments."""

    env: dict[str, str]
    cwd: str


class OutputSink(Protocol):
    """Who takes what a process writes, and hears of its end.

    Call it in the event loop's thread, and not before `ShellBackend.start` has returned; `ShellSession.resume_output`
    says when reading may begin.
    """

    def budget(self) -> int:
        """How many bytes may be delivered now; with none, nothing is read until `resume_output`."""

    def output(self, stream: DataOpcode, data: bytes) -> None:
        """Take a chunk, no larger than the budget."""

    def input_taken(self, size: int) -> None:
        """Note that the process's side took so many bytes of input: the client may send as many more."""

    def exited(self, exit_code: int, signal_name: str | None) -> None:
        """The process ended: called once, behind all output, whatever ended it.

        A death by a signal has minus its number for `exit_code`, and its name: -9 and `SIGKILL`, say.
        """


class ShellSession(Protocol):
    """A process that runs. No method blocks or raises, whether the process is still there or not."""

    @property
    def pid(self) -> int | None:
        """The process id of the leader; None for what is no process of this machine."""

    def write(self, data: bytes) -> None:
        """Queue input, and tell the sink when it was taken. What nobody reads any more counts as taken."""

    def type_reply(self, data: bytes) -> None:
        """Queue what a terminal answers its program: it is no part of the client's input, and not told as taken."""

    def eof(self) -> None:
        """End the input, behind what is queued."""

    def resize(self, cols: int, rows: int) -> None:
        """Give the terminal another size, in character cells; nothing where there is none."""

    def foreground(self) -> Foreground:
        """What runs in the foreground of the terminal, as lists of sessions show it."""

    def signal(self, name: str) -> None:
        """Signal what runs in the foreground; an unknown name is ignored."""

    def resume_output(self) -> None:
        """Read on: the sink has a budget, for the first time or again."""

    def kill(self) -> None:
        """End every process of the session: hang up, and kill what is left after 1.5 s. Idempotent."""

    def kill_now(self) -> None:
        """End every process of the session without giving it time. Idempotent."""


class ShellBackend(Protocol):
    """What a node runs sessions on. `OmnyShellNode` calls it in its event loop, in this order."""

    async def begin(self) -> Sequence[str]:
        """Make ready, before the node dials its hub; returns the names of the shells there are, for people to see.

        Raises `ConfigException` where nothing could be run: the node ends then.
        """

    def start(self, request: ShellRequest, sink: OutputSink) -> ShellSession:
        """Start what a request asks for; the hub has judged that its principal may use the node.

        Raises `SessionRejectedException`, `bad_request` where it cannot be started and `not_authorized` where the
        backend forbids it; an `OSError` counts as the former.
        """

    async def aclose(self) -> None:
        """Return when nothing is left of what was started: each session was killed before. Idempotent."""
