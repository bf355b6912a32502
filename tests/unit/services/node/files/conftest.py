"""Trees of files for what a node serves of them."""

import os
from pathlib import Path

import pytest
from support.trees import beneath

from omnyshell.services.node.files.child.places import Anywhere
from omnyshell.services.node.files.child.tree import Tree


@pytest.fixture(name="root")
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file in a directory, and beside it what is secret; tests leave where they go."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"secret")
    (tmp_path / "root/inside").mkdir(parents=True)
    (tmp_path / "root/inside/file").write_bytes(b"content")
    return tmp_path / "root"


@pytest.fixture(params=["anywhere", "beneath"], name="both")
def _both(request: pytest.FixtureRequest, root: Path) -> Tree:
    os.chdir(root)
    return Tree(Anywhere(), read_only=False) if request.param == "anywhere" else beneath(root)
