"""With which keeper a node goes on when the one that it had has ended."""

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from omnyshell.keeper import wire
from omnyshell.services.node.keeper import client as module
from omnyshell.services.node.keeper.client import Answer, KeeperClient
from omnyshell.services.node.keeper.place import NoKeeperException

ANSWERS = {
    wire.HELLO: (b"3", b"7", b"boot", wire.JUDGES, b"", b"", b""),
    wire.UPGRADE: (),
    wire.LIST: (),
    wire.OPEN: (),
    wire.START: (b"8", wire.RUNNING, wire.PIPES, b"ann", b"1000"),
}
START = (wire.START, b"s", wire.PIPES, b"1", b"1", b"/", b"ann\n\n\n", b"1", b"/bin/true")


def serve(channel: socket.socket) -> None:
    """Answer as a keeper does, until the other side has gone or this one is shut."""
    frames = wire.Frames()
    with channel:
        while data := channel.recv(4096):
            for frame in frames.feed(data):
                verb, number, *_ = frame.split(b"\0")
                channel.sendall(wire.pack(wire.OK, number, *ANSWERS[verb]))


async def answer_of(client: KeeperClient) -> Answer | Exception:
    """What becomes of a start."""
    said: asyncio.Future[Answer | Exception] = asyncio.get_running_loop().create_future()
    client.ask(*START, answered=said.set_result)
    return await said


@pytest.mark.parametrize(("with_file", "starts_one"), [(True, False), (False, True)])
async def test_nothing_takes_the_place_of_roots_keeper_where_a_file_says_what_that_alone_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, with_file: bool, starts_one: bool
) -> None:
    """A node would have every session refused from then on, also when root's keeper is back."""
    keepers = list[socket.socket]()
    is_there, started = [True], list[Path]()

    def connect(_place: Path) -> socket.socket:
        if not is_there[0]:
            raise NoKeeperException("none")
        ours, theirs = socket.socketpair()
        keepers.append(theirs)
        threading.Thread(target=serve, args=(theirs,), daemon=True).start()
        return ours

    async def start_own(place: Path, _file: Path | None) -> None:
        started.append(place)
        is_there[0] = True

    for name, fake in (("connect", connect), ("start_own", start_own), ("is_roots", lambda _channel: True)):
        monkeypatch.setattr(module, name, fake)
    monkeypatch.setattr(module, "BETWEEN_TRIES", 0.0)
    ended, nothing = asyncio.Event(), lambda *_: None
    file = tmp_path / "node.toml" if with_file else None
    client = KeeperClient(tmp_path, "n", file=file, exited=nothing, gone=ended.set, reconnected=nothing)
    await client.begin()
    is_there[0] = False
    keepers[0].shutdown(socket.SHUT_RDWR)
    if not starts_one:
        await ended.wait()
        assert isinstance(await answer_of(client), NoKeeperException)
        is_there[0] = True
    # Root's is back, or its own has been started.
    assert not isinstance(await answer_of(client), NoKeeperException)
    assert bool(started) == starts_one
    await client.aclose()
