"""A stream that is longer than what a server keeps for who reads slowly."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.engine import Engine

from omnyshell.services.hub.cluster.nats.connection import EngineConnection
from omnyshell.services.hub.cluster.nats.stream import NatsOrder
from omnyshell.services.hub.cluster.nats.streams import make_streams, places_stream
from omnyshell.services.hub.cluster.order.order import Origin, Stored

GENERATION = "g1"
RECORD, COUNT = bytes(900_000), 80


class SlowReader:
    """Takes its time for each record, in which nothing else is done."""

    def __init__(self) -> None:
        self.begun = 0
        self.taken: list[int] = []

    def begin_reading(self, _origin: Origin) -> int:
        self.begun += 1
        return len(self.taken) + 1

    def take(self, stored: Stored) -> None:
        time.sleep(0.005)
        self.taken.append(stored.seq)

    def at_end(self) -> None:
        pass


async def test_a_hub_that_reads_slowly_reads_all_at_once_however_much_it_is(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above a second: 72 MB are written and read. A server cuts off who has 64 MiB waiting."""
    # A machine that is busy with something else is no engine that has fallen silent.
    for patience in ("SILENCE", "ASK_TIMEOUT"):
        monkeypatch.setattr(f"omnyshell.services.hub.cluster.nats.stream.{patience}", DEADLINE)
    is_filled = asyncio.Event()

    async def fill(client: Any) -> None:
        await make_streams(client, GENERATION, 1)
        for number in range(COUNT):
            await client.publish(f"omnyshell.{GENERATION}.places.a.node.n{number}", RECORD)
            await client.flush()
        is_filled.set()
        await asyncio.Event().wait()

    async with AsyncExitStack() as closing, asyncio.timeout(DEADLINE):
        writing, reading = (EngineConnection(engine.urls, engine.credential(hub), hub) for hub in "ab")
        for connection in (writing, reading):
            closing.push_async_callback(connection.aclose)
        writing.on_connected.append(fill)
        reader = SlowReader()
        NatsOrder(reading, places_stream(GENERATION), reader)
        writing.start()
        await is_filled.wait()
        reading.start()
        while len(reader.taken) < COUNT:
            await asyncio.sleep(0.01)
    assert reader.taken == list(range(1, COUNT + 1))
    assert reader.begun == 1
