"""What a session's memory takes once its output is with its client."""

import asyncio
import os

import pytest

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.records import replay as replays
from omnyshell.services.node.records.journal import Journal
from omnyshell.services.node.records.memory import MIB, SIZE, Memory
from omnyshell.services.node.records.replay import JournalReplay

BLOCK = 512
"""Bytes that `st_blocks` counts in."""

OUT = DataOpcode.STDOUT


@pytest.fixture
def fd():
    found = os.memfd_create("record")
    os.ftruncate(found, SIZE)
    yield found
    os.close(found)


async def test_memory_is_given_back_when_nothing_comes_for_a_while(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "IDLE", 0.001)
    replay = JournalReplay(Journal(Memory(fd)), shown=None)
    replay.append(OUT, bytes(3 * MIB))
    replay.acknowledge(replay.end - 1)
    assert os.fstat(fd).st_blocks * BLOCK >= 3 * MIB
    replay.append(OUT, b"the last")
    replay.acknowledge(replay.end)
    while os.fstat(fd).st_blocks * BLOCK > MIB // 16:
        await asyncio.sleep(0.001)
    replay.append(OUT, b"more")
    assert [bytes(data) for _, data in replay.since(replay.start)] == [b"more"]


async def test_memory_that_is_anothers_is_not_touched(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "IDLE", 0.0)
    replay = JournalReplay(Journal(Memory(fd)), shown=None)
    replay.append(OUT, bytes(MIB))
    replay.acknowledge(replay.end)
    replay.stop()
    taken = os.fstat(fd).st_blocks
    for _ in range(3):
        await asyncio.sleep(0)
    assert os.fstat(fd).st_blocks == taken
