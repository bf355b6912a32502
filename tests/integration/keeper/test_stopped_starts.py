"""An upgrade while children are on their way to a program, and are stopped there: their user may do that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.keeper_versions import install
from support.keepers import KeeperProcess, RawNode
from support.people import NODE_USER, Machine

from omnyshell.keeper import wire

STOPPING = (
    (
        "children.py",
        "        os.write(telling, READY)\n",
        "        b'STOPS' in program.environment and os.kill(0, signal.SIGSTOP)\n        os.write(telling, READY)\n",
    ),
    ("upgrade.py", "PATIENCE = 5.0", "PATIENCE = 0.3"),
)
WHOSE = b"ann\n\n\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    install(tmp_path / "installed", STOPPING)
    return tmp_path / "installed"


@pytest.fixture
def keeper(machine: Machine, program: Path, tmp_path: Path) -> Iterator[KeeperProcess]:
    """A keeper whose children stop that have a certain variable."""
    file = tmp_path / "node.toml"
    file.write_text("[users]\nann = 'ann'\n")
    file.chmod(0o600)
    found = KeeperProcess(tmp_path / "keeper", program, user=NODE_USER, users_file=file, machine=machine)
    yield found
    found.end()


def ask_for(node: RawNode, number: bytes, *env: bytes) -> None:
    """Ask for a program, and do not wait."""
    verb, *fields = node.start_request(b"s" + number, b"", b"-c", b"exit 7", env=env, cwd=b"", whose=WHOSE)
    node.channel.sendall(wire.pack(verb, number, *fields))


def children(keeper: KeeperProcess) -> list[str]:
    return Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()


def test_an_upgrade_waits_shortly_for_starts_and_the_next_keeper_is_asked_again(
    keeper: KeeperProcess, program: Path
) -> None:
    node = keeper.node()
    for number in (b"101", b"102"):
        ask_for(node, number, b"STOPS=1")
    assert node.ask(wire.LIST)[0] == wire.OK
    stopped = children(keeper)
    install(program, ())
    keeper.upgrade()
    number = 200
    while is_answered(node, number):
        number += 1
    node.close()
    node = keeper.node()
    assert not set(stopped) & set(children(keeper))
    told = node.ask(wire.LIST)[1:]
    for asked in (b"101", b"102", b"%d" % number):
        assert b"s" + asked not in told
        ask_for(node, asked, b"STOPS=1")
        assert node.answer(asked)[0] == wire.OK
        assert node.exit_of(b"s" + asked) == b"7"
    node.close()


def is_answered(node: RawNode, number: int) -> bool:
    """Ask for a program; tell whether the keeper answers before it closes the connection."""
    try:
        ask_for(node, b"%d" % number)
        return bool(node.answer(b"%d" % number))
    except (AssertionError, ConnectionError):
        return False
