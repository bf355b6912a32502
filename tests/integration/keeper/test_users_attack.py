"""Two users of one node, and the node's own user, try to reach each other's sessions, the node's key and the keeper."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.keepers import KeeperProcess, RawNode, connected, read_all, read_until
from support.people import NODE_USER, PEOPLE, Machine

from omnyshell.keeper import wire

TRY = """
import ctypes, os, signal, socket, sys
victim, tty, place = int(sys.argv[1]), sys.argv[2], sys.argv[3]
libc = ctypes.CDLL(None, use_errno=True)
def ptrace():
    if libc.ptrace(16, victim, None, None): raise OSError(ctypes.get_errno(), "attach")
def socket_of_keeper():
    socket.socket(socket.AF_UNIX).connect(place + "/socket")
tries = {
    "signal": lambda: os.kill(victim, signal.SIGTERM),
    "group": lambda: os.killpg(victim, signal.SIGTERM),
    "ptrace": ptrace,
    "memory": lambda: open(f"/proc/{victim}/mem", "rb").read(1),
    "variables": lambda: open(f"/proc/{victim}/environ", "rb").read(),
    "descriptors": lambda: os.listdir(f"/proc/{victim}/fd"),
    "directory": lambda: os.readlink(f"/proc/{victim}/cwd"),
    "read terminal": lambda: os.open(tty, os.O_RDONLY | os.O_NOCTTY),
    "write terminal": lambda: os.open(tty, os.O_WRONLY | os.O_NOCTTY),
    "keeper's memory": lambda: open(f"/proc/{sys.argv[4]}/mem", "rb").read(1),
    "keeper's descriptors": lambda: os.listdir(f"/proc/{sys.argv[4]}/fd"),
    "signal keeper": lambda: os.kill(int(sys.argv[4]), signal.SIGKILL),
    "socket": socket_of_keeper,
    "own descriptors": lambda: [os.fstat(fd) for fd in range(3, 1024)],
    "root": lambda: os.setresuid(0, 0, 0),
    "group of root": lambda: os.setgroups([0]),
    "key": lambda: open(sys.argv[5], "rb").read(),
}
for name, attack in tries.items():
    try:
        attack()
    except OSError:
        continue
    print("reached:", name)
print("tried", len(tries))
"""


@pytest.fixture(scope="module")
def root_keeper(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperProcess]:
    place = tmp_path_factory.mktemp("attacked")
    file = place / "node.toml"
    file.write_text("[users]\nann = 'ann'\nbea = 'bea'\n'*' = '{principal}'\n")
    keeper = KeeperProcess(place / "keeper", user=NODE_USER, users_file=file, machine=machine)
    yield keeper
    keeper.end()


@contextmanager
def shell_of(keeper: KeeperProcess, user: str) -> Iterator[tuple[int, str]]:
    """A shell on a terminal: its process, and the name of its terminal."""
    node = keeper.node(f"node-of-{user}".encode())
    request = node.start_request(
        b"s", b"", b"-c", b"tty; read line", kind=wire.PTY, cwd=b"", whose=f"{user}\n\n\n".encode()
    )
    answer = node.ask(*request)
    assert answer[0] == wire.OK, answer
    found = node.named(answer)
    terminal = read_until(found["terminal"], b"\n").decode().strip()
    try:
        yield int(answer[1]), terminal
    finally:
        node.ask(wire.SIGNAL, b"s", wire.SESSION, b"9")
        node.exit_of(b"s")
        node.ask(wire.STOP_READING, b"s")
        node.ask(wire.FORGET, b"s")
        for fd in found.values():
            os.close(fd)
        node.close()


def attack(keeper: KeeperProcess, machine: Machine, attacker: str, victim: int, terminal: str) -> str:
    key = machine.homes / "service" / "key"
    key.write_text("secret")
    key.chmod(0o600)
    os.chown(key, NODE_USER, NODE_USER)
    node = keeper.node(b"node-of-attacker")
    # The interpreter of the tests may lie where only root goes.
    words = ("/usr/bin/python3", "-c", TRY, str(victim), terminal, str(keeper.directory), str(keeper.pid))
    argv = (*map(str.encode, words), b"/mnt/service/key")
    answer = node.ask(*node.start_request(b"s", *argv, env=(), cwd=b"", whose=f"{attacker}\n\n\n".encode()))
    assert answer[0] == wire.OK, answer
    found = node.named(answer)
    said = (read_all(found["stdout"]) + read_all(found["stderr"])).decode()
    node.exit_of(b"s")
    node.ask(wire.FORGET, b"s")
    for fd in found.values():
        os.close(fd)
    node.close()
    return said


def test_a_user_reaches_nothing_of_another(root_keeper: KeeperProcess, machine: Machine) -> None:
    with shell_of(root_keeper, "bea") as (victim, terminal):
        assert Path(f"/proc/{victim}").stat().st_uid == PEOPLE["bea"]
        assert attack(root_keeper, machine, "ann", victim, terminal) == "tried 17\n"
        assert Path(f"/proc/{victim}/comm").read_text() == "bash\n"


def test_a_user_reaches_their_own_so_the_attacks_are_some(root_keeper: KeeperProcess, machine: Machine) -> None:
    with shell_of(root_keeper, "ann") as (victim, terminal):
        said = attack(root_keeper, machine, "ann", victim, terminal)
        for own in ("signal", "group", "read terminal", "write terminal"):
            assert f"reached: {own}\n" in said
        assert not {"key", "socket", "root"} & {line.removeprefix("reached: ") for line in said.splitlines()}


@pytest.mark.parametrize("whose", ["root\n\n\n", "dbms\n\n\n", "service\n\n\n", "ann\nroot\nroot\n", "*\n\nroot\n"])
def test_a_node_that_is_taken_over_becomes_nobody_else(
    root_keeper: KeeperProcess, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    root_keeper.directory.chmod(0o711)
    monkeypatch.chdir(root_keeper.directory)
    os.seteuid(NODE_USER)
    try:
        node = RawNode(connected(Path()))
    finally:
        os.seteuid(0)
    assert node.ask(wire.HELLO, b"%d" % wire.VERSION, b"taken-over")[4] == wire.JUDGES
    for asked in (whose.encode(), b""):
        assert node.ask(*node.start_request(b"s", b"/usr/bin/id", whose=asked))[:2] == [wire.NO, wire.REFUSED]
    node.close()


def is_there(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] not in b"ZX"
    return False


LEAVES_ITS_GROUP = """
import os, sys
own, others = sys.argv[1:]
top = os.path.dirname(os.path.dirname(own))
for path, text in [
    *((f"{group}/cgroup.procs", str(os.getpid())) for group in (others, os.path.dirname(own), top)),
    *((f"{group}/{name}", "1") for group in (own, others) for name in ("cgroup.kill", "cgroup.freeze", "pids.max")),
]:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError:
        continue
    print("reached:", path, flush=True)
for act in (lambda: os.mkdir(f"{own}/mine"), lambda: os.setxattr(own, "user.omnyshell.session", b"1")):
    try:
        act()
    except OSError:
        continue
    print("reached an act", flush=True)
if os.fork() == 0:
    os.setsid()
    print("tried", os.getpid(), flush=True)
    os.execvp("sleep", ["sleep", "1000"])
os.wait()
"""


def test_a_program_does_not_leave_its_control_group_and_ends_with_it(root_keeper: KeeperProcess) -> None:
    with shell_of(root_keeper, "bea"):
        of_bea = root_keeper.node(b"node-of-bea-looks")
        of_bea.close()
        node = root_keeper.node(b"node-of-ann")
        line = b'read own; read others; exec python3 -c "$0" "$own" "$others"'
        words = (b"/bin/sh", b"-c", line, LEAVES_ITS_GROUP.encode())
        answer = node.ask(*node.start_request(b"s", *words, cwd=b"", whose=b"ann\n\n\n"))
        assert answer[0] == wire.OK, answer
        found = node.named(answer)
        told = node.ask(wire.GROUPS)
        if len(told) == 1:
            pytest.skip("no control groups can be made here")
        own = Path(os.fsdecode(told[2]))
        (others,) = [group for group in own.parent.glob("*/") if group.name not in (own.name, "attendants")][:1]
        os.write(found["stdin"], f"{own}\n{others}\n".encode())
        said = read_until(found["stdout"], b"tried").decode()
        assert "reached" not in said
        # The keeper may be where the program was born.
        pids = {int(pid) for pid in (own / "cgroup.procs").read_text().split()} - {root_keeper.pid}
        node.ask(wire.SIGNAL, b"s", wire.SESSION, b"9")
        assert node.exit_of(b"s") == b"-9"
        for pid in pids:
            while is_there(pid):
                select.select([], [], [], 0.01)
        node.ask(wire.FORGET, b"s")
        node.close()
