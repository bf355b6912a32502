"""A node's end of the connection to its keeper, whatever comes over it."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from omnyshell.keeper import wire
from omnyshell.services.node.keeper.line import KeeperLine, close_all


class Told:
    """Remembers what was heard, with the descriptors that came with it where those are asked for."""

    def __init__(self) -> None:
        self.words: list[list[bytes]] = []
        self.changed = asyncio.Event()
        self.is_lost = False

    def heard(self, words: list[bytes]) -> None:
        if words == [b"wrong"]:
            raise wire.MalformedError
        self.words.append(words)
        self.changed.set()

    def lost(self) -> None:
        self.is_lost = True
        self.changed.set()

    async def more(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.words) < count and not self.is_lost:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def ends() -> Iterator[tuple[KeeperLine, socket.socket, Told]]:
    ours, theirs = socket.socketpair()
    told = Told()
    line = KeeperLine(ours, told.heard, told.lost)
    yield line, theirs, told
    line.close()
    theirs.close()


async def test_frames_come_in_order_whatever_the_pieces(ends: tuple[KeeperLine, socket.socket, Told]) -> None:
    _, theirs, told = ends
    for byte in wire.pack(b"ok", b"1") + wire.pack(b"exit", b"s", b"0"):
        theirs.send(bytes((byte,)))
    await told.more(2)
    assert told.words == [[b"ok", b"1"], [b"exit", b"s", b"0"]]


async def test_descriptors_belong_to_the_answers_that_they_came_with(
    ends: tuple[KeeperLine, socket.socket, Told],
) -> None:
    line, theirs, told = ends
    read, write = os.pipe()
    theirs.send(wire.pack(b"ok", b"1"))
    socket.send_fds(theirs, [wire.pack(b"ok", b"2", b"a", b"b")], [read, write])
    socket.send_fds(theirs, [wire.pack(b"ok", b"3", b"a")], [read])
    theirs.send(wire.pack(b"ok", b"4"))
    await told.more(4)
    first, second = line.descriptors(), line.descriptors()
    assert (len(first), len(second), line.descriptors()) == (2, 1, [])
    # They are inherited by nobody, and the same pipe.
    assert not any(map(os.get_inheritable, (*first, *second)))
    os.write(first[1], b"x")
    assert os.read(second[0], 1) == b"x"
    close_all((*first, *second, read, write))


async def test_descriptors_that_nobody_asks_for_are_closed(ends: tuple[KeeperLine, socket.socket, Told]) -> None:
    line, theirs, told = ends
    read, write = os.pipe()
    socket.send_fds(theirs, [wire.pack(b"exit", b"s", b"0")], [write])
    await told.more(1)
    line.close()
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)


@pytest.mark.parametrize("data", [b"\0\0\0\0", b"\xff\xff\xff\xff", wire.pack(b"wrong")])
async def test_what_no_keeper_says_ends_the_connection(
    ends: tuple[KeeperLine, socket.socket, Told], data: bytes
) -> None:
    _, theirs, told = ends
    theirs.send(data)
    await told.more(1)
    assert told.is_lost
    assert theirs.recv(1) == b""


async def test_what_a_keeper_does_not_take_at_once_waits(ends: tuple[KeeperLine, socket.socket, Told]) -> None:
    line, theirs, told = ends
    theirs.setblocking(False)
    frame = wire.pack(b"start", b"1", b"x" * 1_000_000)
    line.send(frame)
    line.send_soon(wire.pack(b"forget", b"0", b"s"), b"s")
    came = b""
    async with asyncio.timeout(20):
        while len(came) < len(frame) + len(wire.pack(b"forget", b"0", b"s")):
            came += await asyncio.get_running_loop().sock_recv(theirs, 1 << 20)
    assert came == frame + wire.pack(b"forget", b"0", b"s")
    assert told.words == []


async def test_the_end_of_the_other_side_is_told_once(ends: tuple[KeeperLine, socket.socket, Told]) -> None:
    line, theirs, told = ends
    theirs.close()
    await told.more(1)
    assert told.is_lost
    line.send(wire.pack(b"list", b"1"))
    line.close()


async def test_what_else_is_to_be_sent_soon_is_asked_once_and_not_of_a_line_that_is_closed() -> None:
    ours, theirs = socket.socketpair()
    asked = list[int]()
    told = Told()
    line = KeeperLine(ours, told.heard, told.lost, lambda: asked.append(1) or b"open ")
    line.ask_soon()
    line.send_soon(b"forget ", b"s")
    line.ask_soon()
    theirs.setblocking(False)
    async with asyncio.timeout(20):
        assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b"forget open "
    line.ask_soon()
    line.close()
    line.ask_soon()
    line._send_soon()
    assert asked == [1]
    theirs.close()


async def test_a_start_goes_ahead_of_what_nobody_waits_for_and_nothing_else_does(
    ends: tuple[KeeperLine, socket.socket, Told],
) -> None:
    line, theirs, _ = ends
    theirs.settimeout(20)
    line.send_soon(b"close ", b"s")
    line.send_soon(b"another ", b"t")
    line.send_ahead(b"start ")
    assert theirs.recv(100) == b"start "
    line.send_soon(b"forget ", b"s", is_last=True)
    line.send(b"list ")
    assert theirs.recv(100) == b"another forget list "
    line.send_soon(b"forget ", b"s")
    theirs.setblocking(False)
    async with asyncio.timeout(20):
        assert await asyncio.get_running_loop().sock_recv(theirs, 100) == b"forget "
