"""What killed proxies have left: which sessions are ended, and which notes stay."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from omnyshell.errors import (
    NodeUnavailableException,
    OmnyShellException,
    OmnyShellTimeoutException,
    SessionRejectedException,
    TransportException,
)
from omnyshell.services.client.ssh import left_behind
from omnyshell.services.client.ssh.left_behind import end_what_was_left, noted


class _Client:
    """Ends sessions, each of which takes another look to be over."""

    def __init__(self, problem: OmnyShellException | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self._problem = problem

    async def kill_session(self, node_id: str, session_ref: str) -> str:
        if self._problem is not None:
            raise self._problem
        is_over = (node_id, session_ref) in self.asked
        self.asked.append((node_id, session_ref))
        if is_over:
            raise SessionRejectedException("there is no such session")
        return "it was ended"


def _leave(directory: Path, *said: str) -> None:
    """Do as a proxy that was killed."""
    (directory / f"open.{os.urandom(8).hex()}").write_text("\n".join(said))


async def _ended(directory: Path, node_id: str, problem: OmnyShellException | None = None) -> list[tuple[str, str]]:
    client: Any = _Client(problem)
    await end_what_was_left(client, directory, node_id)
    return list(client.asked)


async def test_what_a_killed_proxy_left_is_ended_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "LOOK_AGAIN", 0)
    _leave(tmp_path, socket.gethostname(), "db-1", "abc")
    assert await _ended(tmp_path, "DB-1") == [("db-1", "abc")] * 2
    assert not list(tmp_path.iterdir())


async def test_a_note_of_a_node_to_which_nobody_comes_is_not_kept_for_ever(tmp_path: Path) -> None:
    old = 0.0
    own = socket.gethostname()
    for host, age, more in ((own, old, ()), (own, None, ()), ("another machine", old, ()), (own, old, ("no note",))):
        _leave(tmp_path, host, "db-2", "abc", *more)
        (made,) = (each for each in tmp_path.iterdir() if not each.name.endswith(".seen"))
        path = made.rename(tmp_path / f"open.{len(list(tmp_path.iterdir()))}.seen")
        if age is not None:
            os.utime(path, (age, age))
    with noted(tmp_path, "db-3", "lives"):
        (lives,) = (each for each in tmp_path.iterdir() if not each.name.endswith(".seen"))
        os.utime(lives, (old, old))
        assert await _ended(tmp_path, "db-1") == []
        assert [path.name for path in sorted(tmp_path.glob("*.seen"))] == ["open.2.seen"]
        assert lives.exists()


async def test_nothing_else_is_ended(tmp_path: Path) -> None:
    """A proxy that lives, one of another machine or node, and what is no note."""
    _leave(tmp_path, "another machine", "db-1", "abc")
    _leave(tmp_path, socket.gethostname(), "db-2", "abc")
    _leave(tmp_path, "no note")
    os.mkfifo(tmp_path / "open.fifo")
    (tmp_path / "open.link").symlink_to("/etc/hostname")
    before = set(tmp_path.iterdir())
    with noted(tmp_path, "db-1", "lives"):
        assert len(set(tmp_path.iterdir()) - before) == 1
        assert await _ended(tmp_path, "db-1") == []
    assert set(tmp_path.iterdir()) == before


async def test_what_cannot_be_ended_now_is_ended_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "LOOK_AGAIN", 0)
    with pytest.raises(TransportException), noted(tmp_path, "db-1", "lost"):
        raise TransportException("the hub did not come back")
    for problem in (NodeUnavailableException, TransportException, OmnyShellTimeoutException):
        assert await _ended(tmp_path, "db-1", problem("not now")) == []
    assert await _ended(tmp_path, "db-1") == [("db-1", "lost")] * 2


async def test_where_nothing_can_be_written_nothing_is_noted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with noted(tmp_path / "file" / "directory", "db-1", "abc"):
        assert await _ended(tmp_path / "file" / "directory", "db-1") == []
