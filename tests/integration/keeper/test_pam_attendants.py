"""What stays beside a session that PAM opened, until it has closed it, whatever ends the session or the keeper."""

import os
import re
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.keepers import KeeperProcess, asked, read_all, read_until
from support.pam import ANN, Service, attendant_of, attendants, begun, over
from support.people import NODE_USER, Machine
from support.system import until

from omnyshell.keeper import wire
from omnyshell.services.node.keeper.place import PROGRAM

MOST_OWN_MEMORY = 6 * 1024
"""KiB that an attendant may have for itself."""

pytestmark = pytest.mark.skipif(not Path("/etc/pam.d/other").exists(), reason="PAM is not installed")


@pytest.mark.parametrize("kind", [wire.PIPES, wire.PTY])
def test_the_end_of_a_program_is_told_as_it_was(pam_keeper: KeeperProcess, service: Service, kind: bytes) -> None:
    service.says(service.telling("session"))
    node = pam_keeper.node(b"ends")
    for count, (line, code) in enumerate([("exit 7", b"7"), ("kill -9 $$", b"-9"), ("kill $$", b"-15")], 1):
        found = begun(node, b"s", line, kind)
        assert over(node, b"s", found) == code
        service.wait_for_close(count)
    node.close()


def test_a_session_is_the_programs_and_not_its_attendants(pam_keeper: KeeperProcess, service: Service) -> None:
    service.says(service.telling("session"))
    node = pam_keeper.node(b"whose")
    found = begun(node, b"s", "echo $$ $(ps -o pid= --ppid $$ | wc -l); exec sleep 1000", wire.PTY)
    pid, beside = found["pid"], attendant_of(pam_keeper, found["pid"])
    # The child that it sees is the one that looks.
    assert read_until(found["terminal"], b"\n").split()[0] == b"%d" % pid
    until(lambda: node.ask(wire.WHERE, b"s")[1:3] == [b"%d" % pid, b"sleep"])
    assert os.getsid(pid) == pid != os.getsid(beside)
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
    assert f"\nPPid:\t{pam_keeper.pid}\n" in Path(f"/proc/{pid}/status").read_text()
    leads = {str(entry.readlink()) for entry in Path(f"/proc/{beside}/fd").iterdir()}
    assert leads == {os.devnull, "anon_inode:[pidfd]"}
    node.ask(wire.SIGNAL, b"s", wire.GROUP, b"%d" % signal.SIGINT)
    assert over(node, b"s", found) == b"-2"
    service.wait_for_close()
    node.close()


def test_pipes_end_when_the_program_closes_them(pam_keeper: KeeperProcess, service: Service) -> None:
    service.says(service.telling("session"))
    node = pam_keeper.node(b"pipes")
    found = begun(node, b"s", "echo last; exec >&- 2>&-; read line; exit 5")
    assert read_all(found["stdout"]) == b"last\n"
    assert read_all(found["stderr"]) == b""
    os.write(found["stdin"], b"\n")
    assert over(node, b"s", found) == b"5"
    service.wait_for_close()
    node.close()


def test_a_user_who_kills_all_they_may_does_not_reach_the_attendant(
    pam_keeper: KeeperProcess, service: Service
) -> None:
    service.says(service.telling("session"))
    node = pam_keeper.node(b"kills")
    found = begun(node, b"s", "read line; setsid sleep 1000 & sh -c 'kill -9 -1'; exit 3", whose="slayer\n\n\n")
    beside = attendant_of(pam_keeper, found["pid"])
    os.write(found["stdin"], b"\n")
    assert over(node, b"s", found) == b"-9"
    service.wait_for_close()
    until(lambda: beside not in attendants(pam_keeper))
    node.close()


def test_an_attendant_ends_with_the_program_whatever_that_leaves_behind(
    pam_keeper: KeeperProcess, service: Service
) -> None:
    service.says(service.telling("session"))
    node = pam_keeper.node(b"leaves")
    found = begun(node, b"s", "(setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!)")
    left = int(read_until(found["stdout"], b"\n"))
    assert over(node, b"s", found) == b"0"
    service.wait_for_close()
    os.kill(left, signal.SIGKILL)
    node.close()


@pytest.fixture
def hasty_keeper(
    machine: Machine, users_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[KeeperProcess]:
    """One with another limit of time: the module, its line, and what that is here."""
    name, before, after = request.param
    program = tmp_path / "program"
    shutil.copytree(PROGRAM, program, ignore=shutil.ignore_patterns("__pycache__"))
    text = (program / name).read_text()
    assert before in text
    (program / name).write_text(text.replace(before, after))
    keeper = KeeperProcess(tmp_path / "keeper", program, user=NODE_USER, users_file=users_file, machine=machine)
    yield keeper
    keeper.end()


@pytest.fixture
def hang(service: Service) -> Iterator[str]:
    """A program that a module waits for without end, in the phase that it names; but the test does not."""
    script, pid = service.place / "hang", service.place / "hanging"
    script.write_text(f"#!/bin/sh\n[ $PAM_TYPE = $1 ] || exit 0\necho $$ > {pid}\nexec sleep 1000\n")
    script.chmod(0o755)
    yield str(script)
    with suppress(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("hasty_keeper", [("starting.py", "START = 25.0", "START = 0.25")], indirect=True)
def test_a_module_that_hangs_hinders_nobody_else_and_is_not_waited_for_long(
    hasty_keeper: KeeperProcess, service: Service, hang: str
) -> None:
    service.says(f"account required pam_exec.so {hang} account", calm="")
    node, other = hasty_keeper.node(b"hangs"), hasty_keeper.node(b"other")
    request = node.start_request(b"s", b"id", env=(), cwd=b"", whose=ANN.encode())
    node.channel.sendall(wire.pack(request[0], b"99", *request[1:]))
    # While that one waits, others are answered.
    assert other.ask(wire.LIST) == [wire.OK]
    assert not select.select([node.channel], [], [], 0)[0]
    said = node.answer(b"99")
    assert said == [wire.NO, wire.CANNOT, b"This machine took longer than 0.25 s to let the user in"]
    assert node.ask(wire.LIST) == [wire.OK]
    node.close()
    other.close()


@pytest.mark.parametrize("hasty_keeper", [("attendant.py", "LONGEST_CLOSE = 30", "LONGEST_CLOSE = 1")], indirect=True)
def test_a_module_that_hangs_at_the_end_is_left(hasty_keeper: KeeperProcess, service: Service, hang: str) -> None:
    """It takes the second that the shortest alarm takes."""
    service.says(f"session required pam_exec.so {hang} close_session")
    assert asked(hasty_keeper, ANN, "echo", "ready") == "ready\n"
    until((service.place / "hanging").exists)
    until(lambda: not attendants(hasty_keeper))


def test_sessions_are_closed_also_when_the_keeper_was_killed(
    machine: Machine, users_file: Path, service: Service, tmp_path: Path
) -> None:
    service.says(service.telling("session"))
    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=users_file, machine=machine)
    node = keeper.node()
    found = begun(node, b"s", "read line")
    beside = attendant_of(keeper, found["pid"])
    keeper.process.kill()
    keeper.end()
    assert beside in attendants(keeper)
    assert service.phases() == ["open_session"]
    os.write(found["stdin"], b"\n")
    service.wait_for_close()
    until(lambda: beside not in attendants(keeper))
    for name, fd in found.items():
        if name != "pid":
            os.close(fd)
    node.close()


@pytest.fixture
def scope(tmp_path: Path) -> Iterator[Path]:
    """A control group that a module makes for a session, as pam_systemd does."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    place = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    found = Path(place or tmp_path) / f"omnyshell-test-{os.getpid()}.scope"
    try:
        found.mkdir()
        (found / "cgroup.kill").stat()
    except OSError:
        pytest.skip("there is no cgroup.kill here")
    yield found
    (found / "cgroup.kill").write_text("1")
    until(lambda: not (found / "cgroup.procs").read_text())
    found.rmdir()


def test_a_session_with_a_control_group_of_its_own_can_be_killed_as_that_and_is_closed_then(
    pam_keeper: KeeperProcess, service: Service, scope: Path
) -> None:
    enter = service.place / "enter"
    enter.write_text(f"#!/bin/sh\n[ $PAM_TYPE != open_session ] || echo $PPID > {scope}/cgroup.procs\n")
    enter.chmod(0o755)
    service.says(f"session required pam_exec.so {enter}", service.telling("session"))
    node = pam_keeper.node(b"scope")
    found = begun(node, b"s", "setsid sleep 1000 & sleep 1000", wire.PTY)
    beside = attendant_of(pam_keeper, found["pid"])
    assert str(found["pid"]) in (scope / "cgroup.procs").read_text().split()
    until(lambda: str(beside) not in (scope / "cgroup.procs").read_text().split())
    (scope / "cgroup.kill").write_text("1")
    assert over(node, b"s", found) == b"-9"
    service.wait_for_close()
    until(lambda: beside not in attendants(pam_keeper))
    node.close()


def test_what_ends_with_a_sessions_group_is_not_its_attendant(
    machine: Machine, service: Service, tmp_path: Path
) -> None:
    service.says(service.telling("session"))
    file = tmp_path / "node.toml"
    file.write_text("kill-left-behind = true\n[users]\nann = 'ann'\n")
    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=file, machine=machine)
    try:
        if "limits sessions, but" in keeper.log():
            pytest.skip("no control groups can be made here")
        for count in range(1, 4):
            assert (
                asked(keeper, ANN, "", "-c", "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo ready") == "ready\n"
            )
            service.wait_for_close(count)
        node = keeper.node()
        found = begun(node, b"s", "sleep 1000", wire.PTY)
        attendant_of(keeper, found["pid"])
        node.ask(wire.SIGNAL, b"s", wire.SESSION, b"%d" % signal.SIGKILL)
        assert over(node, b"s", found) == b"-9"
        service.wait_for_close(4)
        until(lambda: not attendants(keeper))
        node.close()
    finally:
        keeper.end()


@pytest.mark.parametrize("hasty_keeper", [("starting.py", "START = 25.0", "START = 60.0")], indirect=True)
def test_a_session_that_began_before_an_upgrade_is_closed_after_it(
    hasty_keeper: KeeperProcess, service: Service, tmp_path: Path
) -> None:
    service.says(service.telling("session"))
    node = hasty_keeper.node()
    found = begun(node, b"s", "read line; exit 6", wire.PTY)
    beside = attendant_of(hasty_keeper, found["pid"])
    installed = tmp_path / "program" / "ending.py"
    installed.write_text(installed.read_text() + "# another version\n")
    node.channel.sendall(wire.pack(wire.UPGRADE, b"99"))
    assert node.is_closed()
    node.close()
    node = hasty_keeper.node()
    assert attendants(hasty_keeper) == {beside}
    os.write(found["terminal"], b"\n")
    assert over(node, b"s", found) == b"6"
    service.wait_for_close()
    assert asked(hasty_keeper, ANN, "id", "-un") == "ann\n"
    service.wait_for_close(2)
    node.close()


def test_a_keeper_that_is_stopped_leaves_no_session_open(
    machine: Machine, users_file: Path, service: Service, tmp_path: Path
) -> None:
    service.says(service.telling("session"))
    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=users_file, machine=machine)
    node = keeper.node()
    found = begun(node, b"s", "sleep 1000", wire.PTY)
    attendant_of(keeper, found["pid"])
    keeper.end()
    service.wait_for_close()
    until(lambda: not attendants(keeper))
    os.close(found["terminal"])
    os.close(found["record"])
    node.close()


def test_fifty_sessions_are_opened_and_closed_and_take_little(pam_keeper: KeeperProcess, service: Service) -> None:
    """It takes a second or two: a hundred programs of modules run."""
    service.says(service.telling("session"))
    node = pam_keeper.node(b"many")
    found = {b"%d" % number: begun(node, b"%d" % number, "read line") for number in range(50)}
    until(lambda: len(attendants(pam_keeper)) == 50)
    beside = attendants(pam_keeper)
    own = [_own_memory(pid) for pid in beside]
    assert max(own) < MOST_OWN_MEMORY
    for each in found.values():
        os.write(each["stdin"], b"\n")
    for session, each in found.items():
        assert over(node, session, each) == b"0"
    service.wait_for_close(50)
    # Whatever the children have loaded, the keeper has not.
    assert not re.search(r"libpam|ctypes|libffi", Path(f"/proc/{pam_keeper.pid}/maps").read_text())
    until(lambda: not attendants(pam_keeper))
    node.close()


def _own_memory(pid: int) -> int:
    """The KiB that a process shares with no other."""
    facts = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+) kB", facts, re.MULTILINE))
