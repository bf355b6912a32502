"""Wheel and sdist as `make dist` makes them: what is in them, and that each installs and runs."""

import os
import subprocess
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.installs, pytest.mark.timeout(600)]


def call(*words: object, **env: object) -> str:
    """Run a program in the checkout, and return what it printed."""
    said = {name: str(value) for name, value in env.items()}
    done = subprocess.run(
        [*map(str, words)], cwd=ROOT, env=os.environ | said, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of both."""
    place = tmp_path_factory.mktemp("made")
    call("make", "-s", "dist", f"DIST={place}")
    return place


def test_the_same_commit_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    call("make", "-s", "dist", f"DIST={tmp_path}")
    first, second = ({file.name: file.read_bytes() for file in place.iterdir()} for place in (made, tmp_path))
    assert sorted(name.rpartition(".")[2] for name in first) == ["gz", "whl"]
    assert first == second


def test_a_wheel_holds_the_package_and_what_it_reads_and_nothing_of_the_checkout(made: Path) -> None:
    (wheel,) = made.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        described = message_from_bytes(archive.read(next(name for name in names if name.endswith("/METADATA"))))
        licence = archive.read(next(name for name in names if name.endswith("/licenses/LICENSE")))
    listed = call("git", "ls-files", "omnyshell").split()
    assert {name for name in names if ".dist-info/" not in name} == set(listed)
    assert "omnyshell/py.typed" in names
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert described["License-Expression"] == "Apache-2.0"
    assert described.get_payload().strip() == (ROOT / "README.md").read_text().strip()


def test_a_source_distribution_holds_what_builds_and_tests_it(made: Path) -> None:
    (packed,) = made.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "Makefile", "omnyshell/py.typed", "tests/conftest.py"} <= names
    assert not [name for name in names if name.startswith(("dist/", "build/", ".venv"))]


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_each_installs_and_runs(made: Path, kind: str, tmp_path: Path) -> None:
    (file,) = made.glob(kind)
    venv.create(tmp_path, with_pip=True, symlinks=True)
    call(tmp_path / "bin/python", "-m", "pip", "install", "-q", file, PIP_CONSTRAINT=ROOT / "constraints.txt")
    assert call(tmp_path / "bin/omnyshell", "--version").startswith("omnyshell ")
    assert "_omnyshell" in call(tmp_path / "bin/omnyshell", "completion", "bash")


def test_uvx_and_pipx_run_it_as_the_readme_says(made: Path, tmp_path: Path) -> None:
    (wheel,) = made.glob("*.whl")
    venv.create(tmp_path / "tools", with_pip=True, symlinks=True)
    call(tmp_path / "tools/bin/python", "-m", "pip", "install", "-q", "uv", "pipx")
    tools = tmp_path / "tools/bin"
    cache = {"UV_CACHE_DIR": tmp_path / "cache", "PIPX_HOME": tmp_path / "pipx", "PIPX_BIN_DIR": tmp_path / "bin"}
    assert call(tools / "uvx", "--from", f"{wheel}[all]", "omnyshell", "--version", **cache).startswith("omnyshell ")
    call(tools / "pipx", "install", f"{wheel}[all]", **cache)
    assert call(tmp_path / "bin/omnyshell", "--version").startswith("omnyshell ")
    assert "--headless" in call(tmp_path / "bin/omnyshell-console", "--help")
