"""What commands leave that were killed, and whether there is room for what they are about to write."""

import os
from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.hub.backup.free_space import SPARE, check_room
from omnyshell.services.hub.ground.unfinished import remove_unfinished, under_way


def test_what_nobody_holds_is_removed_and_what_somebody_holds_is_not(tmp_path: Path) -> None:
    held, dead, file, link = (tmp_path / name for name in (".backup-1", ".backup-2", ".backup-3", ".backup-4"))
    for directory in (held, dead):
        directory.mkdir()
        (directory / "hub.sqlite3").write_bytes(b"secret")
    file.write_bytes(b"secret")
    (tmp_path / "mine").mkdir()
    link.symlink_to(tmp_path / "mine")
    with under_way(held):
        remove_unfinished(tmp_path.glob(".backup-*"))
        assert sorted(path.name for path in tmp_path.iterdir()) == [".backup-1", ".backup-4", "mine"]
        assert (held / "hub.sqlite3").exists()
    assert not held.exists()
    assert (tmp_path / "mine").is_dir()


def test_what_was_renamed_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"whole")
    with under_way(tmp_path / "part"):
        (tmp_path / "part").rename(tmp_path / "backup")
    assert (tmp_path / "backup").read_bytes() == b"whole"


def test_room_is_summed_up_by_file_system_also_for_what_is_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = os.statvfs(tmp_path)
    free = found.f_bavail * found.f_frsize
    monkeypatch.setattr(os, "statvfs", lambda _path: found)
    check_room([(tmp_path, free // 2 - SPARE), (tmp_path / "a" / "b", free // 2 - SPARE)])
    with pytest.raises(
        ConfigException, match=r"not enough room in .*: it takes [0-9.,]+ MiB, and [0-9.,]+ MiB are free"
    ):
        check_room([(tmp_path, free // 2 - SPARE), (tmp_path / "a" / "b", free // 2 - SPARE + 2)])
    assert not (tmp_path / "a").exists()
