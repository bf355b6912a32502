"""Reading a pipe: in full chunks, in order, never beyond the budget, and to its end."""

import asyncio
import fcntl
import os

from omnyshell.protocol.limits import BULK_PAYLOAD
from omnyshell.services.node.fdio import CHUNKS_A_TURN, FdReader

PIPE_SIZE = 1 << 20


class Reading:
    """A reader of a pipe that holds some bytes, and what it delivered."""

    def __init__(self, data: bytes, budget: int) -> None:
        reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        assert os.write(self.writing, data) == len(data)
        self.budget = budget
        self.chunks: list[bytes] = []
        self.turns: list[int] = []
        self.over = asyncio.Event()
        self.reader = FdReader(reading, budget=lambda: self.budget, deliver=self.deliver, ended=self.over.set)

    def deliver(self, data: bytes) -> None:
        self.chunks.append(data)
        self.budget -= len(data)


async def test_several_full_chunks_are_read_a_turn_and_then_others_get_theirs() -> None:
    data = os.urandom(10 * BULK_PAYLOAD + 1)
    reading = Reading(data, budget=PIPE_SIZE)
    counted = []
    while sum(map(len, reading.chunks)) < len(data):
        await asyncio.sleep(0)
        counted.append(len(reading.chunks))
    assert max(after - before for before, after in zip([0, *counted], counted, strict=False)) == CHUNKS_A_TURN
    assert [len(chunk) for chunk in reading.chunks] == [BULK_PAYLOAD] * 10 + [1]
    os.close(reading.writing)
    await reading.over.wait()
    assert b"".join(reading.chunks) == data


async def test_nothing_is_read_beyond_the_budget() -> None:
    data = os.urandom(4 * BULK_PAYLOAD)
    reading = Reading(data, budget=2 * BULK_PAYLOAD + 7)
    os.close(reading.writing)
    while not reading.reader.is_paused:
        await asyncio.sleep(0)
    assert [len(chunk) for chunk in reading.chunks] == [BULK_PAYLOAD, BULK_PAYLOAD, 7]
    reading.budget = PIPE_SIZE
    reading.reader.resume()
    await reading.over.wait()
    assert b"".join(reading.chunks) == data
