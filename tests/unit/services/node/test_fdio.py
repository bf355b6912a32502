"""Reading descriptors: in full chunks, in order, never beyond the budget, and to their end."""

import asyncio
import fcntl
import os
import socket

from omnyshell.protocol.limits import BULK_PAYLOAD
from omnyshell.services.node.fdio import CHUNKS_A_TURN, LARGE_READ, SMALL_READ, FdReader

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


class Pieces:
    """A reader of what yields one piece a read, as a PTY does."""

    def __init__(self, pieces: list[int], comes: bool) -> None:
        reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for size in pieces:
            writing.send(bytes(size))
        writing.close()
        self.comes = comes
        self.asked = 0
        self.chunks: list[int] = []
        self.over = asyncio.Event()
        self.reader = FdReader(
            reading.detach(),
            budget=lambda: BULK_PAYLOAD,
            deliver=lambda data: self.chunks.append(len(data)),
            ended=self.over.set,
            comes=self.ask,
        )

    def ask(self) -> bool:
        self.asked += 1
        return self.comes


async def test_what_comes_in_a_moment_joins_the_chunk() -> None:
    pieces = Pieces([2000, 3000, 4000], comes=True)
    await pieces.over.wait()
    assert pieces.chunks == [9000]
    assert pieces.asked == 3


async def test_where_nothing_comes_the_chunk_is_delivered_without_another_read() -> None:
    pieces = Pieces([2000, 3000], comes=False)
    await pieces.over.wait()
    assert pieces.chunks == [2000, 3000]


async def test_behind_a_little_nothing_is_waited_for() -> None:
    pieces = Pieces([LARGE_READ - 1, SMALL_READ, 2000], comes=False)
    await pieces.over.wait()
    assert pieces.chunks == [LARGE_READ - 1 + SMALL_READ, 2000]
    assert pieces.asked == 1
