"""An answer that is there at once, comes later, or never."""

import asyncio

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.hub.truth.answer import Answer


def test_it_is_told_once_to_each_who_asks_whenever_it_comes() -> None:
    answer, told = Answer[int](), []
    answer.then(told.append, pytest.fail)
    assert (told, answer.is_there) == ([], False)
    with pytest.raises(RuntimeError):
        answer.now()
    answer.give(1)
    answer.give(2)
    answer.fail(ConfigException("too late"))
    answer.then(told.append, pytest.fail)
    assert (told, answer.now()) == ([1, 1], 1)


def test_why_there_is_none_is_told_to_each() -> None:
    answer, told = Answer[int](), []
    answer.then(pytest.fail, told.append)
    answer.fail(ConfigException("the disk is full"))
    answer.then(pytest.fail, told.append)
    assert [str(problem) for problem in told] == ["the disk is full"] * 2
    with pytest.raises(ConfigException):
        answer.now()


async def test_one_that_is_there_lets_nobody_else_run() -> None:
    ran: list[str] = []
    asyncio.get_running_loop().call_soon(ran.append, "another")
    assert await Answer.of(1) == 1
    assert ran == []


async def test_who_waits_is_woken_and_may_have_gone() -> None:
    answer = Answer[int]()

    async def wait() -> int:
        return await answer

    stays, goes = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    goes.cancel()
    await asyncio.gather(goes, return_exceptions=True)
    answer.give(7)
    assert await stays == 7
