"""A session on a node, from the client's side."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from typing import Self

from omnyshell.errors import (
    ChannelException,
    ErrorCodes,
    ImproperValueException,
    NodeUnavailableException,
    OmnyShellException,
    OmnyShellTimeoutException,
    ProtocolException,
    SessionRejectedException,
)
from omnyshell.model.sessions import CloseReason, PtySpec, SessionMode
from omnyshell.protocol.extensions import RESUME_OFFSET
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import INITIAL_CREDIT
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelMessage,
    ChannelPaint,
    ChannelResize,
    ChannelSignal,
    SessionDetached,
    SessionDetachRequest,
    SessionOpen,
    SessionOpened,
    SessionRejected,
)
from omnyshell.protocol.replay import ReplayBuffer
from omnyshell.services.client.asked import TURNING_POINTS, check_resumed
from omnyshell.services.client.futures import fail_future
from omnyshell.services.client.output import OutputChunk, UnreadOutput
from omnyshell.services.client.session_requests import fit
from omnyshell.services.client.states import FOLLOWING, ExitStatus, LinkState, Stage, StateListener, ignore_state
from omnyshell.steps import entered, step
from omnyshell.transport.channels import Channel, ChannelMultiplexer

logger = logging.getLogger("omnyshell.client")

DETACHED = "detached"
"""Code of the `ChannelException` for a session that was detached, and goes on without this client."""

DETACH_TIMEOUT = 15.0
CLOSE_TIMEOUT = 10.0
"""Seconds from an exit to the end of its channel; nothing else can follow the exit."""


class RemoteSession:
    """An open session.

    Iterate over it for its output, and `wait` for its end; it is an async context manager that closes it.

    Output that is not read stops the program once the credit of its channel is used up. When the hub is lost, the
    session waits to be resumed if it can be; `on_state` is called then.
    """

    def __init__(
        self,
        node_id: str,
        mode: SessionMode,
        size: PtySpec | None = None,
        *,
        channels: ChannelMultiplexer,
        resumes: Callable[["RemoteSession"], bool],
        moves: Callable[["RemoteSession", SessionRejectedException], bool] = lambda *_: False,
        resumes_ref: str | None = None,
        owner: str = "",
        forward: str | None = None,
        shown: str | None = None,
    ) -> None:
        """Open the session's first channel, among `channels`; the caller sends the request on it.

        `resumes` is called when hub or node is lost; it returns whether the session will be resumed. `moves` is called
        when the hub cannot reach that of the node; it returns whether another one will be asked, by `ask_by`.
        `resumes_ref` is the reference of a session to resume, no other is taken; `owner` is whose it is, if not the
        client's. `forward` is the id of the permission under which it is a connection, `shown` what a permission says
        of itself in lists.
        """
        loop = asyncio.get_running_loop()
        self.id, self.node_id, self.owner = "", node_id, owner
        self.mode = mode
        self.opened: asyncio.Future[SessionOpened] = loop.create_future()
        self.history_end: int | None = None
        """The place above the screen that a resume painted, where its lines can be had (`OmnyShellClient.history`)."""

        self.on_state: StateListener = ignore_state
        """Called in the event loop with each new state of the session; it must not block or raise."""

        self.take_at_once: Callable[[DataOpcode, memoryview], int] = lambda _stream, _data: 0
        """Called with output as it arrives, while none waits to be read; returns how many bytes it took.

        It must not block or raise. This saves a turn of the event loop and a copy; the rest is read by iteration.
        """

        self.repaints = False
        """Whether a resume should also paint the screen after the missing output."""

        self.detached: SessionDetached | None = None
        """What confirmed a detach, by this client or from elsewhere."""

        self.allows_ahead = False
        """Whether connections may be asked for ahead under this permission."""

        self.is_spare = False
        """Whether nobody uses it yet, so that it may be lost: it keeps its client from no other hub."""

        self.lost_by: OmnyShellException | None = None
        """The error that suspended the session."""

        self._resumes, self._moves = resumes, moves
        self._size = size
        self._resumes_ref = resumes_ref
        self._forward, self._shown = forward, shown
        self._ended: asyncio.Future[ExitStatus] = loop.create_future()
        self._closing: asyncio.TimerHandle | None = None
        self._unread = UnreadOutput()
        self._exit: ExitStatus | None = None
        self._writable = asyncio.Event()
        self._stage = Stage.OPENING
        self._input_ended = False
        """Whether the input was ended. After a resume the node is told so again, unless it knows."""

        self._counts_offsets = False
        self._received = self._painted = 0
        self._sent = ReplayBuffer()
        self._is_wide = False
        self._max_window = 0
        self.channel = channels.open(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[OutputChunk]:
        """Yield output as it comes, until the session ends. A chunk's credit is granted when the next one is requested.

        Raises `NodeUnavailableException`, `TransportException` or `ChannelException` if the program's end is not known.
        """
        return self._unread.until(self._ended)

    def take_waiting(self) -> list[bytes]:
        """Return output that has come after the last chunk; its credit is granted together with that chunk's."""
        return self._unread.take_waiting()

    @property
    def has_ended(self) -> bool:
        """Whether the session is over; output may still wait to be read."""
        return self._stage is Stage.ENDED

    @property
    def is_opening(self) -> bool:
        """Whether it is asked for, here or at another hub."""
        return self._stage in (Stage.OPENING, Stage.MOVING)

    @property
    def is_suspended(self) -> bool:
        """Whether the session waits to be resumed."""
        return self._stage is Stage.SUSPENDED

    @property
    def _waits(self) -> bool:
        return self._stage in (Stage.SUSPENDED, Stage.MOVING)

    @property
    def can_go_on(self) -> bool:
        """Whether it could be resumed if the connection were lost now."""
        return self._stage is Stage.OPEN and (self._counts_offsets or self.mode is SessionMode.SHELL)

    @property
    def progress(self) -> int:
        """Bytes of output that have come and of input that the node has; 0 where they are not counted over losses."""
        return self._received + self._sent.start if self._counts_offsets else 0

    @property
    def kept_input(self) -> bytes:
        """The input that may have to be sent again: all that there was, where no node has answered."""
        return b"".join(data for _, data in self._sent.since(self._sent.start))

    def refuse(self, error: ImproperValueException) -> None:
        """Give the session up, where an improper value on its channel was in what it begins or ends with."""
        if error.message_type in TURNING_POINTS:
            self._give_up_on(error)

    async def wait(self) -> ExitStatus:
        """Return how the program ended. Raises as iteration does. Someone has to read the output meanwhile."""
        return await asyncio.shield(self._ended)

    def send(self, data: bytes) -> None:
        """Send input, however much there is, as credit allows. Raises `ChannelException` once the session has ended."""
        if self.channel.is_closed and not self._waits:
            raise ChannelException("the session has ended")
        self._sent.append(DataOpcode.STDIN, data)
        if self._waits:
            return
        if self.mode is SessionMode.SHELL:
            self.channel.typed()
        self.channel.send_data(DataOpcode.STDIN, data)
        if not self._counts_offsets and self._stage is not Stage.OPENING:
            self._sent.acknowledge(self._sent.end)

    async def write(self, data: bytes) -> None:
        """Send input; return when credit has allowed all of it. Raises `ChannelException` once the session has ended.

        While the session waits to be resumed, one window of input is buffered.
        """
        self.send(data)
        await self.drain()

    async def drain(self) -> None:
        """Return when more input can be sent, or the session has ended."""
        while self.is_stuck:
            self._writable.clear()
            await self._writable.wait()

    @property
    def is_stuck(self) -> bool:
        """Whether input has to wait, for credit or for the session to be resumed."""
        if self.has_ended:
            return False
        if self._waits:
            return self._sent.end - self._sent.start > INITIAL_CREDIT
        return not self.channel.budget

    def eof(self) -> None:
        """End the input after all that was written. Does nothing once the session has ended."""
        self._input_ended = True
        step(logger, "input ended", **self._ids)
        if not self.channel.is_closed:
            self.channel.send(ChannelEof())

    def resize(self, cols: int, rows: int) -> None:
        """Tell the node the terminal's new size, in character cells. Does nothing once the session has ended."""
        if self._size is not None:
            self._size = PtySpec(term=self._size.term, cols=cols, rows=rows, widths=self._size.widths)
        if not self.channel.is_closed:
            self.channel.send_ahead(ChannelResize(cols=cols, rows=rows))

    def signal(self, name: str) -> None:
        """Signal the program, by a name such as `SIGINT`. Does nothing once the session has ended."""
        if not self.channel.is_closed:
            self.channel.send_ahead(ChannelSignal(signal=name))

    def widen(self) -> None:
        """Grant extra credit for output, once, for throughput where latency does not matter."""
        self._is_wide = True
        self.channel.widen(self._max_window)

    async def detach(self, timeout: int | None = None) -> SessionDetached:  # noqa: ASYNC109
        """Leave the session running on its node, which ends it after `timeout` seconds, or never if that is None.

        Raises `ChannelException` if the session cannot be detached, `OmnyShellTimeoutException` without an answer.
        """
        if not self.channel.is_closed:
            self.channel.send_ahead(SessionDetachRequest(timeout_seconds=timeout))
            await asyncio.wait({self._ended}, timeout=DETACH_TIMEOUT)
            if not self.has_ended:
                raise OmnyShellTimeoutException("the node did not detach the session in time")
        if self.detached is None:
            raise ChannelException("the session cannot be detached: it is not open")
        return self.detached

    def close(self) -> None:
        """Close the session, and end its program. Idempotent."""
        self.leave(CloseReason.CLIENT_CLOSED)

    def abandon(self) -> None:
        """Leave as if the client were lost: a shell is detached, if its node keeps shells. Idempotent."""
        self.leave(CloseReason.CLIENT_DISCONNECTED)

    def leave(self, reason: CloseReason) -> None:
        """Leave, and tell the hub this reason. Idempotent."""
        if not self.has_ended:
            self.channel.close(ChannelClose(reason=reason))
            self._end(ChannelException("the session was left", code=reason))

    # Being asked for elsewhere, and resumed, by the client

    def ask_by(self, channels: ChannelMultiplexer, ask: Callable[[Channel], None]) -> None:
        """Be asked for among other channels, by `ask`, with all input that there was. Raises as that does."""
        self._become(Stage.OPENING)
        self.channel = channels.open(self)
        ask(self.channel)
        self._send_from(0)
        if self._input_ended:
            self.channel.send(ChannelEof())
        self._writable.set()

    def resume_request(self, features: Collection[str]) -> SessionOpen:
        """Return the request to resume this session, at a hub with these extensions."""
        exactly = RESUME_OFFSET in features and self._counts_offsets
        request = SessionOpen(
            node_id=self.node_id,
            mode=self.mode,
            pty=self._size,
            resume_session_id=self.id,
            owner=self.owner or None,
            forward=self._forward,
            command=self._shown,
            output_offset=self._received if exactly else None,
            repaint=exactly and self.repaints,
        )
        return fit(request, features)

    def resumed(self, channel: Channel, opened: SessionOpened) -> None:
        """Continue on another channel."""
        exactly = self._counts_offsets and opened.offsets and not opened.reset
        self.id = opened.session_id
        self._begin(channel, opened)
        if not exactly:
            self._unread.clear()
        self.on_state(LinkState.RESUMED if exactly else LinkState.RESET)
        self._send_again(opened)
        self._writable.set()

    def give_up(self, error: OmnyShellException) -> None:
        """End a session that cannot be resumed; its waiters get the error."""
        self._end(error)

    def received_offset(self) -> int:
        """Bytes of output that have arrived over all channels; bytes that only paint do not count."""
        return self._received

    def acknowledged(self, offset: int) -> None:
        """The node has all input before this offset."""
        self._sent.acknowledge(offset)

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Offer output to `take_at_once`, and queue the rest until it is read."""
        painted = min(self._painted, len(payload))
        self._painted -= painted
        self._received += len(payload) - painted
        taken = 0
        if self._unread.is_empty:
            taken = self.take_at_once(opcode, memoryview(payload))
            if taken:
                self.channel.consumed(taken)
        if taken < len(payload):
            try:
                self._unread.add(OutputChunk(opcode, bytes(payload[taken:])), self.channel)
            except ProtocolException as exc:
                self._give_up_on(exc)

    def message_received(self, message: ChannelMessage) -> None:
        """Handle a message about the session."""
        if isinstance(message, SessionOpened):
            if not self.opened.done():
                self._opened(message)
        elif isinstance(message, SessionRejected):
            self._rejected(SessionRejectedException(message.message, code=message.reason, unused=message.unused))
        elif isinstance(message, ChannelClose):
            self._closed(message)
        elif self._stage is Stage.OPENING:
            # Other messages do not come before the session is open.
            return
        elif isinstance(message, ChannelPaint):
            self._painted += message.size
        elif isinstance(message, SessionDetached):
            self.detached = message
            who = f" by {message.taken_by}" if message.taken_by else ""
            self._end(ChannelException(f"the session was detached{who}; it goes on", code=DETACHED))
        elif isinstance(message, ChannelExit):
            self._exited(message)

    def budget_available(self) -> None:
        """Send waiting input: there is credit again."""
        self._writable.set()

    def channel_lost(self, error: OmnyShellException) -> None:
        """End the session if its exit is known, else suspend it: the hub is lost."""
        if self._exit is not None:
            self._end(self._exit)
        else:
            self._suspend(error)

    # The rest

    def _opened(self, message: SessionOpened) -> None:
        if self._resumes_ref is not None:
            try:
                check_resumed(message.session_id, self._resumes_ref)
            except ProtocolException as exc:
                self._give_up_on(exc)
                return
        self.id = message.session_id
        self._begin(self.channel, message)
        self.opened.set_result(message)

    def _rejected(self, error: SessionRejectedException) -> None:
        if self._stage is Stage.OPENING and error.code == ErrorCodes.HUB_UNREACHABLE and self._moves(self, error):
            self._become(Stage.MOVING)
            self.channel.end()
        else:
            self._end(error)

    def _give_up_on(self, error: ProtocolException) -> None:
        """Leave the session as if the client were lost: the hub broke the protocol."""
        self.channel.close(ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED))
        self._end(error)

    def _begin(self, channel: Channel, opened: SessionOpened) -> None:
        self.history_end = opened.history_end
        self.allows_ahead = opened.ahead
        self._counts_offsets = opened.offsets
        if not opened.offsets and self._stage is Stage.OPENING:
            self._sent.acknowledge(self._sent.end)
        self.channel = channel
        self._become(Stage.OPEN)
        channel.handler = self
        channel.offsets = self if opened.offsets else None
        self._max_window = opened.max_window or 0
        if self._is_wide:
            # Where it was widened before, nobody knew how far that may go.
            channel.widen(self._max_window)
        if opened.offsets and opened.output_offset is not None:
            self._received = opened.output_offset

    def _suspend(self, error: OmnyShellException) -> None:
        """Wait to be resumed, if that is possible; else end with the error."""
        self.lost_by = error
        if self.can_go_on:
            self._become(Stage.SUSPENDED)
        self.channel.end()
        self._painted = 0
        if not self.is_suspended or not self._resumes(self):
            self._end(error)
        else:
            self.on_state(LinkState.RECONNECTING)

    def _send_again(self, opened: SessionOpened) -> None:
        offset = opened.input_offset if self._counts_offsets and opened.input_offset is not None else self._sent.start
        self._send_from(offset)
        if not self._counts_offsets:
            self._sent.acknowledge(self._sent.end)
        if self._input_ended and not opened.input_ended:
            self.channel.send(ChannelEof())

    def _send_from(self, offset: int) -> None:
        for _, data in self._sent.since(offset):
            self.channel.send_data(DataOpcode.STDIN, bytes(data))

    def _exited(self, message: ChannelExit) -> None:
        self._exit = ExitStatus(message.exit_code, message.signal)
        if self._counts_offsets:
            # The node keeps output and exit until the close confirms that they have arrived.
            self._close_behind(self._exit)
        elif self._closing is None:
            self._become(Stage.EXITED)
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(CLOSE_TIMEOUT, self._close_behind, self._exit)

    def _close_behind(self, status: ExitStatus) -> None:
        self.channel.close(ChannelClose())
        self._end(status)

    def _closed(self, message: ChannelClose) -> None:
        if self._exit is not None:
            self._end(self._exit)
        elif message.reason == CloseReason.NODE_CLOSED:
            text = message.message or "the node ended the session"
            self._suspend(NodeUnavailableException(text, code=message.reason))
        else:
            self._end(ChannelException(message.message or "the session was closed", code=message.reason))

    def _end(self, outcome: ExitStatus | OmnyShellException) -> None:
        """Settle all waiters; only the first outcome counts."""
        if not self.has_ended:
            self._become(Stage.ENDED)
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self.channel.end()
        if isinstance(outcome, OmnyShellException):
            fail_future(self.opened, outcome)
            fail_future(self._ended, outcome)
        elif not self._ended.done():
            self._ended.set_result(outcome)
        self._unread.wake()
        self._writable.set()

    def _become(self, stage: Stage) -> None:
        self._stage = entered(stage, self._stage, FOLLOWING, "session", logger, **self._ids)

    @property
    def _ids(self) -> dict[str, object]:
        """What identifies the session in the log."""
        return {"session_id": self.id, "node_id": self.node_id, "channel": self.channel.id, "mode": self.mode}
