"""What PAM's modules are told, decide, set and say in sessions of users, with the libpam of this machine."""

import ctypes
import os
import shlex
from pathlib import Path

import pytest
from support.keepers import KeeperProcess, asked
from support.pam import ANN, Service, attendants
from support.people import EXTRA_GROUP, NODE_USER, PEOPLE, Machine
from support.system import until

from omnyshell.keeper import wire

pytestmark = pytest.mark.skipif(not Path("/etc/pam.d/other").exists(), reason="PAM is not installed")


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
