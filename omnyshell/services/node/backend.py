"""What a session asks of the machine, and what it gets: a process behind a terminal or pipes."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from omnyshell.model.sessions import PtySpec, SessionMode, ShellFamily
from omnyshell.protocol.frames import DataOpcode


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """What is to be run, as `session.open` describes it."""

    session_id: str
    principal: str
    mode: SessionMode = SessionMode.EXEC
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None
    pty: PtySpec | None = None
    shell_family: ShellFamily | None = None
    interactive: bool = False

    @property
    def wants_pty(self) -> bool:
        """Whether the process gets a terminal."""
        return self.pty is not None or self.mode is SessionMode.SHELL


class Launch(NamedTuple):
    """What a request comes to: all that a process is started with."""

    argv: list[str]
    """Its program, as a path that is right from everywhere, and its arguments."""

    env: dict[str, str]
    cwd: str


class OutputSink(Protocol):
    """Who takes what a process writes, and hears of its end. Called in the event loop's thread."""

    def budget(self) -> int:
        """How many bytes may be delivered now; with none, nothing is read until `resume_output`."""

    def output(self, stream: DataOpcode, data: bytes) -> None:
        """Take a chunk, no larger than the budget."""

    def input_taken(self, size: int) -> None:
        """Note that the process's side took so many bytes of input."""

    def exited(self, exit_code: int, signal_name: str | None) -> None:
        """The process ended: called once, behind all output."""


class ShellSession(Protocol):
    """A process that runs."""

    @property
    def pid(self) -> int:
        """The process id of the leader."""

    def write(self, data: bytes) -> None:
        """Queue input; never blocks. What nobody reads any more counts as taken."""

    def eof(self) -> None:
        """End the input, behind what is queued."""

    def resize(self, cols: int, rows: int) -> None:
        """Give the terminal another size, in character cells."""

    def signal(self, name: str) -> None:
        """Signal what runs in the foreground; an unknown name is ignored."""

    def resume_output(self) -> None:
        """Read on: the sink has a budget again."""

    def kill(self) -> None:
        """End every process of the session: hang up, and kill what is left after 1.5 s. Idempotent."""


class ShellBackend(Protocol):
    """Starts processes."""

    def start(self, request: ShellRequest, sink: OutputSink) -> ShellSession:
        """Start a process.

        Raises `SessionRejectedException`, `bad_request` where it cannot be started and `not_authorized` where the
        node's policy forbids it.
        """
