"""The keeper as a process: its start and end, its upgrade, and what it survives."""

import os
import resource
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pytest
from support.deadline import DEADLINE
from support.keepers import KeeperProcess, RawNode, connected, read_all, read_until

from omnyshell.keeper import wire
from omnyshell.services.node.keeper.place import PROGRAM, REFUSED, RUNS_ALREADY, SOCKET, keeper_command


@pytest.fixture
def installed(tmp_path) -> Path:
    """The keeper's files, where a test may install another version of them."""
    place = tmp_path / "installed"
    shutil.copytree(PROGRAM, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.fixture
def upgradable(tmp_path, installed: Path) -> Iterator[KeeperProcess]:
    found = KeeperProcess(tmp_path / "keeper", installed)
    yield found
    found.end()


def until_it_serves(place: Path) -> None:
    """The socket is there before it is its user's, and before anybody can connect."""
    while True:
        try:
            connected(place).close()
        except OSError:
            os.sched_yield()
        else:
            return


def install_another(installed: Path) -> None:
    wire_module = installed / "wire.py"
    wire_module.write_text(
        wire_module.read_text().replace(f"VERSION = {wire.VERSION}\n", f"VERSION = {wire.VERSION + 1}\n")
    )


def close(found: dict[str, int]) -> None:
    for fd in found.values():
        with suppress(OSError):
            os.close(fd)


def has_ended(pid: bytes) -> bool:
    """Whether a process has, also one that init has not waited for yet."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{int(pid)}/stat").read_bytes().rpartition(b") ")[2][:1] in b"ZX"
    return True


def test_an_upgrade_keeps_process_children_descriptors_and_exit_codes(
    upgradable: KeeperProcess, installed: Path
) -> None:
    node = upgradable.node()
    pipes = node.script(b"pipes", b"read line; echo $line; exit 6")
    terminal = node.script(b"terminal", b"echo shown; read line; echo $line; exit 5", kind=wire.PTY)
    over = node.script(b"over", b"echo last words; exit 4")
    assert node.exit_of(b"over") == b"4"
    os.pwrite(pipes["record"], b"remembered", 0)
    read_until(terminal["terminal"], b"shown")
    before = node.ask(wire.LIST)
    close(pipes | terminal | over)
    assert node.ask(wire.UPGRADE) == [wire.OK]
    install_another(installed)
    node.channel.sendall(wire.pack(wire.UPGRADE, b"99"))
    assert node.is_closed()

    after = upgradable.node()
    assert after.ask(wire.LIST) == before
    said = after.named(after.ask(wire.TAKE, b"pipes"))
    assert os.pread(said["record"], 10, 0) == b"remembered"
    os.write(said["stdin"], b"one\n")
    assert read_until(said["stdout"], b"one\n") == b"one\n"
    shown = after.named(after.ask(wire.TAKE, b"terminal"))
    os.write(shown["terminal"], b"two\n")
    read_until(shown["terminal"], b"two\r\ntwo")
    ended = after.named(after.ask(wire.TAKE, b"over"))
    assert read_all(ended["stdout"]) == b"last words\n"
    assert {session: after.exit_of(session) for session in (b"pipes", b"terminal")} == {
        b"pipes": b"6",
        b"terminal": b"5",
    }
    for session in (b"pipes", b"terminal", b"over"):
        assert after.ask(wire.FORGET, session) == [wire.OK]
    close(said | shown | ended)
    assert not Path(f"/proc/{upgradable.pid}/task/{upgradable.pid}/children").read_text()
    assert upgradable.process.poll() is None
    # A program that starts now has nothing of what was passed on.
    found = after.script(b"new", b"ls /proc/self/fd")
    assert read_all(found["stdout"]).split() == [b"0", b"1", b"2", b"3"]
    after.exit_of(b"new")
    after.ask(wire.FORGET, b"new")
    close(found)
    for each in (node, after):
        each.close()


def test_programs_have_the_usual_limit_of_descriptors_after_an_upgrade_too(tmp_path: Path, installed: Path) -> None:
    class Limited:
        def popen(self, command: Sequence[str], log: BinaryIO) -> "subprocess.Popen[bytes]":
            return subprocess.Popen(["prlimit", "--nofile=300:2000", *command], stderr=log)

    keeper = KeeperProcess(tmp_path / "keeper", installed, started_by=Limited())
    for version in "abc":
        node = keeper.node()
        found = node.script(version.encode(), b"ulimit -Sn; ulimit -Hn")
        assert read_all(found["stdout"]).split() == [b"300", b"2000"]
        # The keeper itself may have as many as it can.
        assert resource.prlimit(keeper.pid, resource.RLIMIT_NOFILE) == (2000, 2000)
        close(found)
        (installed / "ending.py").write_text((installed / "ending.py").read_text() + f"# {version}\n")
        os.kill(keeper.pid, signal.SIGHUP)
        assert node.is_closed()
        node.close()
    keeper.end()


def test_an_upgrade_leaves_no_descriptor(upgradable: KeeperProcess, installed: Path) -> None:
    node = upgradable.node()
    found = node.script(b"s", b"exec cat")
    before = node.ask(wire.LIST), upgradable.descriptors(node)
    for version in "ab":
        (installed / "ending.py").write_text((installed / "ending.py").read_text() + f"# {version}\n")
        os.kill(upgradable.pid, signal.SIGHUP)
        assert node.is_closed()
        node.close()
        node = upgradable.node()
        node.ask(wire.LIST)
        assert (node.ask(wire.LIST), upgradable.descriptors(node)) == before, upgradable.log()
    close(found)
    node.close()


def test_what_does_not_start_takes_nothing_over(upgradable: KeeperProcess, installed: Path) -> None:
    node = upgradable.node()
    found = node.script(b"s", b"read line; exit 8")
    for text in ("this is no Python", "import omnyshell.no_such_module"):
        (installed / "held.py").write_text(f"{text}\n")
        assert node.ask(wire.UPGRADE)[:2] == [wire.NO, wire.CANNOT]
    # While one is tried that does not end, everything goes on.
    (installed / "held.py").write_text("import time; time.sleep(1000)\n")
    node.channel.sendall(wire.pack(wire.UPGRADE, b"99"))
    os.write(found["stdin"], b"\n")
    assert node.exit_of(b"s") == b"8"
    close(found)
    node.close()


def test_a_stop_ends_all_sessions_and_says_how_many(own_keeper: KeeperProcess) -> None:
    node, line = own_keeper.node(), own_keeper.node(b"")
    for number in range(3):
        close(node.script(b"s%d" % number, b"exec sleep 100", kind=wire.PTY if number else wire.PIPES))
    close(node.script(b"over", b"exit 0"))
    node.exit_of(b"over")
    leaders = node.ask(wire.LIST)[2::4]
    line.channel.sendall(wire.pack(wire.STOP, b"7"))
    assert line.answer(b"7") == [wire.OK, b"3"]
    assert own_keeper.process.wait(DEADLINE) == 0
    assert all(map(has_ended, leaders[:3]))
    assert not (own_keeper.directory / SOCKET).exists()
    for each in (node, line):
        each.close()


def test_a_stop_kills_who_does_not_hang_up(own_keeper: KeeperProcess) -> None:
    """Takes the second and a half that a hang-up has."""
    node = own_keeper.node()
    found = node.script(b"s", b"trap '' HUP TERM; (trap '' HUP; sleep 100) & echo ready; while :; do sleep 100; done")
    read_until(found["stdout"], b"ready")
    node.channel.sendall(wire.pack(wire.STOP, b"7"))
    assert node.answer(b"7") == [wire.OK, b"1"]
    assert node.exit_of(b"s") == b"-9"
    assert read_all(found["stdout"]) == b""
    assert own_keeper.process.wait(DEADLINE) == 0
    close(found)
    node.close()


def test_nothing_starts_while_it_stops(own_keeper: KeeperProcess) -> None:
    node = own_keeper.node()
    close(node.script(b"s", b"trap '' HUP; echo; while :; do sleep 100; done"))
    node.channel.sendall(wire.pack(wire.STOP, b"7"))
    assert node.ask(*node.start_request(b"late", b"/bin/true"))[:2] == [wire.NO, wire.STOPPING]
    node.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it(own_keeper: KeeperProcess, number: signal.Signals) -> None:
    node = own_keeper.node()
    close(node.script(b"s", b"exec sleep 100"))
    os.kill(own_keeper.pid, number)
    assert own_keeper.process.wait(DEADLINE) == 0
    assert "1 sessions" in own_keeper.log()
    node.close()


def test_one_keeper_serves_a_directory(own_keeper: KeeperProcess) -> None:
    command = keeper_command(own_keeper.directory, user=os.geteuid())
    second = subprocess.run(command, capture_output=True, check=False)
    assert second.returncode == RUNS_ALREADY
    assert own_keeper.is_serving()


def test_a_killed_one_leaves_its_place(own_keeper: KeeperProcess) -> None:
    own_keeper.process.kill()
    own_keeper.process.wait(DEADLINE)
    assert (own_keeper.directory / SOCKET).exists()
    next_one = KeeperProcess(own_keeper.directory)
    next_one.node().close()
    next_one.end()


def test_a_detached_one_serves_when_its_command_ends_and_ends_when_of_no_use(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "keeper"
    directory.mkdir(mode=0o700)
    # It leaves the directory in which it is started.
    subprocess.run(keeper_command(Path("keeper"), user=os.geteuid(), idle=0.5, detach=True), check=True)
    node = RawNode(connected(directory))
    pid = int(node.ask(wire.HELLO, b"1", b"node")[2])
    close(node.script(b"s", b"exec cat"))
    node.ask(wire.SIGNAL, b"s", wire.SESSION, b"9")
    node.exit_of(b"s")
    node.ask(wire.FORGET, b"s")
    pidfd = os.pidfd_open(pid)
    node.close()
    assert select.select([pidfd], [], [], DEADLINE)[0]
    os.close(pidfd)
    assert not (directory / SOCKET).exists()


def test_without_descriptors_it_refuses_and_goes_on(own_keeper: KeeperProcess) -> None:
    node = own_keeper.node()
    found = node.script(b"s", b"read line; echo $line; exit 2")
    before = own_keeper.descriptors(node)
    limits = resource.prlimit(own_keeper.pid, resource.RLIMIT_NOFILE)
    for spare in range(12):
        resource.prlimit(own_keeper.pid, resource.RLIMIT_NOFILE, (len(before) + spare, limits[1]))
        for kind in (wire.PIPES, wire.PTY):
            answer = node.ask(*node.start_request(b"more", b"/bin/true", kind=kind))
            if answer[0] == wire.OK:
                close(node.named(answer))
                node.exit_of(b"more")
                node.ask(wire.FORGET, b"more")
            else:
                assert answer[0] == wire.NO
                assert answer[1:] == [wire.CANNOT, b"Too many open files"] or answer[1] == wire.FULL
            assert own_keeper.descriptors(node) == before
    resource.prlimit(own_keeper.pid, resource.RLIMIT_NOFILE, (len(before), limits[1]))
    waiting = own_keeper.connected()
    assert node.ask(wire.LIST)[1::2] == [b"s", wire.RUNNING]
    resource.prlimit(own_keeper.pid, resource.RLIMIT_NOFILE, limits)
    waiting.close()
    os.write(found["stdin"], b"still\n")
    assert read_all(found["stdout"]) == b"still\n"
    assert node.exit_of(b"s") == b"2"
    close(found)
    own_keeper.node(b"new").close()
    node.close()


def test_without_memory_it_leaves_who_asks_for_it_and_goes_on(own_keeper: KeeperProcess) -> None:
    node = own_keeper.node()
    status = dict(line.split(":\t") for line in Path(f"/proc/{own_keeper.pid}/status").read_text().splitlines())
    limits = resource.prlimit(own_keeper.pid, resource.RLIMIT_AS)
    most = int(status["VmSize"].split()[0]) * 1024 + 512 * 1024
    resource.prlimit(own_keeper.pid, resource.RLIMIT_AS, (most, limits[1]))
    greedy = own_keeper.connected()
    with suppress(OSError):
        greedy.sendall((1_900_000).to_bytes(4, "big") + bytes(1_900_000))
    assert RawNode(greedy).is_closed()
    assert node.ask(wire.LIST) == [wire.OK]
    resource.prlimit(own_keeper.pid, resource.RLIMIT_AS, limits)
    close(node.script(b"s", b"exit 3"))
    assert node.exit_of(b"s") == b"3"
    greedy.close()
    node.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_a_keeper_of_roots_serves_the_nodes_user_alone_and_starts_nothing_as_root_for_them() -> None:
    nobody, somebody = 65534, 65533
    with TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        place = Path(name) / "keeper"
        place.mkdir()
        place.chmod(0o711)
        process = subprocess.Popen(keeper_command(place, user=nobody))
        until_it_serves(place)
        facts = (place / SOCKET).stat()
        assert (facts.st_uid, facts.st_mode & 0o777) == (nobody, 0o600)
        asked = {user: in_child(user, lambda: asks_for_a_program(place)) for user in (nobody, somebody)}
        assert asked == {nobody: b"refused", somebody: b"Permission denied"}
        process.terminate()
        assert process.wait(DEADLINE) == 0


def asks_for_a_program(place: Path) -> bytes:
    """What happens to who asks for a program that runs as the keeper's user."""
    try:
        node = RawNode(connected(place))
    except OSError as exc:
        return (exc.strerror or "").encode()
    assert node.ask(wire.HELLO, b"1", b"node")[0] == wire.OK
    answer = node.ask(*node.start_request(b"s", b"/bin/true"))
    return answer[1]


def in_child(user: int, action: Callable[[], bytes]) -> bytes:
    """Run it as another user, and return what it returned."""
    told, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            os.write(telling, action())
        finally:
            os._exit(0)
    os.close(telling)
    os.waitpid(pid, 0)
    said = os.read(told, 1000)
    os.close(told)
    return said


def test_it_does_not_run_what_others_can_write(tmp_path, installed: Path) -> None:
    directory = tmp_path / "keeper"
    directory.mkdir(mode=0o700)
    command = keeper_command(directory, user=os.geteuid())
    command[3] = str(installed)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)

    for place in (installed / "wire.py", installed, installed.parent):
        place.chmod(place.stat().st_mode | 0o002)
        refused = run()
        assert refused.returncode == REFUSED
        assert f"others can write {place}" in refused.stderr
        place.chmod(place.stat().st_mode & ~0o002)
    if os.geteuid() == 0:
        os.chown(installed / "held.py", 65534, -1)
        assert f"{installed / 'held.py'} belongs to another user" in run().stderr
        os.chown(installed / "held.py", 0, -1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    shutil.move(installed / "peers.py", elsewhere / "peers.py")
    (installed / "peers.py").symlink_to(elsewhere / "peers.py")
    assert f"others can write {elsewhere}" in run().stderr
    directory.chmod(0o777)
    assert run().returncode == REFUSED
