"""What a service manager keeps for a keeper that crashed, and what the next one makes of it."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.descriptor_store import Manager, managed
from support.keepers import KeeperProcess, RawNode, read_all, read_until

from omnyshell.keeper import net, wire
from omnyshell.keeper.processes import started_at
from omnyshell.keeper.wire import pack
from omnyshell.services.node.keeper.place import PROGRAM

PIPES, TERMINAL = 6, 4
"""How many descriptors are kept of each kind of session."""

HOLDER = 1 + 2
"""Who holds the sessions of a node, and both ends of the socket in which the newest wait."""


class Crashing:
    """A keeper that is started again whenever a test wants it to have crashed."""

    def __init__(
        self, manager: Manager, directory: Path, program: Path | None = None, file: Path | None = None
    ) -> None:
        self.manager = manager
        self._directory, self._program, self._file = directory, program, file
        self.keeper = manager.start(directory, program, file)

    def crash(self, *, by: signal.Signals = signal.SIGKILL) -> None:
        self.keeper.process.send_signal(by)
        self.keeper.process.wait()
        self.manager.hear()

    def restart(self) -> RawNode:
        """Start it again, and return a node that speaks with it."""
        self.keeper.end()
        self.keeper = self.manager.start(self._directory, self._program, self._file)
        return self.keeper.node()


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Crashing]:
    with managed(tmp_path) as manager:
        found = Crashing(manager, tmp_path / "keeper")
        yield found
        # Who listens no more is told nothing.
        found.keeper.process.kill()
        found.keeper.end()


def close(found: dict[str, int]) -> None:
    for fd in found.values():
        with suppress(OSError):
            os.close(fd)


def test_sessions_go_on_with_the_next_keeper(crashing: Crashing) -> None:
    node = crashing.keeper.node()
    pipes = node.script(b"pipes", b"read line; echo $line; exit 6")
    terminal = node.script(b"terminal", b"echo shown; read line; echo $line; exit 5", kind=wire.PTY)
    os.pwrite(pipes["record"], b"remembered", 0)
    read_until(terminal["terminal"], b"shown")
    facts = node.ask(wire.LIST)
    crashing.manager.wait_until_kept(PIPES + TERMINAL + HOLDER)
    assert any(said.startswith("READY=1") for said in crashing.manager.said)
    # Both have crashed: nobody but the manager has a descriptor.
    close(pipes | terminal)
    node.close()
    crashing.crash()

    node = crashing.restart()
    assert sorted(node.ask(wire.LIST)) == sorted(facts)
    pipes, terminal = (node.named(node.ask(wire.TAKE, name)) for name in (b"pipes", b"terminal"))
    assert list(pipes) == ["stdin", "stdout", "stderr", "record"]
    assert os.pread(pipes["record"], 10, 0) == b"remembered"
    assert node.ask(wire.WHERE, b"terminal")[2] == b"sh"
    os.write(terminal["terminal"], b"two\n")
    read_until(terminal["terminal"], b"two\r\ntwo")
    os.write(pipes["stdin"], b"one\n")
    assert read_all(pipes["stdout"]) == b"one\n"
    # Who has no children may still be told how they ended, or that nobody knows.
    for pid in map(int, facts[2::4]):
        crashing.manager.reap(pid)
    assert node.exit_of(b"pipes") in (b"6", wire.UNKNOWN)
    assert node.exit_of(b"terminal") in (b"5", wire.UNKNOWN)
    for name in (b"pipes", b"terminal"):
        assert node.ask(wire.FORGET, name) == [wire.OK]
    crashing.manager.wait_until_kept(HOLDER)
    close(pipes | terminal)
    node.close()


def test_sessions_go_on_where_the_nodes_file_is_broken_by_then_and_nothing_else_is_started(tmp_path: Path) -> None:
    """A keeper that did not start would leave them to a manager that gives up after some attempts."""
    file = tmp_path / "node.toml"
    file.write_text("id = 'n1'\n")
    with managed(tmp_path) as manager:
        crashing = Crashing(manager, tmp_path / "keeper", file=file)
        node = crashing.keeper.node()
        found = node.script(b"here", b"read line; echo $line")
        close(found)
        node.close()
        file.write_text("id = [")
        crashing.crash()
        node = crashing.restart()
        refused = node.ask(wire.START, b"other", wire.PIPES, b"1", b"1", b"/", b"", b"1", b"/bin/true")
        assert refused[:2] == [wire.NO, wire.REFUSED]
        found = node.named(node.ask(wire.TAKE, b"here"))
        os.write(found["stdin"], b"still\n")
        assert read_all(found["stdout"]) == b"still\n"
        close(found)
        node.close()
        crashing.keeper.process.kill()
        crashing.keeper.end()


def test_sessions_go_on_that_have_only_just_begun(crashing: Crashing) -> None:
    """Killed as soon as their start is answered, twice; nobody but the manager has a descriptor then."""
    for name in (b"first", b"second"):
        node = crashing.keeper.node()
        short, closed, asks = (
            node.script(name + what, line, kind=kind)
            for what, line, kind in (
                (b"-short", b"exit 0", wire.PIPES),
                (b"-closed", b"cat; echo over; exec sleep 100", wire.PIPES),
                (b"-asks", b"read line; echo $line; exec sleep 100", wire.PTY),
            )
        )
        node.exit_of(name + b"-short")
        os.close(closed.pop("stdin"))
        node.ask(wire.CLOSE_STDIN, name + b"-closed")
        node.ask(wire.FORGET, name + b"-short")
        close(short | closed | asks)
        node.close()
        crashing.crash()

        node = crashing.restart()
        closed, asks = (node.named(node.ask(wire.TAKE, name + what)) for what in (b"-closed", b"-asks"))
        assert list(closed) == ["stdout", "stderr", "record"]
        # Nobody has its stdin open.
        assert read_until(closed["stdout"], b"\n") == b"over\n"
        os.write(asks["terminal"], b"two\n")
        read_until(asks["terminal"], b"two\r\ntwo")
        close(closed | asks)
        node.close()
    node = crashing.keeper.node()
    listed = node.ask(wire.LIST)[1:]
    assert sorted(listed[::4]) == [b"first-asks", b"first-closed", b"second-asks", b"second-closed"]
    for session, pid in zip(listed[::4], listed[1::4], strict=True):
        node.ask(wire.SIGNAL, session, wire.SESSION, b"9")
        crashing.manager.reap(int(pid))
    node.close()


def test_what_is_closed_is_kept_no_longer_and_what_is_short_never(crashing: Crashing) -> None:
    node = crashing.keeper.node()
    crashing.manager.wait_until_kept(HOLDER)
    close(node.script(b"short", b"exit 0"))
    node.exit_of(b"short")
    node.ask(wire.FORGET, b"short")
    found = node.script(b"s", b"cat; exit 3")
    crashing.manager.wait_until_kept(PIPES + HOLDER)
    assert sum("FDSTORE=1" in said for said in crashing.manager.said) == PIPES + HOLDER
    os.close(found.pop("stdin"))
    node.ask(wire.CLOSE_STDIN, b"s")
    crashing.manager.wait_until_kept(PIPES - 1 + HOLDER)
    # With the manager's copy the last one is closed.
    assert read_all(found["stdout"]) == b""
    assert node.exit_of(b"s") == b"3"
    node.ask(wire.STOP_READING, b"s")
    crashing.manager.wait_until_kept(HOLDER + 3)
    names = sorted(name[-1] for name, _ in crashing.manager.kept)
    assert names == ["F", "H", "N", "N", "R", "X"]
    close(found)
    node.close()
    crashing.crash()
    # How it ended is known, as that was kept.
    node = crashing.restart()
    assert node.ask(wire.LIST)[3:4] == [b"3"]
    node.close()


def test_a_stop_by_the_manager_leaves_the_sessions_and_one_by_request_does_not(crashing: Crashing) -> None:
    node = crashing.keeper.node()
    found = node.script(b"s", b"cat; exit 3")
    crashing.crash(by=signal.SIGTERM)
    assert {name[-1] for name, _ in crashing.manager.kept} == {*"FPIOERHN"}
    close(found)
    node.close()
    node = crashing.restart()
    found = node.named(node.ask(wire.TAKE, b"s"))
    os.write(found["stdin"], b"there\n")
    assert read_until(found["stdout"], b"\n") == b"there\n"
    pid = int(node.ask(wire.LIST)[2])
    node.channel.sendall(wire.pack(wire.STOP, b"99"))
    crashing.manager.reap(pid)
    assert node.answer(b"99") == [wire.OK, b"1"]
    node.close()
    close(found)
    crashing.keeper.process.wait()


def test_what_has_ended_meanwhile_is_told_and_its_last_output_is_there(crashing: Crashing) -> None:
    node = crashing.keeper.node()
    found = node.script(b"s", b"read line; echo last words; exit 4")
    pid = int(node.ask(wire.LIST)[2])
    crashing.manager.wait_until_kept(PIPES + HOLDER)
    crashing.crash()
    os.write(found["stdin"], b"\n")
    crashing.manager.reap(pid)
    close(found)
    node.close()
    node = crashing.restart()
    assert node.ask(wire.LIST)[3] in (b"4", wire.UNKNOWN)
    found = node.named(node.ask(wire.TAKE, b"s"))
    assert read_all(found["stdout"]) == b"last words\n"
    close(found)
    node.close()


def test_the_holder_of_a_nodes_sessions_is_known_to_the_next_keeper(crashing: Crashing) -> None:
    """This process holds them, and lives: another one gets nothing."""
    node = crashing.keeper.node()
    close(node.script(b"s", b"exec cat"))
    crashing.manager.wait_until_kept(PIPES + HOLDER)
    crashing.crash()
    crashing.restart().close()
    if pid := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    else:
        try:
            other = RawNode(crashing.keeper.connected())
            answer = other.ask(wire.HELLO, b"%d" % wire.VERSION, b"node")
            os._exit(0 if answer[:2] == [wire.NO, wire.HELD] else 1)
        finally:
            os._exit(2)
    node.close()


def test_an_upgrade_goes_on_with_what_is_kept(tmp_path: Path) -> None:
    """Upgrades, crashes and upgrades once more, with a session that is no child after that."""
    installed = tmp_path / "installed"
    shutil.copytree(PROGRAM, installed, ignore=shutil.ignore_patterns("__pycache__"))

    def upgraded(keeper: KeeperProcess, node: RawNode, version: str) -> RawNode:
        (installed / "ending.py").write_text((installed / "ending.py").read_text() + f"# {version}\n")
        os.kill(keeper.pid, signal.SIGHUP)
        assert node.is_closed()
        node.close()
        return keeper.node()

    with managed(tmp_path) as manager:
        crashing = Crashing(manager, tmp_path / "keeper", installed)
        node = crashing.keeper.node()
        close(node.script(b"s", b"cat; exit 7"))
        manager.wait_until_kept(PIPES + HOLDER)
        kept = of_sessions(manager)
        node = upgraded(crashing.keeper, node, "a")
        node.ask(wire.LIST)
        manager.hear()
        assert of_sessions(manager) == kept
        crashing.crash()
        node.close()
        node = crashing.restart()
        manager.hear()
        node = upgraded(crashing.keeper, node, "b")
        found = node.named(node.ask(wire.TAKE, b"s"))
        manager.hear()
        os.close(found.pop("stdin"))
        node.ask(wire.CLOSE_STDIN, b"s")
        manager.wait_until_kept(PIPES - 1 + HOLDER)
        manager.reap(int(node.ask(wire.LIST)[2]))
        assert node.exit_of(b"s") in (b"7", wire.UNKNOWN)
        close(found)
        node.close()
        crashing.keeper.end()


def of_sessions(manager: Manager) -> list[tuple[str, int]]:
    """What is kept but for the newest."""
    return sorted(each for each in manager.kept if each[0] != net.NEWEST.decode())


def memory(*facts: bytes, is_sealed: bool = True) -> int:
    if is_sealed:
        return net._sealed(list(facts))
    fd = os.memfd_create("facts", os.MFD_ALLOW_SEALING)
    os.write(fd, pack(*facts))
    return fd


def test_nothing_that_is_kept_harms_the_next_keeper(crashing: Crashing) -> None:
    """Garbage, other versions' names, forged and stale sessions: each is given back, and the good one goes on."""
    node = crashing.keeper.node()
    close(node.script(b"good", b"exec cat"))
    close(node.script(b"stale", b"exec cat"))
    listed = node.ask(wire.LIST)[1:]
    pids = dict(zip(listed[::4], map(int, listed[1::4]), strict=True))
    pid = pids[b"stale"]
    crashing.manager.wait_until_kept(2 * PIPES + HOLDER)
    node.close()
    crashing.crash()
    manager = crashing.manager
    good = {name[-1]: fd for name, fd in manager.kept if name.startswith("2")}
    facts = net._read(good["F"], 7)
    me, started = os.getpid(), started_at(os.getpid())

    def session(number: int, *words: bytes, **descriptors: int) -> None:
        for letter, fd in descriptors.items():
            manager.put(f"{number:x}{letter}", os.dup(fd))
        manager.put(f"{number:x}F", memory(*words))

    with ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, null)
        record = good["R"]
        of_me = (*facts[:2], b"node", b"forged", wire.PIPES, b"%d" % me, b"%d" % started)
        for name in ("stored", "", "F", "zzF", "12345F", "1Z", "é", "1", "-1F", "0x1F", "1f"):
            manager.put(name, os.dup(null))
        # Facts without memory, without seals, without words, of what they are not.
        manager.put("10F", os.dup(null))
        manager.put("11F", memory(*of_me, is_sealed=False))
        manager.put("12F", memory(b"one"))
        session(0x13, *of_me)
        session(0x14, *of_me, R=null)
        session(0x15, *of_me, R=record, T=null)
        session(0x16, *of_me, R=record, I=good["O"])
        session(0x17, *of_me[:3], b"a\x01b", *of_me[4:], R=record)
        session(0x18, *of_me[:4], b"no-kind", *of_me[5:], R=record)
        session(0x19, *of_me[:5], b"-1", b"5", R=record)
        session(0x1A, *of_me[:5], b"no number", b"5", R=record)
        # Of another user whom that keeper served, and one that is there already.
        session(0x1B, facts[0], b"65533", *of_me[2:], R=record)
        session(0x1C, *of_me[:3], b"good", *of_me[4:], R=record)
        # An id that has become another process's.
        session(0x1D, *of_me[:3], b"reused", wire.PIPES, b"%d" % me, b"%d" % (started - 1), R=record)
        manager.put("20H", memory(b"%d" % os.geteuid(), b"other", b"%d" % me, b"0", b"%d" % (started - 1)))
        manager.put("21H", memory(b"%d" % os.geteuid(), b"no\x01name", b"%d" % me, b"0", b"%d" % started))
        manager.put("22H", os.dup(null))
        os.kill(pid, signal.SIGKILL)
        manager.reap(pid)
        node = crashing.restart()
    listed = node.ask(wire.LIST)[1:]
    states = dict(zip(listed[::4], listed[2::4], strict=True))
    assert states.keys() == {b"good", b"stale", b"reused"}, crashing.keeper.log()
    assert (states[b"good"], states[b"reused"]) == (wire.RUNNING, wire.UNKNOWN)
    assert states[b"stale"] in (b"-9", wire.UNKNOWN)
    # What is of no use is not kept: of the good one, the stale one with its end, the reused one, and the holder.
    manager.wait_until_kept(PIPES + PIPES + 3 + HOLDER)
    # A signal reaches nobody whose id it was.
    assert node.ask(wire.SIGNAL, b"reused", wire.SESSION, b"9") == [wire.OK]
    assert node.ask(wire.SIGNAL, b"good", wire.SESSION, b"9") == [wire.OK]
    manager.reap(pids[b"good"])
    assert node.exit_of(b"good") in (b"-9", wire.UNKNOWN)
    node.close()


def test_a_manager_that_does_not_listen_holds_nobody_up(crashing: Crashing) -> None:
    """Much more is to be said than its queue has room for; what waits is said when it listens."""
    node, count = crashing.keeper.node(), 20
    crashing.manager.wait_until_kept(HOLDER)
    for number in range(count):
        close(node.script(b"s%d" % number, b"exec cat"))
    crashing.manager.wait_until_told()
    assert node.ask(wire.LIST)[3::4] == [wire.RUNNING] * count
    crashing.manager.wait_until_kept(count * PIPES + HOLDER)
    node.close()
