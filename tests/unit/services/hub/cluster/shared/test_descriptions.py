"""What hubs say of many nodes at once is planned a few at a time, so that all else goes on between."""

import asyncio
from typing import Any, cast

from omnyshell.services.hub.cluster.places.hub_places import Claim
from omnyshell.services.hub.cluster.shared.descriptions import MOST_AT_ONCE, Descriptions

MANY = 3 * MOST_AT_ONCE + 1


async def test_many_changes_at_once_are_planned_in_bounded_steps_each_once() -> None:
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    planned: list[str] = []
    steps: list[int] = []
    ended = asyncio.Event()

    def plan(node_id: str) -> Claim | None:
        if len(planned) == sum(steps):
            loop.call_soon(lambda: steps.append(len(planned) - sum(steps)))
        planned.append(node_id)
        return cast("Claim", node_id)

    async def publish(claim: Any) -> int:
        if claim == f"n{MANY - 1}":
            ended.set()
        return 1

    descriptions = Descriptions(plan, publish, lambda work: tasks.add(asyncio.create_task(work)))
    for number in range(MANY):
        descriptions.changed(f"n{number}")
    async with asyncio.timeout(60):
        await ended.wait()
        await asyncio.gather(*tasks)
    assert planned == [f"n{number}" for number in range(MANY)]
    assert len(steps) >= MANY // MOST_AT_ONCE
    assert max(steps) <= MOST_AT_ONCE


async def test_nothing_is_left_of_what_is_told_when_the_hub_stops_meanwhile() -> None:
    tasks, planned = set[asyncio.Task[None]](), asyncio.Event()

    def plan(node_id: str) -> Claim | None:
        planned.set()
        return cast("Claim", node_id)

    async def publish(_claim: Any) -> int:
        return await asyncio.get_running_loop().create_future()

    descriptions = Descriptions(plan, publish, lambda work: tasks.add(asyncio.create_task(work)))
    for number in range(MANY):
        descriptions.changed(f"n{number}")
    await planned.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert asyncio.all_tasks() == {asyncio.current_task()}
