"""With which keeper a node goes on when the one that it had has ended."""

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from omnyshell.keeper import wire
from omnyshell.services.node.keeper import client as module
from omnyshell.services.node.keeper.client import TRIES, Answer, Descriptors, KeeperClient
from omnyshell.services.node.keeper.place import NoKeeperException, NoneServesHereException

ANSWERS = {
    wire.HELLO: (b"3", b"7", b"boot", wire.JUDGES, b"", b"", b""),
    wire.UPGRADE: (),
    wire.LIST: (),
    wire.OPEN: (),
    wire.START: (b"8", wire.RUNNING, wire.PIPES, b"ann", b"1000"),
}
START = (wire.START, b"s", wire.PIPES, b"1", b"1", b"/", b"ann\n\n\n", b"1", b"/bin/true")


class Keepers:
    """Those that a node may find: root's, and one of its own user's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_roots_there = self.is_own_there = False
        self.none_starts: NoKeeperException | None = None
        self.starts = 0
        self.at_other_end: socket.socket | None = None
        self._is_roots = False
        monkeypatch.setattr(module, "connect", self._connect)
        monkeypatch.setattr(module, "start_own", self._start_own)
        monkeypatch.setattr(module, "is_roots", lambda _channel: self._is_roots)
        monkeypatch.setattr(module, "is_roots_there", lambda _place: self.is_roots_there)
        monkeypatch.setattr(module, "BETWEEN_TRIES", 0.0)

    @property
    def found(self) -> str:
        return "root's" if self._is_roots else "own"

    def end_roots(self) -> None:
        assert self.at_other_end is not None
        self.is_roots_there = False
        self.at_other_end.shutdown(socket.SHUT_RDWR)

    async def _start_own(self, _place: Path, _file: Path | None) -> None:
        self.starts += 1
        if self.none_starts is not None:
            raise self.none_starts
        self.is_own_there = True

    def _connect(self, _place: Path) -> socket.socket:
        if not (self.is_roots_there or self.is_own_there):
            raise NoKeeperException("none")
        self._is_roots = self.is_roots_there
        ours, self.at_other_end = socket.socketpair()
        threading.Thread(target=serve, args=(self.at_other_end,), daemon=True).start()
        return ours


def serve(channel: socket.socket) -> None:
    """Answer as a keeper does, until the other side has gone or this one is shut."""
    frames = wire.Frames()
    with channel:
        while data := channel.recv(4096):
            for frame in frames.feed(data):
                verb, number, *_ = frame.split(b"\0")
                channel.sendall(wire.pack(wire.OK, number, *ANSWERS[verb]))


@pytest.fixture
def keepers(monkeypatch: pytest.MonkeyPatch) -> Keepers:
    return Keepers(monkeypatch)


def client_of(file: Path | None, gone: Callable[[], None]) -> KeeperClient:
    return KeeperClient(Path(), "n", file=file, exited=lambda *_: None, gone=gone, reconnected=lambda *_: None)


async def answer_of(client: KeeperClient) -> Answer | Exception:
    """What becomes of a start."""
    said: asyncio.Future[Answer | Exception] = asyncio.get_running_loop().create_future()
    client.ask(*START, answered=said.set_result)
    return await said


async def test_nothing_takes_the_place_of_roots_keeper_where_a_file_says_what_that_alone_can(keepers: Keepers) -> None:
    """A node would have every session refused from then on, also when root's keeper is back."""
    keepers.is_roots_there, gone = True, asyncio.Event()
    client = client_of(Path("node.toml"), gone.set)
    await client.begin()
    keepers.end_roots()
    await gone.wait()
    assert isinstance(await answer_of(client), NoKeeperException)
    keepers.is_roots_there = True
    assert isinstance(await answer_of(client), Descriptors)
    assert (keepers.found, keepers.is_own_there) == ("root's", False)
    await client.aclose()


async def test_an_own_keeper_of_before_roots_does_not_take_its_place_while_it_ends(keepers: Keepers) -> None:
    """It would be there for some seconds yet, and is for whoever comes to it one that cannot do what the file says."""
    keepers.is_roots_there = keepers.is_own_there = True
    client = client_of(Path("node.toml"), lambda: None)
    await client.begin()
    keepers.end_roots()
    assert isinstance(await answer_of(client), NoKeeperException)
    keepers.is_roots_there = True
    assert isinstance(await answer_of(client), Descriptors)
    assert keepers.found == "root's"
    await client.aclose()


@pytest.mark.parametrize(
    ("why", "starts"), [(NoneServesHereException("others can write it"), 1), (NoKeeperException("killed"), TRIES)]
)
async def test_what_refuses_to_start_is_started_once(keepers: Keepers, why: NoKeeperException, starts: int) -> None:
    keepers.none_starts = why
    client = client_of(None, lambda: None)
    with pytest.raises(NoKeeperException, match=str(why)):
        await client.begin()
    assert keepers.starts == starts
    await client.aclose()


async def test_where_no_file_says_anything_any_keeper_does(keepers: Keepers) -> None:
    keepers.is_roots_there = True
    client = client_of(None, lambda: None)
    await client.begin()
    keepers.end_roots()
    assert isinstance(await answer_of(client), Descriptors)
    assert keepers.found == "own"
    await client.aclose()


@pytest.mark.parametrize(("file", "found"), [(Path("node.toml"), "root's"), (None, "own")])
async def test_roots_keeper_is_gone_to_as_soon_as_it_is_there(keepers: Keepers, file: Path | None, found: str) -> None:
    client = client_of(file, lambda: None)
    await client.begin()
    client.seek_roots()
    assert isinstance(await answer_of(client), Descriptors)
    assert keepers.found == "own"
    keepers.is_roots_there = True
    client.seek_roots()
    assert isinstance(await answer_of(client), Descriptors)
    assert keepers.found == found
    await client.aclose()


async def test_what_our_keeper_is_starting_is_not_asked_of_roots_as_it_would_run_twice(keepers: Keepers) -> None:
    client = client_of(Path("node.toml"), lambda: None)
    await client.begin()
    starting = asyncio.create_task(answer_of(client))
    await asyncio.sleep(0)
    keepers.is_roots_there = True
    client.seek_roots()
    assert isinstance(await starting, Descriptors)
    assert keepers.found == "own"
    client.seek_roots()
    assert isinstance(await answer_of(client), Descriptors)
    assert keepers.found == "root's"
    await client.aclose()


async def test_where_there_was_none_one_attempt_looks_for_all_who_ask(keepers: Keepers) -> None:
    keepers.none_starts = NoneServesHereException("it is broken")
    client = client_of(Path("node.toml"), lambda: None)
    with pytest.raises(NoKeeperException):
        await client.begin()
    told = await asyncio.gather(client.reach(), client.reach(), return_exceptions=True)
    assert (list(map(str, told)), keepers.starts, client.was_reached) == (["it is broken"] * 2, 2, False)
    keepers.is_roots_there = True
    await client.reach()
    assert client.was_reached
    assert isinstance(await answer_of(client), Descriptors)
    await client.aclose()
