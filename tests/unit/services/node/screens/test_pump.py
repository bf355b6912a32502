"""What keeps a screen in step with the output."""

import asyncio
from collections.abc import Generator

import pytest
from support.deadline import DEADLINE

from omnyshell.services.node.screens.device_queries import DeviceQuery
from omnyshell.services.node.screens.pump import ScreenPump


class SlowScreen:
    """A follower that takes in one push a slice."""

    def __init__(self) -> None:
        self.full = False
        self.shown = b""
        self.queue: list[bytes] = []

    def push(self, data: bytes) -> None:
        self.queue.append(data)

    def work(self, budget: float) -> bool:
        if self.queue:
            self.shown += self.queue.pop(0)
        return bool(self.queue)

    def resize(self, cols: int, rows: int) -> None:
        assert not self.queue
        self.shown += b"<%dx%d>" % (cols, rows)

    reports_size = False

    def answer(self, query: DeviceQuery) -> bytes:
        return b""


async def test_what_is_done_at_a_point_of_the_output_sees_that_point() -> None:
    screen = SlowScreen()
    room = asyncio.Event()
    pump = ScreenPump(screen, on_room=room.set)
    seen: list[bytes] = []

    def look() -> None:
        seen.append(screen.shown)

    def look_and_push() -> None:
        look()
        pump.push_next(b"!")

    look()
    pump.push(b"a")
    pump.push(b"b")
    assert pump.has_room
    pump.at_this_point(look)
    assert not pump.has_room
    pump.push(b"c")
    pump.resize(5, 6)
    pump.push(b"d")
    pump.at_this_point(look_and_push)
    pump.push(b"e")
    pump.at_this_point(look)
    async with asyncio.timeout(DEADLINE):
        await room.wait()
    assert seen == [b"", b"ab", b"abc<5x6>d", b"abc<5x6>d!e"]
    pump.close()


async def test_a_screen_that_breaks_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SlowScreen):
        def work(self, budget: float) -> bool:
            raise RuntimeError("a bug")

    pump = ScreenPump(Broken(), on_room=lambda: None)
    done = asyncio.Event()
    pump.push(b"x")
    pump.at_this_point(done.set)
    async with asyncio.timeout(DEADLINE):
        await done.wait()
    assert pump.has_room
    assert "could not be followed" in caplog.text
    pump.close()


class SlowFollower:
    """A screen with so many slices of work ahead."""

    def __init__(self, slices: int) -> None:
        self.slices = slices

    @property
    def full(self) -> bool:
        return self.slices > 20

    def push(self, data: bytes) -> None:
        pass

    def work(self, budget: float) -> bool:
        self.slices -= 1
        return self.slices > 0


async def test_a_screen_that_is_behind_does_not_rest_until_it_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.services.node.screens.pump.REST", 100 * DEADLINE)
    follower = SlowFollower(40)
    room = asyncio.Event()
    pump = ScreenPump(follower, on_room=room.set)  # type: ignore[arg-type]
    assert not pump.has_room
    pump.push(b"output")
    async with asyncio.timeout(DEADLINE):
        await room.wait()
        while follower.slices:
            await asyncio.sleep(0)
    pump.close()


async def test_a_screen_that_is_waited_for_does_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.services.node.screens.pump.REST", 100 * DEADLINE)
    follower = SlowFollower(20)
    assert not follower.full
    pump = ScreenPump(follower, on_room=lambda: None)  # type: ignore[arg-type]
    pump.is_pressed = lambda: True
    pump.push(b"output")
    async with asyncio.timeout(DEADLINE):
        while follower.slices:
            await asyncio.sleep(0)
    pump.close()


async def test_what_is_done_in_steps_sees_one_point_of_the_output_and_lets_the_loop_go_on() -> None:
    screen = SlowScreen()
    room = asyncio.Event()
    pump = ScreenPump(screen, on_room=room.set)
    released = asyncio.Event()
    seen: list[bytes] = []

    def steps() -> Generator[None, None, bytes]:
        before = screen.shown
        while not released.is_set():
            assert screen.shown == before
            yield
        return before

    def then(shown: bytes) -> None:
        seen.append(shown)
        pump.push(b"!")

    pump.push(b"a")
    pump.at_this_point(lambda: pump.do_here(steps(), then, otherwise=None))
    pump.push(b"b")
    pump.at_this_point(lambda: pump.do_here(steps(), seen.append, otherwise=None))
    pump.resize(5, 6)
    async with asyncio.timeout(DEADLINE):
        while screen.shown != b"a":
            await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
        assert not pump.has_room
    assert (seen, screen.shown) == ([], b"a")
    released.set()
    async with asyncio.timeout(DEADLINE):
        await room.wait()
    assert seen == [b"a", b"ab"]
    assert screen.shown.startswith(b"ab<5x6>")
    pump.close()


async def test_steps_that_break_hold_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Generator[None, None, str]:
        yield
        raise RuntimeError("a bug")

    seen: list[str] = []
    pump = ScreenPump(SlowScreen(), on_room=lambda: None)
    pump.at_this_point(lambda: pump.do_here(broken(), seen.append, otherwise="nothing"))
    assert pump.has_room
    assert seen == ["nothing"]
    assert "could not be painted" in caplog.text
    pump.close()
