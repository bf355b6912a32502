"""What becoming another user gives, and what it takes away; on a machine with users of the test's own."""

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.keepers import KeeperProcess, asked
from support.people import EXTRA_GROUP, HOMES, NODE_USER, PEOPLE, SYSTEM, Machine

from omnyshell.keeper import wire
from omnyshell.keeper.becoming import login_umask
from omnyshell.services.node.keeper.place import REFUSED

TABLE = """
hub = "wss://hub.example:8443"

[users]
ann = ["ann", "bea", "homeless"]
gone = "gone"
"role:dba" = "dbms"
"*" = "{principal}"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "node.toml"
    path.write_text(TABLE)
    return path


@pytest.fixture(scope="module")
def root_keeper(machine: Machine, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperProcess]:
    keeper = KeeperProcess(tmp_path_factory.mktemp("kept") / "keeper", user=NODE_USER, users_file=file, machine=machine)
    yield keeper
    keeper.end()


@pytest.mark.parametrize(
    ("whose", "user"),
    [
        ("ann\n\n\n", "ann"),
        ("ann\n\nbea\n", "bea"),
        ("ann\n\n\nhomeless,bea", "bea"),
        ("carl\nops,dba\n\n", "dbms"),
        ("bea\n\n\n", "bea"),
    ],
)
def test_a_program_is_theirs_who_its_asker_becomes(root_keeper: KeeperProcess, whose: str, user: str) -> None:
    uid = (PEOPLE | SYSTEM)[user]
    line = (
        "id -u; id -g; id -G; grep -E '^(Uid|Gid|Cap(Inh|Prm|Eff|Amb))' /proc/self/status; umask; pwd; ls /proc/self/fd"
    )
    facts = "grep -E '^(Uid|Gid|Cap(Inh|Prm|Eff|Amb))' /proc/self/status"
    line = f"id -u; id -g; id -G; {facts}; umask; pwd; ls /proc/self/fd"
    words = asked(root_keeper, whose, "", "-c", line).split()
    groups = [str(uid), str(EXTRA_GROUP)] if user == "ann" else [str(uid)]
    assert words[: 2 + len(groups)] == [str(uid), str(uid), *groups]
    rest = words[2 + len(groups) :]
    assert rest[:10] == ["Uid:", *[str(uid)] * 4, "Gid:", *[str(uid)] * 4]
    assert rest[10:18] == [word for name in ("Inh", "Prm", "Eff", "Amb") for word in (f"Cap{name}:", "0" * 16)]
    assert int(rest[18], 8) == login_umask()
    assert rest[19] == f"{HOMES}/{user}"
    assert rest[20:] == ["0", "1", "2", "3"]


def test_its_environment_is_a_logins_and_what_was_asked_for(root_keeper: KeeperProcess) -> None:
    said = dict(line.split("=", 1) for line in asked(root_keeper, "ann\n\n\n", "env").splitlines())
    assert said.keys() == {"USER", "LOGNAME", "HOME", "SHELL", "PATH"}
    assert (said["USER"], said["LOGNAME"], said["SHELL"]) == ("ann", "ann", "/bin/bash")
    assert said["HOME"] == f"{HOMES}/ann"
    assert "/usr/bin" in said["PATH"].split(":")


def test_its_terminal_and_pipes_can_be_opened_by_them_and_written_by_no_other(root_keeper: KeeperProcess) -> None:
    line = "stat -c '%U %G %a' $(tty); echo to it > $(tty); echo ttyname $(tty)"
    shown = asked(root_keeper, "ann\n\n\n", "", "-c", line, kind=wire.PTY)
    assert shown.splitlines()[:2] == ["ann tty 620", "to it"]
    line = "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin < /dev/null"
    assert asked(root_keeper, "ann\n\n\n", "", "-c", line) == "out\nerr\n"


def test_directories_are_entered_as_that_user(root_keeper: KeeperProcess, machine: Machine) -> None:
    (machine.homes / "ann" / "below").mkdir(exist_ok=True)
    os.chown(machine.homes / "ann" / "below", PEOPLE["ann"], -1)
    assert asked(root_keeper, "ann\n\n\n", "pwd", cwd=b"~/below") == f"{HOMES}/ann/below\n"
    assert asked(root_keeper, "ann\n\nbea\n", "pwd", cwd=os.fsencode(f"{HOMES}/ann")) == "Permission denied"
    said = asked(root_keeper, "ann\n\nhomeless\n", "pwd")
    assert said.startswith("/\n")
    assert "No such file or directory; starting in /" in said


@pytest.mark.parametrize(
    ("whose", "why"),
    [
        ("ann\n\nroot\n", "'ann' may not become 'root' here, but: ann, bea, homeless"),
        ("root\n\n\n", "'root' is none to become by '*' or '{principal}'"),
        ("dbms\n\n\n", "'dbms' is none to become by"),
        ("service\n\n\n", "'service' is none to become by"),
        ("nobody\n\n\n", "'nobody' is none to become by"),
        ("carl\n\n\n", "There is no user 'carl' on this machine"),
        ("ROOT\n\n\n", "names no user for 'ROOT'"),
        ("gone\n\n\n", "The account 'gone' has expired"),
        ("ann\n\nbea\nann", "The hub's grants let 'ann' not become 'bea' here"),
        ("node:db\n\n\n", "names no user for 'node:db'"),
    ],
)
def test_who_may_not_is_told_why(root_keeper: KeeperProcess, whose: str, why: str) -> None:
    assert why in asked(root_keeper, whose, "", "-c", "id -u")


def test_a_child_that_waits_becomes_the_next_program_and_what_it_cannot_another_does(
    machine: Machine, file: Path, tmp_path: Path
) -> None:
    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=file, machine=machine)
    pid = keeper.process.pid

    def waiting() -> int:
        """The child that waits, as soon as there is one."""
        node = keeper.node(b"looks")
        while not (found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            node.ask(wire.LIST)
        node.close()
        return int(found[0])

    try:
        # Nobody knows yet that there will be others.
        assert not Path(f"/proc/{pid}/task/{pid}/children").read_text()
        assert asked(keeper, "ann\n\n\n", "", "-c", "id -un") == "ann\n"
        for kind in (wire.PIPES, wire.PTY):
            child = waiting()
            assert asked(keeper, "bea\n\n\n", "", "-c", "echo $$; id -un", kind=kind).split() == [str(child), "bea"]
        # Of whom it was told ahead it becomes no other.
        for user, is_same in (("bea", True), ("ann", False)):
            child, node = waiting(), keeper.node(b"tells")
            node.channel.sendall(wire.pack(wire.SOON, wire.UNANSWERED, b"bea\n\n\n"))
            node.close()
            found, *users = asked(keeper, f"{user}\n\n\n", "", "-c", "echo $$; id -un").split()
            assert (users, found == str(child)) == ([user], is_same)
        # More than a socket takes, and a child that was killed.
        child = waiting()
        long = tuple(b"LONG%d=" % number + b"x" * 100_000 for number in range(3))
        found, size = asked(keeper, "ann\n\n\n", "", "-c", "echo $$ ${#LONG2}", env=long).split()
        assert (found != str(child), size) == (True, "100000")
        child = os.pidfd_open(waiting())
        signal.pidfd_send_signal(child, signal.SIGKILL)
        assert ends(child)
        assert asked(keeper, "ann\n\n\n", "", "-c", "id -un") == "ann\n"
        child = os.pidfd_open(waiting())
    finally:
        keeper.end()
    assert ends(child)


def ends(pidfd: int) -> bool:
    """Wait for the end of a process, and close its pidfd."""
    try:
        return bool(select.select([pidfd], [], [], DEADLINE)[0])
    finally:
        os.close(pidfd)


def test_whoever_does_not_say_for_whom_is_refused(root_keeper: KeeperProcess) -> None:
    assert asked(root_keeper, "", "/usr/bin/id", cwd=b"/").startswith("This keeper has to be told for whom")


def test_the_file_is_read_anew_and_has_to_be_roots(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("[users]\nann = 'ann'\n")
    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=file, machine=machine)
    try:
        assert asked(keeper, "ann\n\n\n", "id", "-un") == "ann\n"
        file.write_text("[users]\nann = 'bea'\n")
        assert asked(keeper, "ann\n\n\n", "id", "-un") == "bea\n"
        file.write_text("[users\n")
        assert asked(keeper, "ann\n\n\n", "id", "-un").startswith("Who becomes whom cannot be read from")
        file.write_text("[users]\nann = 'root'\n")
        for spoil in (lambda: file.chmod(0o666), lambda: os.chown(file, PEOPLE["ann"], -1)):
            spoil()
            assert asked(keeper, "ann\n\n\n", "id", "-un").startswith("Who becomes whom could have been written")
            os.chown(file, 0, 0)
            file.chmod(0o644)
        assert asked(keeper, "ann\n\n\n", "id", "-un") == "root\n"
        file.write_text("id = 'db-1'\n")
        assert asked(keeper, "ann\n\n\n", "id", "-un").startswith("Nobody becomes a user here: write [users] into")
        file.write_text("run-as-node-user = true\n")
        assert asked(keeper, "ann\n\n\n", "id", "-un") == "service\n"
        assert "All programs of this node are service's" in asked(keeper, "ann\n\nann\n", "id", "-un")
    finally:
        keeper.end()


def test_a_keeper_does_not_start_with_a_file_that_others_wrote(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("[users]\nann = 'root'\n")
    os.chown(file, PEOPLE["ann"], -1)
    keeper = KeeperProcess(tmp_path / "keeper", user=NODE_USER, users_file=file, machine=machine)
    assert keeper.process.wait() == REFUSED
    assert "could have been written by others" in keeper.log()
    keeper.end()
