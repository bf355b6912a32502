from collections.abc import Iterator
from pathlib import Path

import pytest
from support.keepers import KeeperProcess
from support.pam import Service
from support.people import NODE_USER, Machine


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperProcess]:
    """A keeper that the tests of a file share; each speaks for a node of its own."""
    found = KeeperProcess(tmp_path_factory.mktemp("keeper") / "keeper")
    yield found
    found.end()


@pytest.fixture
def own_keeper(tmp_path) -> Iterator[KeeperProcess]:
    """A keeper that a test may end."""
    found = KeeperProcess(tmp_path / "keeper")
    yield found
    found.end()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with users, for what can be others."""
    return Machine(tmp_path_factory.mktemp("machine") / "etc")


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
    """PAM's, on that machine."""
    return Service(machine, tmp_path)
