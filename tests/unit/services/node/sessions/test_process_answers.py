"""What a node answers about the processes of its sessions."""

import asyncio
from collections.abc import Mapping
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

from support.deadline import DEADLINE

from omnyshell.model.vitals import SessionProcess
from omnyshell.protocol.messages.vitals import MOST_PROCESSES, NodeSessionProcessesRequest
from omnyshell.services.node.sessions.process_answers import MOST_AT_ONCE, ProcessAnswers

ID = "0a1b2c3d-0000-4000-8000-000000000000"
SESSIONS = [
    SimpleNamespace(id="a", owner="ann", pid=1),
    SimpleNamespace(id="b", owner="bob", pid=2),
    SimpleNamespace(id="c", owner="ann", pid=None),
]


class World:
    """A node with three sessions, one of which is no process of the machine."""

    def __init__(self, find: Any) -> None:
        registry = SimpleNamespace(running=lambda: SESSIONS)
        self.answers = ProcessAnswers(cast("Any", registry), find)
        self.told: asyncio.Queue[Any] = asyncio.Queue()

    def asks(self, **fields: Any) -> None:
        self.answers.answer(NodeSessionProcessesRequest(**{"request_id": "r"} | fields), self.told.put_nowait)

    async def hears(self) -> Any:
        async with asyncio.timeout(DEADLINE):
            return await self.told.get()


async def test_the_sessions_of_one_or_of_all_are_looked_at_and_the_answer_is_bounded() -> None:
    looked: list[Mapping[int, str]] = []

    def find(leaders: Mapping[int, str]) -> list[SessionProcess]:
        looked.append(leaders)
        return [SessionProcess(session_id=ID, pid=number) for number in range(MOST_PROCESSES + 2)]

    world = World(find)
    for principal in ("ann", ""):
        world.asks(principal=principal)
        told = await world.hears()
        assert (told.ok, len(told.processes), told.left_out) == (True, MOST_PROCESSES, 2)
    assert looked == [{1: "a"}, {1: "a", 2: "b"}]


async def test_too_many_questions_at_once_are_refused_and_a_failure_takes_no_place() -> None:
    go_on = Event()

    def fail(_leaders: Mapping[int, str]) -> list[SessionProcess]:
        go_on.wait(DEADLINE)
        raise OSError

    world = World(fail)
    for _ in range(MOST_AT_ONCE + 1):
        world.asks()
    assert not (await world.hears()).ok
    go_on.set()
    assert [(await world.hears()).ok for _ in range(MOST_AT_ONCE)] == [True] * MOST_AT_ONCE
    world.asks()
    assert (await world.hears()).processes == ()
