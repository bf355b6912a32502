"""Sessions as control groups of this machine: what ends with one, and what becomes of the groups."""

import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.keepers import KeeperProcess, RawNode, read_until

from omnyshell.keeper import wire
from omnyshell.keeper.cgroups import QUIET
from omnyshell.keeper.group import NOTE
from omnyshell.services.node.keeper.place import PROGRAM, REFUSED, SOCKET

HIDDEN = b"setsid sh -c 'trap \"\" HUP TERM; echo $$; exec sleep 1000' </dev/null 2>/dev/null &"
"""What leaves its session, its parent and its terminal behind, and says who it is."""


@pytest.fixture
def groups(own_keeper: KeeperProcess) -> Path:
    """Where the keeper makes groups."""
    return place_of(own_keeper)


def place_of(keeper: KeeperProcess) -> Path:
    asked = RawNode(keeper.connected())
    place = os.fsdecode(asked.ask(wire.HELLO, b"1", b"looks")[5])
    asked.close()
    if not place:
        pytest.skip("no control groups can be made here")
    return Path(place)


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < end
        select.select([], [], [], 0.01)


def group_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().split("0::")[1].split("\n")[0]


def ends(pid: int) -> bool:
    """Wait for the end of a process."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], DEADLINE)[0])
    finally:
        os.close(pidfd)


def hidden(node: RawNode, session: bytes) -> int:
    """Start a session with such a process in it; return that."""
    out = node.script(session, HIDDEN + b"\nsleep 1000")
    return int(read_until(out["stdout"], b"\n"))


def left_behind(node: RawNode, session: bytes) -> int:
    """Start and end a session that leaves such a process; return that."""
    out = node.script(session, HIDDEN + b"\nread line")
    pid = int(read_until(out["stdout"], b"\n"))
    os.write(out["stdin"], b"\n")
    assert node.exit_of(session) == b"0"
    return pid


def made(groups: Path) -> list[Path]:
    return [entry for entry in groups.iterdir() if entry.name.isdecimal()]


@pytest.mark.parametrize("kind", [wire.PIPES, wire.PTY])
def test_a_kill_ends_what_has_left_its_session_too(own_keeper: KeeperProcess, groups: Path, kind: bytes) -> None:
    node = own_keeper.node()
    other = node.script(b"other", b"read line; exit 3")
    out = node.script(b"s", HIDDEN + b"\nsleep 1000", kind=kind)
    pid = int(read_until(out.get("stdout", out.get("terminal", -1)), b"\n"))
    assert f"/{groups.name}/" in group_of(pid)
    assert node.ask(wire.SIGNAL, b"s", wire.SESSION, b"%d" % signal.SIGKILL) == [wire.OK]
    assert node.exit_of(b"s") == b"-9"
    assert ends(pid)
    # Nobody else, and not the keeper that was where it was born.
    os.write(other["stdin"], b"\n")
    assert node.exit_of(b"other") == b"3"
    node.close()


def test_a_hang_up_reaches_it_and_a_kill_what_is_frozen(own_keeper: KeeperProcess, groups: Path) -> None:
    node = own_keeper.node()
    line = b"setsid sh -c 'trap \"echo hung up; exit\" HUP; echo $$; while :; do sleep 0.01; done' &\nexec cat >&2"
    out = node.script(b"s", line)
    pid = int(read_until(out["stdout"], b"\n"))
    node.ask(wire.SIGNAL, b"s", wire.SESSION, b"%d" % signal.SIGHUP)
    assert read_until(out["stdout"], b"hung up") == b"hung up\n"
    assert ends(pid)
    pid = hidden(node, b"t")
    group = groups / group_of(pid).rpartition("/")[2]
    # It may be where the keeper is until a kill, or some time, has it go on.
    wait_until(lambda: str(own_keeper.pid) not in (group / "cgroup.procs").read_text().split())
    (group / "cgroup.freeze").write_text("1")
    node.ask(wire.SIGNAL, b"t", wire.SESSION, b"%d" % signal.SIGKILL)
    assert node.exit_of(b"t") == b"-9"
    assert ends(pid)
    assert node.ask(wire.FORGET, b"t") == [wire.OK]
    wait_until(lambda: not group.exists())
    node.close()


def test_its_end_by_itself_leaves_what_it_left_as_with_ssh_and_a_stop_does_not(
    own_keeper: KeeperProcess, groups: Path
) -> None:
    node = own_keeper.node()
    pid = left_behind(node, b"s")
    assert node.ask(wire.FORGET, b"s") == [wire.OK]
    node.script(b"more", b"exit 1")
    assert node.exit_of(b"more") == b"1"
    assert not ends_now(pid)
    assert node.ask(wire.STOP) == [wire.OK, b"0"]
    assert ends(pid)
    own_keeper.process.wait(DEADLINE)
    assert not groups.exists()
    node.close()


def test_short_commands_use_a_group_again_and_long_ones_have_their_own(own_keeper: KeeperProcess, groups: Path) -> None:
    node = own_keeper.node()
    for number in range(20):
        node.script(b"s%d" % number, b"exit 0")
        node.exit_of(b"s%d" % number)
        node.ask(wire.FORGET, b"s%d" % number)
    few = len(made(groups))
    found = [node.script(b"long%d" % number, b"echo $$; read line") for number in range(5)]
    pids = [int(read_until(each["stdout"], b"\n")) for each in found]
    assert len({group_of(pid) for pid in pids}) == len(pids)
    assert few <= 2
    told = node.ask(wire.GROUPS)[1:]
    # What was used before it is told apart: this one was born where others were.
    assert int(os.getxattr(groups / group_of(pids[0]).rpartition("/")[2], wire.EARLIER)) > 0
    assert dict(zip(told[::2], told[1::2], strict=True)) == {
        b"long%d" % number: os.fsencode(groups / group_of(pid).rpartition("/")[2]) for number, pid in enumerate(pids)
    }
    for number, each in enumerate(found):
        os.write(each["stdin"], b"\n")
        node.exit_of(b"long%d" % number)
        node.ask(wire.FORGET, b"long%d" % number)
    wait_until(lambda: len(made(groups)) == 1)
    node.close()


def test_a_forgotten_session_never_signals_the_next_in_its_group(own_keeper: KeeperProcess, groups: Path) -> None:
    """The first has ended, and is not forgotten, when another one is born where it was."""
    node = own_keeper.node()
    node.script(b"first", b"exit 0")
    node.exit_of(b"first")
    second = node.script(b"second", b"echo $$; read line; exit 4")
    read_until(second["stdout"], b"\n")
    for number in (signal.SIGHUP, signal.SIGKILL):
        assert node.ask(wire.SIGNAL, b"first", wire.SESSION, b"%d" % number) == [wire.OK]
    os.write(second["stdin"], b"\n")
    assert node.exit_of(b"second") == b"4"
    assert made(groups)
    node.close()


def test_an_upgrade_goes_on_with_the_groups(tmp_path) -> None:
    installed = tmp_path / "installed"
    shutil.copytree(PROGRAM, installed, ignore=shutil.ignore_patterns("__pycache__"))
    keeper = KeeperProcess(tmp_path / "keeper", installed)
    try:
        groups, node = place_of(keeper), keeper.node()
        pids = [hidden(node, b"s1"), hidden(node, b"s2")]
        before = [group_of(pid) for pid in pids]
        wire_module = installed / "wire.py"
        wire_module.write_text(
            wire_module.read_text().replace(f"VERSION = {wire.VERSION}\n", f"VERSION = {wire.VERSION + 1}\n")
        )
        node.channel.sendall(wire.pack(wire.UPGRADE, wire.UNANSWERED))
        assert node.is_closed()
        node.close()
        node = RawNode(keeper.connected())
        assert node.ask(wire.HELLO, b"2", b"node")[5] == os.fsencode(groups)
        assert [group_of(pid) for pid in pids] == before
        node.ask(wire.SIGNAL, b"s2", wire.SESSION, b"%d" % signal.SIGKILL)
        assert ends(pids[1])
        assert node.exit_of(b"s2") == b"-9"
        node.script(b"s3", b"exit 5")
        assert node.exit_of(b"s3") == b"5"
        node.ask(wire.SIGNAL, b"s1", wire.SESSION, b"%d" % signal.SIGKILL)
        assert ends(pids[0])
        node.close()
    finally:
        keeper.end()
    assert not groups.exists()


@pytest.fixture
def killed(own_keeper: KeeperProcess, groups: Path) -> Iterator[tuple[int, int]]:
    """What a keeper leaves that was killed: a session of a node that lives, and what an ended session left."""
    node = own_keeper.node()
    left = left_behind(node, b"ended")
    node.ask(wire.FORGET, b"ended")
    held = hidden(node, b"held")
    own_keeper.process.kill()
    own_keeper.process.wait(DEADLINE)
    assert groups.exists()
    node.close()
    yield held, left
    for pid in (held, left):
        if not ends_now(pid):
            os.kill(pid, signal.SIGKILL)


def ends_now(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] in b"ZX"
    except OSError:
        return True


def test_the_next_keeper_takes_over_what_a_killed_one_left(
    own_keeper: KeeperProcess, groups: Path, killed: tuple[int, int]
) -> None:
    """The node, which is this process, still has the session's descriptors: it goes on until somebody stops it."""
    held, left = killed
    following = KeeperProcess(own_keeper.directory)
    try:
        node = following.node()
        node.script(b"s", b"exit 7")
        assert node.exit_of(b"s") == b"7"
        assert not ends_now(held)
        assert not ends_now(left)
        assert node.ask(wire.STOP)[0] == wire.OK
        assert ends(held)
        assert ends(left)
        node.close()
    finally:
        following.end()
    assert not groups.exists()


def test_what_nobody_holds_any_more_is_ended_by_the_next_keeper(own_keeper: KeeperProcess, groups: Path) -> None:
    node = own_keeper.node()
    held = hidden(node, b"held")
    own_keeper.process.kill()
    own_keeper.process.wait(DEADLINE)
    child = os.fork()
    if child == 0:
        os._exit(0)
    # A process that has ended, as where the node was killed too.
    os.waitpid(child, 0)
    for group in made(groups):
        os.setxattr(group, NOTE, b"%d\0node\0held" % child)
    following = KeeperProcess(own_keeper.directory)
    try:
        assert ends(held)
        wait_until(lambda: len(made(groups)) == 1)
    finally:
        following.end()
        node.close()


def test_what_is_left_behind_is_ended_where_the_file_says_so(tmp_path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("kill-left-behind = true\n")
    keeper = KeeperProcess(tmp_path / "keeper", users_file=file)
    try:
        place_of(keeper)
        node = keeper.node()
        assert ends(left_behind(node, b"s"))
        # It is read anew.
        file.write_text("kill-left-behind = false\n")
        pid = left_behind(node, b"t")
        node.ask(wire.LIST)
        assert not ends_now(pid)
        os.kill(pid, signal.SIGKILL)
        node.close()
    finally:
        keeper.end()


def test_a_keeper_holds_its_limits_or_does_not_start(tmp_path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('session-memory = "64MiB"\nsession-processes = 30\n')
    keeper = KeeperProcess(tmp_path / "keeper", users_file=file)
    try:
        if keeper.process.poll() is not None:
            assert keeper.process.returncode == REFUSED
            assert "'session-memory' of" in keeper.log() or "limits sessions, but" in keeper.log()
            assert "omnyshell service install node" in keeper.log()
            assert not (keeper.directory / SOCKET).exists()
            return
        # This machine has controllers to give.
        node = keeper.node()
        out = node.script(b"s", b"for i in $(seq 99); do sleep 1000 & done; echo done; exec tail /dev/zero")
        assert node.exit_of(b"s") != b"0"
        assert out
        node.close()
    finally:
        keeper.end()


def test_a_fork_bomb_ends_with_its_session(own_keeper: KeeperProcess, groups: Path) -> None:
    """Each of its processes makes a session of its own, as long as they are few enough for this machine."""
    node = own_keeper.node()
    bomb = b'bomb() { [ $1 -gt 7 ] && exec sleep 1000; setsid sh -c "$line" bomb $(($1+1)) & bomb $(($1+1)); }'
    script = b"line='" + bomb.replace(b"'", b"'\\''") + b'; bomb $1\'; export line; echo go; sh -c "$line" bomb 0'
    out = node.script(b"s", script)
    read_until(out["stdout"], b"go\n")
    group = groups / group_of(int(node.ask(wire.LIST)[2])).rpartition("/")[2]
    wait_until(lambda: len((group / "cgroup.procs").read_text().split()) > 40)
    node.ask(wire.SIGNAL, b"s", wire.SESSION, b"%d" % signal.SIGKILL)
    assert node.exit_of(b"s") == b"-9"
    wait_until(lambda: _is_empty(group))
    node.close()


def _is_empty(group: Path) -> bool:
    """Whether nothing is in a group; the keeper takes one away that is empty."""
    try:
        return "populated 0" in (group / "cgroup.events").read_text()
    except OSError:
        return not group.exists()


def test_the_keeper_moves_on_by_itself(own_keeper: KeeperProcess, groups: Path) -> None:
    """It does so some time after a session has begun that goes on."""
    node = own_keeper.node()
    out = node.script(b"s", b"echo $$; exec sleep 1000")
    pid = int(read_until(out["stdout"], b"\n"))
    wait_until(lambda: group_of(pid) != group_of(own_keeper.pid))
    assert QUIET < DEADLINE
    usage = (groups / group_of(pid).rpartition("/")[2] / "cpu.stat").read_text()
    assert usage.startswith("usage_usec ")
    node.close()
