"""A restore that cannot be done changes nothing, and one that is ended in between is finished."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest
from support.backups import back_up, listed, refused, restore
from support.stack import Certificates, hub_config

from omnyshell import ConfigException, OmnyShellHub
from omnyshell.services.hub.backup import backup
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_lock import LOCK_FILE
from omnyshell.services.hub.ground.swap import SWAP_FILE


async def test_a_directory_in_use_or_not_empty_is_left_alone(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "new")):
        refused(made / "backup", tmp_path, "another hub uses", replace=True)
    refused(made / "backup", tmp_path, "is not empty", config=None)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hub.key").write_bytes(b"mine")
    refused(made / "backup", tmp_path, "hub.key exists")


async def test_with_force_the_old_files_are_kept_beside(certificates: Certificates, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "state", tmp_path / "new")
    (tmp_path / "new" / "mine").write_bytes(b"mine")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hub.key").write_bytes(b"mine")
    restore(made / "backup", tmp_path / "new", tmp_path / "files", replace=True)
    (old,) = tmp_path.glob("new.before-*")
    assert (old / "mine").read_bytes() == b"mine"
    assert (old / STATE_FILE).exists()
    assert not (tmp_path / "new" / "mine").exists()
    assert [path.read_bytes() for path in (tmp_path / "files").glob("before-*/hub.key")] == [b"mine"]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (tmp_path / "new").iterdir())
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "new")) as hub:
        assert hub.audit.gaps == []


def test_where_there_is_no_room_nothing_is_begun(
    certificates: Certificates, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / LOCK_FILE).touch()
    found = os.statvfs(tmp_path)
    full = os.statvfs_result([*found[:3], 1, 1, *found[5:]])
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    refused(made / "backup", tmp_path, r"not enough room in .*new: it takes 1\.\d MiB, and 0\.0 MiB are free")
    with pytest.raises(ConfigException, match=r"not enough room in .*state"):
        back_up(certificates, made / "state", tmp_path / "backup")
    assert listed(tmp_path) == ["new", f"new/{LOCK_FILE}"]


def test_in_a_mount_point_the_old_files_are_kept_inside(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, state = os.rename, tmp_path / "new"
    shutil.copytree(made / "state", state)

    def within_a_mount(source: Path, target: Path) -> None:
        if state in (source, target) or (state in Path(source).parents) != (state in Path(target).parents):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", within_a_mount)
    (state / "mine").write_bytes(b"mine")
    for number in (1, 2):
        restore(made / "backup", state, tmp_path / "files", replace=True)
        assert len(list(state.glob("before-*"))) == number
    assert [path.read_bytes() for path in state.glob("before-*/mine")] == [b"mine"]
    assert not (state / "mine").exists()


class Killed(BaseException):
    """Nothing more is done."""


async def test_a_restore_that_was_killed_is_finished_by_the_hub_that_starts(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    rename, left, state = os.rename, [6], tmp_path / "state"
    shutil.copytree(made / "state", state)
    (state / "audit.key").write_bytes(b"an old one")
    (state / ".backup-killed").mkdir()

    def killed(source: Path, target: Path) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise Killed
        rename(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(Killed):
            restore(made / "backup", state, replace=True)
    assert (state / SWAP_FILE).exists()
    with pytest.raises(ConfigException, match="may be of two hubs"):
        back_up(certificates, state, tmp_path / "backup")
    async with OmnyShellHub(hub_config(certificates, state_dir=state)) as hub:
        assert hub.audit.gaps == []
        assert [record.action for record in hub.audit if record.action == "hub.restored"]
    assert not [path.name for path in state.iterdir() if path.name.startswith(".") or path.name == SWAP_FILE]
    (old,) = tmp_path.glob("state.before-*")
    assert (old / "audit.key").read_bytes() == b"an old one"


def test_a_backup_is_not_written_over_and_not_half_written(
    certificates: Certificates, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backup").write_bytes(b"old")
    with pytest.raises(ConfigException, match="or replace it"):
        back_up(certificates, made / "state", tmp_path / "backup")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "write_archive", fail)
    with pytest.raises(ConfigException, match="No space left"):
        back_up(certificates, made / "state", tmp_path / "backup", replace=True)
    assert (tmp_path / "backup").read_bytes() == b"old"
    assert listed(tmp_path) == ["backup"]
