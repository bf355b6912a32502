"""PAM's part in sessions of users, with the libpam of this machine, and services of the tests' own."""

import ctypes
import os
import re
import select
import shlex
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.keepers import KeeperProcess, RawNode, asked, read_all, read_until
from support.people import EXTRA_GROUP, NODE_USER, PEOPLE, Machine
from support.system import until

from omnyshell.keeper import wire
from omnyshell.services.node.keeper.place import PROGRAM

CALM = "auth required pam_permit.so\naccount required pam_permit.so\n"
"""What lets everybody in."""

ANN = "ann\n\n\n"
MOST_OWN_MEMORY = 6 * 1024
"""KiB that an attendant may have for itself."""

pytestmark = pytest.mark.skipif(not Path("/etc/pam.d/other").exists(), reason="PAM is not installed")


class Service:
    """The service file of a machine, and what its modules tell."""

    def __init__(self, machine: Machine, place: Path) -> None:
        self.place = place
        self.file = machine.pam / "omnyshell"
        self.heard = place / "heard"
        self._script = place / "tell"
        place.chmod(0o755)
        facts = '"$PAM_TYPE $PAM_USER $PAM_RUSER $PAM_RHOST $PAM_TTY $1"'
        self._script.write_text(f"#!/bin/sh\necho {facts} >> {self.heard}\n")
        self._script.chmod(0o755)

    def says(self, *lines: str, calm: str = CALM) -> None:
        self.heard.unlink(missing_ok=True)
        self.file.write_text(calm + "".join(f"{line}\n" for line in lines))

    def telling(self, phase: str, control: str = "required", word: str = "") -> str:
        """A line of the service that has each of its calls written down."""
        return f"{phase} {control} pam_exec.so {self._script} {word}"

    def calls(self) -> list[str]:
        return self.heard.read_text().splitlines() if self.heard.exists() else []

    def phases(self) -> list[str]:
        return [line.split()[0] for line in self.calls()]

    def wait_for_close(self, count: int = 1) -> None:
        until(lambda: self.phases().count("close_session") == count)


@pytest.fixture(scope="module")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("config") / "node.toml"
    file.write_text('[users]\nann = ["ann", "gone"]\nbea = "bea"\nslayer = "slayer"\n')
    return file


@pytest.fixture(scope="module")
def pam_keeper(machine: Machine, users_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperProcess]:
    place = tmp_path_factory.mktemp("kept") / "keeper"
    keeper = KeeperProcess(place, user=NODE_USER, users_file=users_file, machine=machine)
    yield keeper
    keeper.end()


@pytest.fixture
def service(machine: Machine, tmp_path: Path) -> Service:
    return Service(machine, tmp_path)


def begun(node: RawNode, session: bytes, line: str, kind: bytes = wire.PIPES, whose: str = ANN) -> dict[str, int]:
    """The descriptors of a shell of a user's that runs a line, and its process."""
    request = node.start_request(session, b"", b"-c", line.encode(), kind=kind, env=(), cwd=b"", whose=whose.encode())
    said = node.ask(*request)
    assert said[0] == wire.OK, said
    return node.named(said) | {"pid": int(said[1])}


def over(node: RawNode, session: bytes, found: dict[str, int]) -> bytes:
    """Wait for the end of a session, and forget it; return how it ended."""
    code = node.exit_of(session)
    node.ask(wire.FORGET, session)
    for name, fd in found.items():
        if name != "pid":
            os.close(fd)
    return code


def attendants(keeper: KeeperProcess) -> set[int]:
    """The processes that a keeper's children left beside programs."""
    found = set()
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            is_ours = place.name.isdecimal() and bytes(keeper.directory) in (place / "cmdline").read_bytes()
            if is_ours and (place / "comm").read_text() == "omnyshell-pam\n":
                found.add(int(place.name))
    return found


def attendant_of(keeper: KeeperProcess, pid: int) -> int:
    """The process that stays beside a program: it has the program's pidfd."""

    def found() -> list[int]:
        return [each for each in attendants(keeper) if pid in _pidfds(each)]

    until(lambda: len(found()) == 1)
    return found()[0]


def _pidfds(process: int) -> set[int]:
    found = set()
    for entry in Path(f"/proc/{process}/fdinfo").iterdir():
        text = entry.read_text()
        found |= {int(number) for number in re.findall(r"^Pid:\t(\d+)", text, re.MULTILINE)}
    return found


def test_modules_are_told_who_comes_and_when_they_have_gone(pam_keeper: KeeperProcess, service: Service) -> None:
    service.says(service.telling("account"), service.telling("session"))
    assert asked(pam_keeper, "ann\ndba\n\n", "", "-c", "tty; id -un", kind=wire.PTY).split()[1] == "ann"
    service.wait_for_close()
    terminal = service.calls()[0].split()[-1]
    assert terminal.startswith("/dev/pts/")
    facts = f"ann ann 0.0.0.0 {terminal} "
    assert service.calls() == [f"{phase} {facts}" for phase in ("account", "open_session", "close_session")]
    service.says(service.telling("session"))
    assert asked(pam_keeper, ANN, "id", "-un") == "ann\n"
    service.wait_for_close()
    assert service.calls()[0].split() == ["open_session", "ann", "ann", "0.0.0.0"]


def test_limits_mask_and_groups_of_modules_are_the_programs(
    pam_keeper: KeeperProcess, service: Service, machine: Machine
) -> None:
    limits = service.place / "limits.conf"
    limits.write_text("ann hard nofile 321\nann soft nofile 123\nann hard core 0\n")
    machine.groups.write_text("omnyshell;*;*;Al0000-2400;staff2\n")
    calm = "auth required pam_group.so\naccount required pam_permit.so\n"
    service.says(f"session required pam_limits.so conf={limits}", "session optional pam_umask.so umask=0027", calm=calm)
    line = "ulimit -Hn; ulimit -Sn; ulimit -Hc; umask; id -G; ls /proc/self/fd"
    words = asked(pam_keeper, "bea\n\n\n", "", "-c", line).split()
    assert words[3:] == ["0027", str(PEOPLE["bea"]), str(EXTRA_GROUP), "0", "1", "2", "3"]
    assert words[:2] != ["321", "123"]
    assert asked(pam_keeper, ANN, "", "-c", line).split()[:4] == ["321", "123", "0", "0027"]
    assert asked(pam_keeper, ANN, "id", "-ru") == f"{PEOPLE['ann']}\n"


def test_what_modules_set_goes_before_what_a_client_asks_for(pam_keeper: KeeperProcess, service: Service) -> None:
    file = service.place / "environment"
    file.write_text("KRB5CCNAME=of-pam\nPATH=/usr/bin:/bin:/of-pam\n")
    service.says(f"session required pam_env.so readenv=1 envfile={file}")
    env = (b"KRB5CCNAME=of-client", b"PATH=/of-client", b"OTHER=of-client", b"SHELL=of-client")
    said = dict(line.split("=", 1) for line in asked(pam_keeper, ANN, "/usr/bin/env", env=env).splitlines())
    assert said["KRB5CCNAME"] == "of-pam"
    assert said["PATH"] == "/usr/bin:/bin:/of-pam"
    assert said["OTHER"] == said["SHELL"] == "of-client"
    assert said["USER"] == "ann"


def test_logind_is_not_asked_to_let_go_of_a_session_by_who_is_not_in_it(
    pam_keeper: KeeperProcess, service: Service
) -> None:
    """pam_systemd asks where that variable is there; logind would refuse, and hears of the end by itself."""
    file, tell = service.place / "environment", service.place / "tell-variable"
    file.write_text("XDG_SESSION_ID=77\n")
    tell.write_text(f"#!/bin/sh\necho $PAM_TYPE $XDG_SESSION_ID >> {service.heard}\n")
    tell.chmod(0o755)
    service.says(f"session required pam_env.so readenv=1 envfile={file}", f"session required pam_exec.so {tell}")
    assert asked(pam_keeper, ANN, "", "-c", "echo $XDG_SESSION_ID") == "77\n"
    service.wait_for_close()
    assert service.calls() == ["open_session 77", "close_session"]


@pytest.mark.parametrize(
    ("lines", "whose", "why"),
    [
        ("account required pam_deny.so\n", ANN, "PAM refuses 'ann': Authentication failure"),
        ("account required pam_unix.so\n", "ann\n\ngone\n", "Your account has expired; please contact your system"),
        ("account required pam_nologin.so file={place}/nologin\n", ANN, "PAM refuses 'ann': Down until noon."),
        (
            "account required pam_permit.so\nsession required pam_deny.so\n",
            ANN,
            "PAM refuses 'ann': Cannot make/remove",
        ),
        ("account required pam_of_nobody.so\n", ANN, "PAM refuses 'ann': Module is unknown"),
    ],
)
def test_who_is_refused_is_told_why_and_nothing_is_started(
    pam_keeper: KeeperProcess, service: Service, lines: str, whose: str, why: str
) -> None:
    (service.place / "nologin").write_text("Down until\n\x1bnoon.\n")
    (service.place / "nologin").chmod(0o644)
    service.says(calm="auth required pam_permit.so\n" + lines.format(place=service.place))
    assert why in asked(pam_keeper, whose, "", "-c", f"echo ran > {service.place}/ran")
    assert not (service.place / "ran").exists()
    until(lambda: not attendants(pam_keeper))


def test_what_was_opened_before_a_module_failed_is_closed(pam_keeper: KeeperProcess, service: Service) -> None:
    service.says(service.telling("session"), "session requisite pam_deny.so", service.telling("session", word="after"))
    assert "PAM refuses 'ann'" in asked(pam_keeper, ANN, "id")
    assert service.phases() == ["open_session", "close_session"]
    assert not any("after" in line for line in service.calls())


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


def test_what_modules_say_is_shown_on_a_terminal_alone(pam_keeper: KeeperProcess, service: Service) -> None:
    text = service.place / "text"
    text.write_text("Welcome.\n")
    text.chmod(0o644)
    service.says(f"session optional pam_echo.so file={text}")
    assert asked(pam_keeper, ANN, "echo", "ready", kind=wire.PTY).split() == ["Welcome.", "ready"]
    assert asked(pam_keeper, ANN, "echo", "ready") == "ready\n"
    # More than a terminal takes that nobody reads.
    text.write_text("many words, " * 4000)
    shown = asked(pam_keeper, ANN, "echo", "ready", kind=wire.PTY)
    assert shown.startswith("many words, many")
    assert shown.endswith("ready\r\n")
    assert len(shown) < 5000


def test_modules_print_nowhere_and_read_nothing(pam_keeper: KeeperProcess, service: Service) -> None:
    """A program of a module's says what it has, and its parent, as which the module runs."""
    look, seen = service.place / "look", service.place / "seen"
    links = "for fd in /proc/$PPID/fd/* /proc/$$/fd/*; do echo $fd $(readlink $fd); done"
    script = f"#!/bin/sh\n[ $PAM_TYPE = open_session ] || exit 0\n({links}) > {seen}\ncat /dev/tty\nexit 0\n"
    look.write_text(script)
    look.chmod(0o755)
    service.says(f"session required pam_exec.so {look}")
    for kind in (wire.PTY, wire.PIPES):
        assert asked(pam_keeper, ANN, "echo", "ready", kind=kind).split() == ["ready"]
        leads = [line.split() for line in seen.read_text().splitlines()]
        modules = [
            (int(path.split("/")[4]), where) for path, where in leads if path.split("/")[2] == leads[0][0].split("/")[2]
        ]
        programs = {where for path, where in leads[len(modules) :]}
        assert [where for fd, where in modules if fd < 3] == [os.devnull] * 3
        kept = {where for fd, where in modules if fd >= 3}
        assert len(kept) == (2 if kind == wire.PTY else 4)
        assert not programs & kept


@pytest.mark.parametrize("phase", ["account", "session"])
def test_a_module_that_crashes_starts_nothing(pam_keeper: KeeperProcess, service: Service, phase: str) -> None:
    crash = service.place / "crash"
    crash.write_text("#!/bin/sh\nkill -SEGV $PPID\n")
    crash.chmod(0o755)
    service.says(f"{phase} required pam_exec.so {crash}")
    said = asked(pam_keeper, ANN, "", "-c", f"echo ran > {service.place}/ran")
    assert said == "It was killed before it became a program"
    assert not (service.place / "ran").exists()
    until(lambda: not attendants(pam_keeper))


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


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("raise ImportError('of another version')\n", 0o644, "PAM cannot be asked: of another version"),
        (None, 0o666, "PAM is not asked where others could have written: others can write"),
    ],
)
def test_a_session_is_refused_where_what_it_takes_was_replaced_since_the_keeper_started(
    machine: Machine, users_file: Path, service: Service, tmp_path: Path, text: str | None, mode: int, why: str
) -> None:
    service.says()
    module, other = Path(ctypes.__file__), tmp_path / "ctypes.py"
    other.write_text(module.read_text() if text is None else text)
    other.chmod(mode)
    hidden = module.parent / "__pycache__"
    mounts = f"mount --bind {other} {module}" + (f" && mount -t tmpfs none {hidden}" if hidden.exists() else "")

    class Replaced(Machine):
        """The machine on which another module is installed."""

        def __init__(self) -> None:
            pass

        def wrapped(self, command: list[str]) -> list[str]:
            return machine.wrapped(["sh", "-c", f"{mounts} && exec {shlex.join(command)}"])

    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=users_file, machine=Replaced())
    try:
        assert why in asked(keeper, ANN, "id", "-un")
        assert not attendants(keeper)
    finally:
        keeper.end()


def test_pam_is_asked_where_its_service_is_there_or_the_file_says_so(
    machine: Machine, service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "node.toml"
    users = "[users]\nann = 'ann'\n"
    file.write_text(users)
    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=file, machine=machine)
    denying = "account required pam_deny.so\n"
    try:
        service.says(calm=denying)
        assert "PAM refuses" in asked(keeper, ANN, "id", "-un")
        file.write_text("pam = false\n" + users)
        assert asked(keeper, ANN, "id", "-un") == "ann\n"
        file.write_text("pam = 'yes'\n" + users)
        assert "'pam' must be true or false" in asked(keeper, ANN, "id", "-un")
        file.write_text(users)
        service.file.unlink()
        assert asked(keeper, ANN, "id", "-un") == "ann\n"
        (machine.pam / "other").write_text(denying)
        file.write_text("pam = true\n" + users)
        assert "PAM refuses" in asked(keeper, ANN, "id", "-un")
    finally:
        keeper.end()
