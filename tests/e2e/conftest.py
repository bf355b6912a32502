"""A hub and a node, for all tests of a module or for one alone."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stack import Certificates
from support.system import System, serving


@pytest.fixture(scope="module", name="system")
def _system(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One for all tests that leave it as it was."""
    with serving(certificates, tmp_path_factory.mktemp("system")) as system:
        yield system


@pytest.fixture(name="own_system")
def _own_system(certificates: Certificates, tmp_path: Path) -> Iterator[System]:
    """One to kill parts of."""
    with serving(certificates, tmp_path) as system:
        yield system


@pytest.fixture
def marker() -> str:
    """Seconds for a `sleep` that no other test, run or checkout on this machine starts."""
    return str(random.randrange(10**8, 10**9))
