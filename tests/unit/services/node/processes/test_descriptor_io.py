"""Reading descriptors: in full chunks, in order, never beyond the budget, and to their end."""

import asyncio
import fcntl
import os
import socket

import pytest

from omnyshell.protocol.limits import BULK_PAYLOAD
from omnyshell.services.node.processes.descriptor_io import CHUNKS_A_TURN, LARGE_READ, SMALL_READ, FdReader

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


async def test_behind_a_large_read_more_is_given_a_moment_to_come() -> None:
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pieces = iter((LARGE_READ, LARGE_READ - 1, 2000))

    def write_more() -> None:
        size = next(pieces, 0)
        writing.send(bytes(size)) if size else writing.close()

    chunks: list[int] = []
    over = asyncio.Event()
    write_more()
    FdReader(
        reading.detach(),
        budget=lambda: BULK_PAYLOAD,
        deliver=lambda data: chunks.append(len(data)),
        ended=over.set,
        before_more=write_more,
    )
    while not chunks:
        await asyncio.sleep(0)
    # The second piece is not large: the third is not waited for.
    assert chunks == [2 * LARGE_READ - 1]
    write_more()
    await over.wait()
    assert chunks == [2 * LARGE_READ - 1, 2000]


async def test_behind_a_little_nothing_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.write(writing, bytes(SMALL_READ))
    chunks: list[int] = []
    reader = FdReader(
        reading,
        budget=lambda: BULK_PAYLOAD,
        deliver=lambda data: chunks.append(len(data)),
        ended=lambda: None,
        before_more=lambda: pytest.fail("waits"),
    )
    while not chunks:
        await asyncio.sleep(0)
    assert chunks == [SMALL_READ]
    reader.close()
    os.close(writing)
