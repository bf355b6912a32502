"""A session attached to an emulator. Knows nothing of widgets."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from omnyshell.errors import ChannelException, ErrorCodes, NodeUnavailableException, OmnyShellException
from omnyshell.model.sessions import CloseReason, PtySpec
from omnyshell.services.client.session import DETACHED, RemoteSession
from omnyshell.services.client.states import ExitStatus, LinkState
from omnyshell.terminal import Emulator, Event, Follower, reset_sequence
from omnyshell.terminal.state.unfinished import ABORT
from omnyshell.tui.terminal.fair_following import FairFollowing

MOST_INPUT: Final = 4 * 1024 * 1024
"""The most bytes of input that wait for a program that does not read; further input is refused."""

_LINES_END_IN_LF: Final = b"\x1b[20h"
"""LNM on: a command without a terminal ends its lines with LF alone."""

_FINAL: Final = frozenset((ErrorCodes.NOT_AUTHORIZED, ErrorCodes.BAD_REQUEST, "not_found", "ambiguous"))
"""Refusals that trying again does not change."""

Opener = Callable[[PtySpec], Awaitable[RemoteSession]]


class Phase(Enum):
    """The phase of an attached session's life."""

    OPENING = auto()
    LIVE = auto()
    WAITING = auto()
    """Hub or node is lost; the client reconnects."""

    EXITED = auto()
    DETACHED = auto()
    """Detached by this console."""

    TAKEN = auto()
    """Attached by another client, or detached from elsewhere."""

    FAILED = auto()
    HELD = auto()
    """Not opened yet: the user decides."""


OVER: Final = frozenset((Phase.EXITED, Phase.DETACHED, Phase.TAKEN, Phase.FAILED, Phase.HELD))
"""Phases in which nothing can be typed any more."""


class AttachmentListener(Protocol):
    """The view of the session."""

    def screen_changed(self, events: list[Event]) -> None:
        """The screen has changed; `events` are the program's other events."""

    def phase_changed(self) -> None:
        """`Attachment.phase` has changed."""

    def input_refused(self) -> None:
        """Input was dropped, as too much waits already."""


@dataclass(slots=True)
class Ending:
    """How a session ended: by its program, or by an error."""

    status: ExitStatus | None = None
    error: OmnyShellException | None = None


class Attachment:
    """Runs a session in an emulator from its opening to its end.

    Output is emulated in slices, and its credit is granted only then: a flood slows the program down, and no queue
    grows. Call `run` in a task, and `detach` or `kill` to end it; cancelling the task abandons the session, as if the
    client were lost. `has_terminal` says whether the program on the node has a PTY.
    """

    def __init__(
        self,
        screen: Emulator,
        following: FairFollowing,
        opener: Opener,
        listener: AttachmentListener,
        *,
        has_terminal: bool = True,
    ) -> None:
        self.phase = Phase.OPENING
        self.ending = Ending()
        self.session: RemoteSession | None = None
        self.above: int | None = None
        """Where lines above the screen can be had, once it was painted anew; whoever fetches them takes it away."""

        self._screen = screen
        self._follower = Follower(screen, time.monotonic)
        self._following = following
        self._opener = opener
        self._listener = listener
        self._size = PtySpec(cols=screen.columns, rows=screen.lines)
        self._input: deque[bytes] = deque()
        self._waiting = 0
        self._has_input = asyncio.Event()
        self._leaves = False
        self.repaints = False
        """Whether what comes next is the screen as the session had it before, which is no news."""

        self.is_plain = not has_terminal
        """Whether it is a command without a terminal, which ends with its client."""

    @property
    def waits_for_node(self) -> bool:
        """Whether the node is lost, not the hub."""
        return self.session is not None and isinstance(self.session.lost_by, NodeUnavailableException)

    @property
    def is_over(self) -> bool:
        """Whether the session is over."""
        return self.phase in OVER

    @property
    def taken_by(self) -> str:
        """The principal that took the session from here, or detached it, if that is another one; "" otherwise."""
        detached = self.session.detached if self.session is not None else None
        return detached.taken_by if detached is not None else ""

    @property
    def refusal(self) -> OmnyShellException | None:
        """Why there never was a session, where trying again would not change that."""
        error = self.ending.error
        return error if self.session is None and error is not None and error.code in _FINAL else None

    async def run(self) -> None:
        """Open the session and follow it to its end; see `phase` and `ending`."""
        try:
            asked = self._size
            session = self.session = await self._opener(asked)
            self.repaints = session.history_end is not None
            session.on_state = self._state_changed
            self.above = session.history_end
            if self._size != asked:
                session.resize(self._size.cols, self._size.rows)
            self._enter(Phase.LIVE)
            writer = asyncio.create_task(self._write(session))
            try:
                await self._read(session)
            finally:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
            self.ending.status = await session.wait()
            self._enter(Phase.EXITED)
        except OmnyShellException as exc:
            self._failed(exc)
        finally:
            if self.session is not None and not self.session.has_ended:
                self.session.abandon()

    def type(self, data: bytes) -> None:
        """Send input in order. Once the session is over it does nothing."""
        session = self.session
        if self.is_over:
            return
        if session is not None and not self._input and session.channel.budget >= len(data):
            self._send_now(session, data)
        elif self._waiting + len(data) > MOST_INPUT:
            self._listener.input_refused()
        else:
            self._input.append(data)
            self._waiting += len(data)
            self._has_input.set()

    def resize(self, columns: int, lines: int) -> None:
        """Resize the terminal at both ends."""
        size = PtySpec(cols=columns, rows=lines)
        if size == self._size:
            return
        self._size = size
        self._follower.resize(lines, columns)
        if self._follower.waiting:
            asyncio.get_running_loop().call_soon(self._go_on_resizing)
        if self.session is not None:
            self.session.resize(columns, lines)

    def _go_on_resizing(self) -> None:
        """Wrap what is left in slices, where a large screen is resized or output waits."""
        if self._follower.work():
            asyncio.get_running_loop().call_soon(self._go_on_resizing)
        self._after_slice()

    def hold(self) -> None:
        """Do not open it; another attachment will."""
        self._enter(Phase.HELD)

    def signal(self, name: str) -> None:
        """Signal the program, by a name such as `SIGINT`."""
        if self.session is not None:
            self.session.signal(name)

    async def detach(self) -> None:
        """Detach the session; while the hub is lost, just leave it.

        Raises as `RemoteSession.detach` does, and `ChannelException` for a command without a terminal, which its node
        would end.
        """
        if self.session is None or self.is_over:
            return
        if self.is_plain:
            raise ChannelException("a command without a terminal cannot be detached")
        self._leaves = True
        if self.session.is_suspended:
            self.session.abandon()
        else:
            await self.session.detach()

    def kill(self) -> None:
        """End the program."""
        if self.session is not None:
            self.session.close()

    async def _read(self, session: RemoteSession) -> None:
        if self.is_plain:
            self._follower.push(_LINES_END_IN_LF)
        async for chunk in session:
            self._follower.push(chunk.data)
            # Taken together, as plain output that scrolls away at once need not be drawn.
            for data in session.take_waiting():
                self._follower.push(data)
            await self._following.follow(self._follower, self._after_slice)
            self.repaints = False

    def _after_slice(self) -> None:
        replies = self._screen.take_replies()
        session = self.session
        # A program that does not read gets no answers to its queries, so that they do not accumulate.
        if replies and session is not None and not self._input and session.channel.budget >= len(replies):
            self._send_now(session, replies)
        self._listener.screen_changed(self._screen.take_events())

    async def _write(self, session: RemoteSession) -> None:
        """Send input that had to wait."""
        while True:
            await self._has_input.wait()
            while self._input:
                await session.write(self._input[0])
                self._waiting -= len(self._input.popleft())
            self._has_input.clear()

    def _send_now(self, session: RemoteSession, data: bytes) -> None:
        try:
            session.send(data)
        except ChannelException:
            # The session has ended; the reading task reports how.
            return

    def _state_changed(self, state: LinkState) -> None:
        if state is LinkState.RECONNECTING:
            self._enter(Phase.WAITING)
        elif state in (LinkState.RESUMED, LinkState.RESET):
            if state is LinkState.RESET:
                self.above = self.session.history_end if self.session is not None else None
                self.repaints = True
                self._follower.push(ABORT + reset_sequence(self._follower.screen))
            self._enter(Phase.LIVE)

    def _failed(self, error: OmnyShellException) -> None:
        self.ending.error = error
        if self._leaves and isinstance(error, ChannelException):
            self._enter(Phase.DETACHED)
        elif error.code == DETACHED:
            self._enter(Phase.TAKEN)
        elif error.code == CloseReason.CLIENT_CLOSED:
            self._enter(Phase.EXITED)
        elif error.code == CloseReason.CLIENT_DISCONNECTED:
            self._enter(Phase.DETACHED)
        else:
            self._enter(Phase.FAILED)

    def _enter(self, phase: Phase) -> None:
        if phase is not self.phase and not self.is_over:
            self.phase = phase
            self._listener.phase_changed()
