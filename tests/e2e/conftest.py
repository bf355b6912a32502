"""A hub and a node, for all tests of a module or for one alone."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import run_command
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


@pytest.fixture(scope="session")
def local_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of someone for whom `up` runs hub and node, for all tests that leave them as they were."""
    env = os.environ | {"OMNYSHELL_HOME": str(tmp_path_factory.mktemp("home")), "SHELL": "/bin/bash"}
    started = run_command("up", "--background", "--port", "0", env=env)
    assert started.returncode == 0, started.stderr
    yield env
    assert run_command("down", env=env).returncode == 0


@pytest.fixture
def local_console(local_home: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The same for a console that has not been there before: what it keeps is its own."""
    home, shared = tmp_path / "home", Path(local_home["OMNYSHELL_HOME"])
    shutil.copytree(shared / "config", home / "config")
    (home / "state").mkdir(mode=0o700)
    (home / "state" / "local").symlink_to(shared / "state" / "local")
    return local_home | {"OMNYSHELL_HOME": str(home)}


@pytest.fixture
def marker() -> str:
    """Seconds for a `sleep` that no other test, run or checkout on this machine starts."""
    return str(random.randrange(10**8, 10**9))
