"""What is kept of sessions where the service manager is slow, and what is taken back where the system has no room."""

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.deadline import DEADLINE
from support.descriptor_store import Manager, managed

from omnyshell.keeper import net as module, store as store_module
from omnyshell.keeper.held import Held, Sessions
from omnyshell.keeper.net import NEWEST, Net
from omnyshell.keeper.newest import waiting
from omnyshell.keeper.peers import Peer
from omnyshell.keeper.poller import Poller
from omnyshell.keeper.store import Store
from omnyshell.keeper.streams import STDIN, close_all, open_streams
from omnyshell.keeper.wire import PIPES, pack

OF_SESSION = 6
"""How many descriptors are kept of a session with pipes."""

OF_NEWEST = 2
"""Both ends of the socket in which the newest wait."""

ROOM = 8
ADD = module.Newest.add


class Keeper:
    """What a net knows of a keeper, and what it says to a manager."""

    def __init__(self, place: Path) -> None:
        self.poller = Poller()
        self.state = SimpleNamespace(
            sessions=Sessions(), holders={}, poller=self.poller, boot=b"boot", starting={}, is_left=False,
            settle_ended=bool, watch=bool,
        )  # fmt: skip
        self._store = Store(self.poller, str(place / "notify"))
        self.net = Net(cast("Any", self.state), self._store, os.getuid())

    def start(self, name: bytes) -> Held:
        """Hold a session, whose leader is the process of the tests."""
        descriptors, of_program = open_streams(PIPES, 80, 24)
        close_all(set(of_program))
        held = Held(b"node", name, PIPES, os.getpid(), descriptors)
        held.pidfd = os.pidfd_open(os.getpid())
        self.state.sessions.add(held)
        return held

    def hold(self) -> None:
        """Have the node's descriptors held by the process of the tests."""
        self.state.holders[b"node"] = Peer(os.getpid(), os.getuid(), os.pidfd_open(os.getpid()))
        self.state.holders_changed()

    def go_on(self) -> None:
        """Do what is due, and wait for nothing."""
        self.poller.call_later(0, lambda: None)
        self.poller.run_once()

    def close(self) -> None:
        for held in self.state.sessions:
            held.is_reaped = True
            close_all([*held.descriptors.values(), *([held.pidfd] if held.pidfd >= 0 else [])])
        for holder in self.state.holders.values():
            holder.close()
        # A keeper's is open until it ends.
        vars(self._store)["_channel"].close()
        vars(self.net)["_newest"].close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with managed(tmp_path) as found:
        yield found


@pytest.fixture
def keeper(manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """It has room for few messages, its manager has been told as much as can wait there, and no more can be new."""
    assert manager
    monkeypatch.setattr(module, "DELAY", 0)
    monkeypatch.setattr(module.Newest, "add", lambda *_: False)
    monkeypatch.setattr(store_module, "MOST_UNSENT", ROOM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.connect(str(tmp_path / "notify"))
        other.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                other.send(b"STATUS=other")
    found = Keeper(tmp_path)
    yield found
    found.close()


def wait_until_kept(manager: Manager, keeper: Keeper, count: int) -> list[str]:
    """Let keeper and manager go on, and return the names of what is kept."""
    end = time.monotonic() + DEADLINE
    while len(manager.kept) != count:
        assert time.monotonic() < end, manager.kept
        keeper.go_on()
        manager.hear()
    return [name for name, _ in manager.kept]


def test_what_found_no_room_is_kept_once_the_manager_listens(manager: Manager, keeper: Keeper, capfd) -> None:
    held = [keeper.start(b"%d" % number) for number in range(5)]
    keeper.go_on()
    keeper.hold()
    # Ended before anything of it was heard: what was put of it is taken away again.
    keeper.state.sessions.forget(held[0])
    os.close(held[0].pidfd)
    assert capfd.readouterr().err.count("does not listen") == 1
    names = wait_until_kept(manager, keeper, 4 * OF_SESSION + 1)
    assert len(set(names)) == len(names)
    assert sorted(name[-1] for name in names) == sorted("IOERPF" * 4 + "H")
    # The facts come last, also of those of which there was room for some.
    firsts = [name for name in names if name[-1] == "F"]
    assert all(
        names.index(fact) == max(at for at, name in enumerate(names) if name[:-1] == fact[:-1]) for fact in firsts
    )
    # All of it is known, and can be given back.
    for each in held[1:]:
        keeper.state.sessions.forget(each)
        os.close(each.pidfd)
    assert [name[-1] for name in wait_until_kept(manager, keeper, 1)] == ["H"]


@pytest.mark.parametrize("is_for_good", [True, False])
def test_who_leaves_says_all_before_also_what_found_no_room(
    manager: Manager, keeper: Keeper, is_for_good: bool
) -> None:
    """It ends, or an upgrade takes its place."""
    for number in range(5):
        keeper.start(b"%d" % number)
    keeper.go_on()
    hearing = threading.Thread(target=manager.wait_until_kept, args=(5 * OF_SESSION,))
    hearing.start()
    if is_for_good:
        keeper.net.leave()
    else:
        keeper.net.numbers()
        # Of whom nothing was kept is new, and so a while comes before.
        while hearing.is_alive():
            keeper.go_on()
    hearing.join()
    assert keeper.state.is_left is is_for_good
    assert len(keeper.net.numbers()) == 5


def test_a_session_whose_process_cannot_be_opened_is_given_back_and_nothing_is_closed_twice(
    manager: Manager, keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.start(b"s")
    wait_until_kept(manager, keeper, OF_SESSION)
    # Of another process, as what was put under that name before.
    kept = [
        (name.encode(), os.pidfd_open(os.getppid()) if name[-1] == "P" else os.dup(fd)) for name, fd in manager.kept
    ]
    fds = [fd for _, fd in kept]
    following = Keeper(tmp_path)

    def no_room(_pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    closed: list[int] = []
    close = os.close
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "pidfd_open", no_room)
        patch.setattr(module.os, "close", lambda fd: closed.append(fd) or close(fd))
        following.net.take_back(kept)
    assert sorted(set(fds) & set(closed)) == sorted(fds)
    assert all(closed.count(fd) == 1 for fd in fds)
    assert not len(following.state.sessions)
    assert not wait_until_kept(manager, following, 0)
    following.close()


def test_a_process_that_was_kept_in_anothers_place_is_kept_anew(
    manager: Manager, keeper: Keeper, tmp_path: Path
) -> None:
    keeper.start(b"s")
    wait_until_kept(manager, keeper, OF_SESSION)
    kept = [
        (name.encode(), os.pidfd_open(os.getppid()) if name[-1] == "P" else os.dup(fd)) for name, fd in manager.kept
    ]
    following = Keeper(tmp_path)
    following.net.take_back(kept)
    following.net.go_on([])
    assert len(following.state.sessions) == 1
    end = time.monotonic() + DEADLINE
    while [name[-1] for name, _ in manager.kept if name != NEWEST.decode()][-1] != "P":
        assert time.monotonic() < end
        following.go_on()
        manager.hear()
    assert len(manager.kept) == OF_SESSION + OF_NEWEST
    following.close()


def test_the_newest_wait_in_a_socket_that_is_kept_as_they_are(manager: Manager, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    keeper.net.go_on([])
    first, second, third = (keeper.start(name) for name in (b"first", b"second", b"third"))
    manager.hear()
    assert len(manager.kept) == OF_NEWEST
    second.close(STDIN)
    keeper.state.sessions.changed(second)
    keeper.state.sessions.forget(third)
    os.close(third.pidfd)
    manager.hear()
    assert len(manager.kept) == OF_NEWEST
    # Those before one that changes wait anew.
    assert [each.name for each in vars(keeper.net)["_newest"]] == [b"second", b"first"]
    # Killed here: all that is held is what the manager keeps.
    following = Keeper(tmp_path)
    following.net.take_back([(name.encode(), os.dup(fd)) for name, fd in manager.kept])
    following.net.go_on([])
    assert [(each.name, sorted(each.descriptors)) for each in following.state.sessions] == [
        (b"second", sorted(second.descriptors)),
        (b"first", sorted(first.descriptors)),
    ]
    while len(manager.kept) < OF_NEWEST + 2 * OF_SESSION - 1:
        following.go_on()
        manager.hear()
    assert sorted(name[-1] for name, _ in manager.kept) == sorted("NN" + "IOERPF" + "OERPF")
    assert [list(waiting(os.dup(fd))) for name, fd in manager.kept if name == NEWEST.decode()] == [[], []]
    for each in (keeper, following):
        each.close()


def test_what_is_closed_waits_no_more_and_the_rest_does_until_the_manager_has_heard_of_it(
    manager: Manager, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.Newest, "add", ADD)
    held, newest = keeper.start(b"s"), vars(keeper.net)["_newest"]
    keeper.go_on()
    assert list(newest) == [held]
    held.close(STDIN)
    keeper.state.sessions.changed(held)
    assert [(each, STDIN in newest.names_of(each)) for each in newest] == [(held, False)]
    assert sorted(name[-1] for name in wait_until_kept(manager, keeper, OF_SESSION - 1)) == sorted("OERPF")
    while list(newest):
        keeper.go_on()
        manager.hear()


def test_a_session_whose_end_cannot_be_waited_for_is_given_back_and_nothing_is_closed_twice(
    manager: Manager, keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.start(b"s")
    wait_until_kept(manager, keeper, OF_SESSION)
    kept = [(name.encode(), os.dup(fd)) for name, fd in manager.kept]
    following = Keeper(tmp_path)

    def no_room(_held: Held) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(following.state, "watch", no_room)
    following.net.take_back(kept)
    assert not len(following.state.sessions)
    assert not wait_until_kept(manager, following, 0)
    following.close()


def test_what_waits_and_cannot_be_understood_is_closed(manager: Manager, tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    null = os.open(os.devnull, os.O_RDWR)
    good = [b"boot", b"%d" % os.getuid(), b"node", b"name", PIPES, b"%d" % os.getpid(), b"5"]
    wrong = [b"x"], [b"R", *good[:-1]], [b"RI", *good], [b"", *good], [b"R", *good], [b"P", *good], [b"R", b"b", *good]
    for words in wrong:
        socket.send_fds(writing, [pack(*words)], [null])
    writing.send(b"\xff")
    for fd in (null, writing.detach()):
        os.close(fd)
    for kept in (reading.detach(), os.open(os.devnull, os.O_RDWR)):
        keeper.net.take_back([(NEWEST, kept)])
    assert not len(keeper.state.sessions)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not manager.kept
    keeper.close()


def test_an_end_for_which_there_is_no_descriptor_is_no_error(
    keeper: Keeper, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows from the other ends would not be done else."""

    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    held = keeper.start(b"one")
    held.note_end()
    held.close(STDIN)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_sealed", full)
        keeper.state.sessions.changed(held)
    keeper.state.sessions.changed(held)
    # Without its input.
    assert len(wait_until_kept(manager, keeper, OF_SESSION - 1)) == OF_SESSION - 1


def test_what_there_is_no_room_for_waits_on(manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(module, "DELAY", 0)
    keeper = Keeper(tmp_path)
    try:
        held = keeper.start(b"one")
        with monkeypatch.context() as patch:
            patch.setattr(module, "_sealed", full)
            keeper.go_on()
            assert list(vars(keeper.net)["_newest"]) == [held]
        wait_until_kept(manager, keeper, OF_SESSION)
    finally:
        keeper.close()
