"""A connection whose session, asked for ahead, is taken back while it is used: in all orders."""

import asyncio
from typing import Any, cast

from hypothesis import given, settings, strategies as st

from omnyshell.ids import CONTROL_CHANNEL
from omnyshell.model.sessions import SessionMode
from omnyshell.model.targets import Target
from omnyshell.protocol.limits import INITIAL_CREDIT, KIB
from omnyshell.protocol.messages import ChannelWindow, SessionOpened, SessionRejected
from omnyshell.services.client.forwarding.connection import MOST_EARLY, LocalConnection
from omnyshell.services.client.session import RemoteSession
from omnyshell.transport.channels import ChannelMultiplexer

TARGET = Target("localhost", 80)
TAKEN_BACK = SessionRejected(reason="not_authorized", message="Its place was needed", unused=True)
REFUSED = SessionRejected(reason="dial_failed", message="nobody listens")
PIECES = st.sampled_from([1, MOST_EARLY, 100 * KIB, 2 * INITIAL_CREDIT])
BEFORE = st.lists(PIECES | st.just("turn"), max_size=2)
STEPS = st.sampled_from(["finishes", "turn", "taken back", "refused", "opened", "credit"])
AFTER = st.lists(PIECES | STEPS, max_size=8)


class Hub:
    """A connector, and the link to a hub: what was asked for, and what was sent for it, by channel."""

    is_open = True

    def __init__(self) -> None:
        self.channels = ChannelMultiplexer(cast("Any", self), "stdout")
        self.permitted = asyncio.Event()
        self.asked: list[bool] = []
        self.sessions: list[RemoteSession] = []
        self.sent: dict[int, bytes] = {}
        self.ends: list[int] = []

    # What the connection asks of its connector

    async def until_permitted(self) -> None:
        await self.permitted.wait()

    def connect(self, _target: Target, early: bytes, *, anew: bool = False) -> RemoteSession:
        self.asked.append(anew)
        made = RemoteSession("n1", SessionMode.FORWARD, channels=self.channels, resumes=lambda _: False)
        self.sessions.append(made)
        self.sent[made.channel.id] = b""
        if early:
            made.send(early)
        return made

    def prepare(self, _target: Target) -> None:
        """Ask for none."""

    async def until_open(self, session: RemoteSession) -> None:
        try:
            await session.opened
        except BaseException:
            session.close()
            raise

    # What channels ask of their link

    def send_urgent(self, _text: bytes, _channel: int = CONTROL_CHANNEL) -> None:
        """Windows and closes are of no interest."""

    def send_text(self, channel: int, _text: bytes) -> None:
        self.ends.append(channel)

    def send_binary(self, channel: int, _head: bytes, data: bytes | memoryview) -> None:
        self.sent[channel] += data

    def discard(self, _channel: int) -> None:
        """Nothing waits."""


class Program:
    """Who has connected: a transport that offers what was written as far as it is read."""

    def __init__(self, connection: LocalConnection) -> None:
        self.written = b""
        self._stream, self._unread = connection.stream, b""
        self.is_read, self.has_finished, self.is_told, self.is_ended = True, False, False, False
        self._stream.connection_made(cast("Any", self))

    def writes(self, size: int) -> None:
        if not self.has_finished:
            # Pieces differ, so that one that is lost, doubled or out of its place is seen.
            piece = (len(self.written).to_bytes(4, "big") * (size // 4 + 1))[:size]
            self.written += piece
            self._unread += piece
            self.is_heard()

    def finishes(self) -> None:
        self.has_finished = True
        self.is_heard()

    def is_heard(self) -> None:
        while self._unread and self.is_read and not self.is_ended:
            room = self._stream.get_buffer(-1)
            size = min(len(room), len(self._unread))
            room[:size], self._unread = self._unread[:size], self._unread[size:]
            self._stream.buffer_updated(size)
        if self.has_finished and self.is_read and not self._unread and not self.is_told and not self.is_ended:
            self.is_told = True
            self._stream.eof_received()

    # What the stream asks of its transport

    def set_write_buffer_limits(self, *, high: int) -> None:
        assert high == 0

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True
        asyncio.get_running_loop().call_soon(self.is_heard)

    def is_closing(self) -> bool:
        return self.is_ended

    def get_extra_info(self, _name: str) -> None:
        return None

    def close(self) -> None:
        if not self.is_ended:
            self.is_ended = True
            asyncio.get_running_loop().call_soon(self._stream.connection_lost, None)

    abort = close


class World:
    """A program, its connection, and a hub."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.failed: list[str] = []
        self.was_taken_back = False
        """Whether that was said of the first that was asked for."""

        self.connection = LocalConnection(TARGET, self.hub, self.failed.append, set())
        self.program = Program(self.connection)

    async def does(self, step: str | int) -> None:
        if isinstance(step, int):
            self.program.writes(step)
        elif step == "finishes":
            self.program.finishes()
        elif step == "turn":
            await asyncio.sleep(0)
        elif step == "permitted":
            self.hub.permitted.set()
        elif self.hub.sessions:
            self._says(step, self.hub.sessions[-1])

    def _says(self, step: str, session: RemoteSession) -> None:
        if session.channel.is_closed:
            return
        if step == "credit":
            session.channel.window_received(ChannelWindow(credit=INITIAL_CREDIT))
        elif session.is_opening:
            self.was_taken_back |= step == "taken back" and session is self.hub.sessions[0]
            opened = SessionOpened(session_id="s", offsets=True, output_offset=0, input_offset=0)
            session.message_received({"taken back": TAKEN_BACK, "refused": REFUSED, "opened": opened}[step])

    async def comes_to_rest(self) -> None:
        """Have all that is under way arrive, as far as the other side lets it."""
        for _ in range(40):
            for step in ("permitted", "credit", "turn", "turn"):
                await self.does(step)


@settings(deadline=None)
@given(BEFORE, st.sampled_from(["turn", "finishes"]), AFTER)
def test_only_the_opening_is_said_again_and_that_once(
    before: list[str | int], meanwhile: str, after: list[str | int]
) -> None:
    async def run() -> None:
        world = World()
        for step in (*before, "permitted", meanwhile, "turn", *after):
            await world.does(step)
        await world.comes_to_rest()
        hub, program = world.hub, world.program
        assert hub.asked == ([False, True] if world.was_taken_back else [False])
        last = hub.sessions[-1]
        if last.opened.done() and last.opened.exception():
            assert program.is_ended
            assert len(world.failed) == 1
        else:
            assert not program.is_ended
            assert not world.failed
            assert hub.sent[last.channel.id] == program.written
            assert hub.ends.count(last.channel.id) == program.has_finished
        await world.connection.close()

    asyncio.run(run())


def test_what_was_taken_back_is_asked_for_once_more_with_all_that_was_written() -> None:
    async def run() -> None:
        world = World()
        await world.does(10)
        for step in ("permitted", "turn", 100 * KIB, "taken back", 5, "finishes"):
            await world.does(step)
        await world.comes_to_rest()
        first, second = world.hub.sessions
        assert world.hub.sent[second.channel.id] == world.program.written
        assert world.hub.ends == [second.channel.id]
        assert first.has_ended
        # Not even a hub that says so again has it asked for ever.
        await world.does("taken back")
        await world.comes_to_rest()
        assert world.failed == [f"{TARGET}: {TAKEN_BACK.message}"]
        assert len(world.hub.sessions) == 2

    asyncio.run(run())
