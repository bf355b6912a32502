"""That one process runs a node is a lock: what else stands in its file is for people."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnyshell.cli.node import start
from omnyshell.errors import ConfigException
from omnyshell.services.local import pid_file
from omnyshell.services.local.pid_file import PidFile


class Config:
    """What a claim asks of a node's."""

    node_id = "n1"

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Locks are let go as they are at the end of a process."""
    opened: list[int] = []
    open_own = pid_file.open_own

    def opens(path: Path, flags: int) -> int:
        opened.append(open_own(path, flags))
        return opened[-1]

    monkeypatch.setattr(pid_file, "open_own", opens)
    yield Config(tmp_path)
    os.close(opened[0])


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_keeps_no_node_from_its_sessions_and_is_no_other_process(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", no_room)
        start._claim(config)  # type: ignore[arg-type]
    assert PidFile(config.state_dir / "n1.pid").is_held()
    with pytest.raises(ConfigException, match=r"process \? runs the node n1 already"):
        start._claim(config)  # type: ignore[arg-type]
    monkeypatch.setattr(pid_file, "open_own", no_room)
    with pytest.raises(ConfigException, match=r"cannot write .*n1\.pid: No space left on device"):
        start._claim(config)  # type: ignore[arg-type]
