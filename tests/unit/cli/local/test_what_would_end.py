"""What would end with this machine's hub, and ctrl+c that says so first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from omnyshell.cli.local.what_ends import AGAIN, Interrupts, what_ends
from omnyshell.errors import TransportException
from omnyshell.services.local.setup import LocalSetup, Running

RUNNING = Running(12345, 8443, "vm")


async def test_a_hub_that_does_not_say_may_lose_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def live_state(*_: Any) -> AsyncIterator[Any]:
        raise TransportException("it is gone")
        yield

    monkeypatch.setattr("omnyshell.cli.live.feed.live_state", live_state)
    monkeypatch.setattr(LocalSetup, "admin_access", lambda *_: None)
    lines = await what_ends(LocalSetup.default(), RUNNING)
    assert lines == ["what goes through the hub, which does not say (it is gone)"]


class Pressed:
    """Somebody at the keyboard; `now` is the time."""

    def __init__(self, *lines: str) -> None:
        self.now = 100.0
        self.ended = 0
        self.answers = asyncio.Event()
        self._lines = lines
        self.interrupts = Interrupts(self._ask, self._end, lambda: self.now)

    async def _ask(self) -> tuple[str, ...]:
        await self.answers.wait()
        return self._lines

    def _end(self) -> None:
        self.ended += 1

    async def press(self) -> int:
        """Press ctrl+c; returns how often the end was told."""
        self.interrupts.interrupted()
        for _ in range(5):
            await asyncio.sleep(0)
        return self.ended


async def test_the_first_says_what_would_end_and_the_second_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    keys = Pressed("2 tunnels")
    keys.answers.set()
    assert await keys.press() == 0
    assert capsys.readouterr().err == "this ends:\n  2 tunnels\nctrl+c again within 5 s ends it\n"
    keys.now += AGAIN
    assert await keys.press() == 0
    keys.now += AGAIN / 2
    assert await keys.press() == 1


async def test_it_ends_at_once_where_nothing_would_or_where_nobody_waits_for_the_answer() -> None:
    nothing = Pressed()
    nothing.answers.set()
    assert await nothing.press() == 1
    slow = Pressed("2 tunnels")
    assert [await slow.press(), await slow.press()] == [0, 1]
    await slow.interrupts.aclose()
    # While it ends, nothing is asked any more.
    assert await slow.press() == 2


async def test_a_second_one_ends_it_whatever_goes_wrong_with_the_question(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Pressed):
        async def _ask(self) -> tuple[str, ...]:
            raise OSError("no descriptors")

    keys = Broken()
    assert [await keys.press(), await keys.press()] == [0, 1]
    assert "no descriptors" in capsys.readouterr().err
