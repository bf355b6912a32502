"""What happens to a session while its screen is painted, which takes many steps of a large one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, cast

import pytest
from support.deadline import DEADLINE
from support.session_ends import FakeChannel, FakeEnd, FakeProcess

from omnyshell import SessionMode
from omnyshell.clock import SystemClock
from omnyshell.model.sessions import CloseReason, PtySpec, Widths
from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.config import Keeping
from omnyshell.services.node.screens.pump import Painting
from omnyshell.services.node.screens.shell_screens import FollowedScreen
from omnyshell.services.node.sessions.session import NodeSession


class LargeScreen(FollowedScreen):
    """A screen whose painting takes as long as the test likes."""

    def __init__(self) -> None:
        super().__init__(20, 4)
        self.painted = asyncio.Event()

    def painting(self, **how: Any) -> Generator[None, None, Painting]:
        while not self.painted.is_set():
            yield
        return (yield from super().painting(**how))


class Painted(FakeChannel):
    """A channel with what came on it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.data = b""

    def send_data(self, _stream: DataOpcode, data: bytes) -> None:
        super().send_data(_stream, data)
        self.data += data

    def typed(self) -> None:
        """Somebody is there."""


class Taken:
    """A shell with one client, and another that takes it up and waits for the painting."""

    def __init__(self) -> None:
        self.screen = LargeScreen()
        self.session = NodeSession(
            m.NodeSessionOpen(session_id="s", principal="ann", mode=SessionMode.SHELL),
            keeping=Keeping(),
            clock=SystemClock(),
            follower=self.screen,
            on_end=lambda _: None,
            on_confirmed=lambda _: None,
        )
        self.old, self.new = self._end(1), self._end(2)
        self.session.start(cast("Any", FakeProcess()), self.old, offsets=False)
        self.session.output(DataOpcode.STDOUT, b"before")
        self.take_up(self.new)

    def _end(self, number: int) -> Any:
        end = FakeEnd(number)
        end.channel = Painted(number)
        return end

    def take_up(self, end: Any) -> None:
        pty = PtySpec(cols=20, rows=4, widths=Widths.SEPARATE)
        self.session.resume(end, m.NodeSessionOpen(session_id="r", principal="ann", pty=pty))

    def lose(self, end: Any) -> None:
        end.channel.is_closed = True
        self.session.channel_lost(end)

    async def paint(self) -> None:
        self.screen.painted.set()
        done = asyncio.Event()
        self.session.when_seen(lambda *_: done.set())
        async with asyncio.timeout(DEADLINE):
            await done.wait()


@pytest.fixture
async def taken() -> AsyncIterator[Taken]:
    it = Taken()
    for _ in range(3):
        await asyncio.sleep(0)
    yield it
    if not it.session.has_ended:
        it.session.exited(0, None)
    it.session.close()


async def test_the_old_client_has_the_session_until_all_is_painted(taken: Taken) -> None:
    assert (taken.session.budget(), taken.new.channel.said) == (0, [])
    taken.session.input_received(taken.old, b"x")
    assert taken.session.received_offset() == 1
    await taken.paint()
    assert isinstance(taken.old.channel.said[-1], m.NodeSessionDetached)
    assert isinstance(taken.new.channel.said[0], m.NodeSessionOpened)
    assert b"before" in taken.new.channel.data
    assert taken.session.budget() > 0


async def test_a_client_that_is_lost_before_its_screen_is_painted_leaves_all_as_it_was(taken: Taken) -> None:
    taken.lose(taken.new)
    await taken.paint()
    assert not taken.old.channel.is_closed
    assert taken.screen.count_columns(Widths.JOINED) is Widths.JOINED
    taken.session.output(DataOpcode.STDOUT, b"after")
    assert taken.old.channel.data == b"beforeafter"


@pytest.mark.parametrize(
    "end", [NodeSession.kill, NodeSession.stop, lambda session: session.exited(1, None)], ids=["kill", "stop", "exit"]
)
async def test_whoever_waits_for_the_screen_of_a_session_that_ends_is_told_so(
    taken: Taken, end: Callable[[NodeSession], None]
) -> None:
    end(taken.session)
    await taken.paint()
    (rejected,) = taken.new.channel.said
    assert isinstance(rejected, m.NodeSessionRejected)


async def test_a_session_may_be_left_by_its_old_client_while_it_is_painted_for_the_new_one(taken: Taken) -> None:
    taken.session.message_received(taken.old, m.ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED))
    await taken.paint()
    assert taken.session.is_attached
    assert b"before" in taken.new.channel.data


async def test_whoever_comes_last_has_it(taken: Taken) -> None:
    last = taken._end(3)
    taken.take_up(last)
    await taken.paint()
    assert isinstance(taken.new.channel.said[-1], m.NodeSessionDetached)
    assert isinstance(last.channel.said[0], m.NodeSessionOpened)
    assert b"before" in last.channel.data


async def test_what_is_seen_is_named_by_its_own_version(taken: Taken) -> None:
    await taken.paint()
    taken.screen.painted.clear()
    etag, seen = taken.session.etag, list[str]()
    taken.session.when_seen(lambda _, its: seen.append(its))
    taken.session.resize(PtySpec(cols=30, rows=5))
    await taken.paint()
    assert seen == [etag]
    assert taken.session.etag != etag


async def test_the_last_screen_is_seen_by_those_who_asked_for_it_before_the_end(taken: Taken) -> None:
    seen = list[bytes]()
    taken.session.exited(0, None)
    taken.session.when_seen(lambda painting, _: seen.append(painting.data))
    await taken.paint()
    assert taken.session.output_stage.screen is None
    assert b"before" in seen[0]
