from collections.abc import Iterator

import pytest
from support.keepers import KeeperProcess
from support.people import Machine


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
