"""Work of the console that may block."""

import asyncio
from threading import Event

import pytest

from omnyshell.tui.tasks import in_own_thread


async def test_what_work_returns_or_raises_comes_back() -> None:
    assert await in_own_thread(lambda: 7) == 7
    with pytest.raises(OSError, match="no name"):
        await in_own_thread(lambda: _fail())


def _fail() -> None:
    raise OSError("no name")


def test_the_end_does_not_wait_for_work_that_blocks() -> None:
    is_working, may_end = Event(), Event()

    def work() -> None:
        is_working.set()
        may_end.wait()

    async def main() -> None:
        waiting = asyncio.create_task(in_own_thread(work))
        await asyncio.sleep(0)
        is_working.wait()
        assert not waiting.done()

    asyncio.run(main())
    assert not may_end.is_set()
    may_end.set()
