"""Servers are tried one after another, the next one beside one that says nothing."""

import asyncio

import pytest
from support.deadline import DEADLINE
from support.stack import until

from omnyshell.services.hub.cluster.nats.attempts import first_of


class Servers:
    """Each does what a test says: "there", "refuses", "silent", or "late", which is there when all were tried."""

    def __init__(self, *ways: str) -> None:
        self.ways = ways
        self.asked: list[int] = []
        self.waiting = 0
        self.given_back: list[str] = []

    async def attempt(self, number: int) -> str:
        self.asked.append(number)
        self.waiting += 1
        try:
            way = self.ways[number]
            if way == "refuses":
                raise OSError(f"{number} refuses")
            if way == "silent":
                await asyncio.Event().wait()
            while way == "late" and len(self.asked) < len(self.ways):
                await asyncio.sleep(0)
        finally:
            self.waiting -= 1
        return f"connection {number}"

    async def give_back(self, got: str) -> None:
        self.given_back.append(got)

    async def first(self, silent: float) -> tuple[int, str]:
        async with asyncio.timeout(DEADLINE):
            return await first_of(range(len(self.ways)), self.attempt, self.give_back, silent)


async def test_the_first_that_is_there_is_taken_and_no_other_is_tried() -> None:
    servers = Servers("there", "there")
    assert await servers.first(DEADLINE) == (0, "connection 0")
    assert (servers.asked, servers.given_back) == ([0], [])


async def test_one_that_refuses_costs_no_time_and_one_that_says_nothing_no_more_than_that() -> None:
    servers = Servers("refuses", "there")
    assert await servers.first(10 * DEADLINE) == (1, "connection 1")
    servers = Servers("silent", "silent", "there")
    assert await servers.first(0.001) == (2, "connection 2")
    assert (servers.asked, servers.waiting, servers.given_back) == ([0, 1, 2], 0, [])


async def test_one_that_is_late_counts_and_what_another_one_got_with_it_is_given_back() -> None:
    servers = Servers("late", "late")
    got = await servers.first(0.0)
    assert {got[1], *servers.given_back} == {"connection 0", "connection 1"}


async def test_where_none_is_there_the_last_problem_is_told() -> None:
    servers = Servers("refuses", "refuses")
    with pytest.raises(OSError, match="1 refuses"):
        await servers.first(DEADLINE)
    assert servers.asked == [0, 1]


async def test_who_gives_up_leaves_nothing_behind() -> None:
    servers = Servers("silent", "silent")
    trying = asyncio.create_task(servers.first(0.001))
    await until(lambda: servers.waiting == 2)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert (servers.asked, servers.waiting) == ([0, 1], 0)
