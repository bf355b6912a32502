"""The port between a node's sessions and the machine: a session asks for a process behind a terminal or pipes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeGuard, runtime_checkable

from omnyshell.model.sessions import PtySpec, SessionMode, ShellFamily
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.records.record import NotedState, SessionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """What is to be run, as `session.open` describes it. All fields but the first two come from a client, unchecked."""

    session_id: str
    principal: str
    """Who asks, according to the hub, which has checked that they may use the node."""

    roles: tuple[str, ...] = ()
    """Their roles, according to the hub; an older hub names none."""

    user: str = ""
    """The user of this machine that they want to be; empty for the first that they may."""

    logins: tuple[str, ...] = ()
    """The users to which the hub narrows that; it does not where there are none."""

    mode: SessionMode = SessionMode.EXEC
    command: str | None = None
    """A line for a shell; with `args`, a program."""

    args: tuple[str, ...] = ()
    """The program's arguments, which no shell interprets; without a command, the first one is the program."""

    env: dict[str, str] = field(default_factory=dict)
    """Variables to add to the environment; those that the node refuses are left out."""

    cwd: str | None = None
    pty: PtySpec | None = None
    """The terminal that is wanted; a shell has one in any case."""

    shell_family: ShellFamily | None = None
    """Which language the command is written in; None for the user's own shell."""

    interactive: bool = False
    """Whether a shell shows prompt and echo."""

    leader_only: bool = False
    """Whether a command on pipes ends with its own process, whoever still holds its output."""

    of_node: Mapping[str, str] = field(default_factory=dict)
    """Of the modes that a program of ours serves: the variables by which the node tells it what is asked for."""

    @property
    def wants_pty(self) -> bool:
        """Whether the process gets a terminal."""
        return self.pty is not None or self.mode is SessionMode.SHELL


class Foreground(NamedTuple):
    """A command line and a working directory; None where it cannot be known."""

    command: str | None = None
    cwd: str | None = None


class Launch(NamedTuple):
    """All that a process is started with."""

    argv: list[str]
    """The program, as an absolute path, and its arguments."""

    env: dict[str, str]
    cwd: str


class OutputSink(Protocol):
    """Receives the output of a process, and the news of its end.

    Call it in the event loop's thread, and not before `ShellBackend.start` has returned its session;
    `ShellSession.resume_output` says when reading may begin.
    """

    def budget(self) -> int:
        """How many bytes may be delivered now; if 0, read no more until `resume_output`."""

    def output(self, stream: DataOpcode, data: bytes) -> None:
        """Take a chunk, no larger than the budget."""

    def input_taken(self, size: int) -> None:
        """Note that the process took `size` bytes of input, for which the client gets credit."""

    def exited(self, exit_code: int, signal_name: str | None) -> None:
        """The process ended: called once, after all output, whatever ended it.

        For a death by a signal `exit_code` is its negative number, and `signal_name` its name: -9 and `SIGKILL`, for
        example.
        """


class ShellSession(Protocol):
    """A process that was started. No method blocks or raises, whether or not the process has ended."""

    @property
    def pid(self) -> int | None:
        """The process id of the session's leader; None if it is no process of this machine."""

    def write(self, data: bytes) -> None:
        """Queue input, and call the sink's `input_taken` when the process took it, or can take no more."""

    def type_reply(self, data: bytes) -> None:
        """Queue a terminal's answer to its program.

        It is not part of the client's input, so `input_taken` is not called for it.
        """

    def eof(self) -> None:
        """End the input after what is queued."""

    def resize(self, cols: int, rows: int) -> None:
        """Resize the terminal, in character cells; does nothing where there is none."""

    def foreground(self) -> Foreground:
        """What runs in the foreground of the terminal, for lists of sessions."""

    def signal(self, name: str) -> None:
        """Signal what runs in the foreground; an unknown name is ignored."""

    def resume_output(self) -> None:
        """Start or resume reading output: the sink has a budget."""

    def kill(self) -> None:
        """End every process of the session: hang up, and kill the rest after 1.5 s. Idempotent."""

    def kill_now(self) -> None:
        """End every process of the session without giving it time. Idempotent."""


@runtime_checkable
class KeptSession(Protocol):
    """What a `ShellSession` can do besides that outlives the node."""

    @property
    def record(self) -> SessionRecord | None:
        """Where the session is recorded; None for one that ends with the node."""

    def forget(self) -> None:
        """Nobody will ask how it ended any more. Idempotent."""

    def leave(self) -> None:
        """Leave it, as it is, to the node's next process. Nothing else may be called then."""


class Asker(NamedTuple):
    """Who wants a session that is there, according to the hub, which has checked their rights on the node."""

    principal: str
    roles: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    """The users of this machine to whom the hub narrows it; it does not where there are none."""


@runtime_checkable
class OwnedSession(Protocol):
    """What a `ShellSession` can do besides that runs as a user of this machine."""

    @property
    def user(self) -> str:
        """The user's name; empty where that is not known."""

    def admit(self, asker: Asker, answered: Callable[[str], None]) -> None:
        """Call `answered` once, now or soon, with why somebody may not have the session; empty where they may."""

    def look(self, done: Callable[[], None]) -> None:
        """Learn anew what `foreground` tells, where this takes asking; call `done` once, now or soon."""


class LeftSession(NamedTuple):
    """A session that an earlier process of the node has left."""

    state: NotedState
    is_known: bool
    """Whether output, input and screen of it are known; if not, its record begins anew."""

    screen_size: PtySpec | None
    """The terminal's when its screen was noted; None for its present one."""

    take: Callable[[OutputSink], ShellSession]
    """Makes it ours: to be called once, with its sink. It is a `KeptSession` that has a record."""


_known = dict[tuple[type, type], bool]()


def is_kept(process: object) -> TypeGuard[KeptSession]:
    """Tell whether a process is one. Each type is asked once, as `isinstance` takes longer than most of a start."""
    return _is_a(process, KeptSession)


def is_owned(process: object) -> TypeGuard[OwnedSession]:
    """The same, of the other protocol."""
    return _is_a(process, OwnedSession)


def _is_a(process: object, protocol: type) -> bool:
    types = type(process), protocol
    if types not in _known:
        _known[types] = isinstance(process, protocol)
    return _known[types]


class PromptStart(asyncio.Future[ShellSession]):
    """A session on its way, of which a node hears at once, and not in its loop's next turn."""

    told: Callable[[], None] | None = None
    """Called besides what waits for it, which has to bear that."""

    def set_result(self, session: ShellSession) -> None:
        """The session is there."""
        super().set_result(session)
        if self.told is not None:
            self.told()


@runtime_checkable
class LeavingBackend(Protocol):
    """What a `ShellBackend` can do besides whose sessions outlive the node."""

    @property
    def leaves(self) -> bool:
        """Whether there is anybody to leave sessions to."""

    async def take_left(self) -> Sequence[LeftSession]:
        """Return what an earlier process has left, after `begin`."""

    async def aleave(self) -> None:
        """End as `aclose` does, but with all sessions left behind."""


@runtime_checkable
class LateBackend(Protocol):
    """What a `LeavingBackend` can do besides that may reach only later what an earlier process has left."""

    def when_late(self, adopt: Callable[[], Awaitable[None]]) -> None:
        """Have `adopt` called when `take_left` has something that was not to be had when the node began."""


@runtime_checkable
class ExpectingBackend(Protocol):
    """What a `ShellBackend` can do besides that starts sooner what it was told to expect."""

    def expect(self, asker: Asker, user: str) -> None:
        """Something may be started next for somebody who wants to be that user; empty for the first that they may."""


@runtime_checkable
class GroupingBackend(Protocol):
    """What a `ShellBackend` can do besides whose sessions are control groups of this machine."""

    def groups(self, found: Callable[[Mapping[str, str], int], None]) -> None:
        """Call `found` with the directories of sessions' groups, by the sessions' ids; none where there are none.

        And with the id of a process that may be in any of them, and is none of the session's; 0 for none.
        """


class ShellBackend(Protocol):
    """What a node runs sessions on. `OmnyShellNode` calls it in its event loop, in this order."""

    async def begin(self) -> Sequence[str]:
        """Prepare, before the node dials its hub; return the names of the available shells, for display.

        Raises `ConfigException` if nothing can be run; the node then ends.
        """

    def start(self, request: ShellRequest, sink: OutputSink) -> ShellSession | Awaitable[ShellSession]:
        """Start what a request asks for, now or later; the hub has checked that its principal may use the node.

        Who needs time returns an awaitable: nobody else waits for it, and what the client sends meanwhile is kept. It
        raises what this method does; where it is cancelled, nothing is to be left of the session.

        Raises `SessionRejectedException`, `bad_request` where it cannot be started and `not_authorized` where the
        backend forbids it; an `OSError` counts as the former.
        """

    async def aclose(self) -> None:
        """Return when no started process is left; each session was killed before. Idempotent."""
