"""What the engine does not answer is asked again: soon, and also while an earlier question may still be answered."""

import asyncio
import gc
from contextlib import suppress

import nats.errors
import pytest
from support.deadline import DEADLINE

from omnyshell.services.hub.cluster.nats.asking import first_answer


class Engine:
    """Answers nothing before as many questions were asked as a test says, and those at once, late or never."""

    def __init__(self, silent: int, answer: object = "there") -> None:
        self._silent, self._answer = silent, answer
        self.asked = self.waiting = 0
        self.may_answer = asyncio.Event()

    async def ask(self) -> object:
        self.asked += 1
        number = self.asked
        self.waiting += 1
        try:
            if number <= self._silent:
                await self.may_answer.wait()
            if isinstance(self._answer, Exception):
                raise self._answer
            return f"{self._answer} {number}"
        finally:
            self.waiting -= 1


async def test_it_is_asked_again_until_somebody_answers() -> None:
    engine = Engine(silent=3)
    assert await first_answer(engine.ask, every=0.0, within=DEADLINE) == "there 4"
    assert engine.waiting == 0


async def test_a_late_answer_counts() -> None:
    engine = Engine(silent=10_000)
    asking = asyncio.create_task(first_answer(engine.ask, every=DEADLINE, within=2 * DEADLINE))
    await asyncio.sleep(0)
    engine.may_answer.set()
    assert (await asking, engine.asked) == ("there 1", 1)


async def test_what_is_refused_is_told_at_once() -> None:
    engine = Engine(silent=1, answer=ValueError("no such stream"))
    with pytest.raises(ValueError, match="no such stream"):
        await first_answer(engine.ask, every=0.0, within=DEADLINE)
    assert (engine.asked, engine.waiting) == (2, 0)


async def test_where_nobody_answers_that_is_told_in_the_end_and_nothing_is_left() -> None:
    engine = Engine(silent=10_000)
    with pytest.raises(nats.errors.TimeoutError):
        await first_answer(engine.ask, every=0.01, within=0.03)
    assert 2 <= engine.asked <= 4
    assert engine.waiting == 0


async def test_what_times_out_by_itself_is_asked_again() -> None:
    answers = iter([nats.errors.TimeoutError(), nats.errors.TimeoutError(), None])

    async def ask() -> str:
        if (problem := next(answers)) is not None:
            raise problem
        return "there"

    assert await first_answer(ask, every=DEADLINE, within=DEADLINE) == "there"


async def test_errors_of_questions_that_are_given_up_are_nobody_s_to_hear() -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context))
    numbers = iter(range(10))

    async def ask() -> str:
        if next(numbers) == 1:
            return "there"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise nats.errors.TimeoutError from None
        return "never"

    assert await first_answer(ask, every=0.0, within=DEADLINE) == "there"
    gc.collect()
    assert heard == []


async def test_errors_that_come_with_an_answer_are_nobody_s_to_hear() -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: heard.append(context))
    both = asyncio.Event()
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            asyncio.get_running_loop().call_soon(both.set)
        await both.wait()
        raise ValueError("no such stream")

    with suppress(ValueError):  # which `pytest.raises` would keep, and with it who has failed
        await first_answer(ask, every=0.0, within=DEADLINE)
    gc.collect()
    assert heard == []
