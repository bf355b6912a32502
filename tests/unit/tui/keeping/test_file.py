"""The file that panes are kept in: private, whole, one console's at a time."""

import os
from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.tui.keeping.file import LayoutFile, layout_file
from omnyshell.tui.keeping.form import MOST_BYTES


def test_each_hub_and_principal_has_a_file_whose_name_says_nothing():
    names = {layout_file(hub, who).name for hub in ("wss://a", "wss://b/../x") for who in ("ann", "bob")}
    assert len(names) == 4
    assert all(len(name) == len(f"{'0' * 32}.json") for name in names)


def test_what_is_written_is_private_and_read_again(tmp_path: Path):
    file = LayoutFile(tmp_path / "layouts" / "x.json")
    assert file.take()
    assert file.read() is None
    file.write(b"kept")
    assert file.read() == b"kept"
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    before = file.path.stat().st_ino
    file.write(b"kept")
    file.write(b"x" * (MOST_BYTES + 1))
    assert (file.path.stat().st_ino, file.read()) == (before, b"kept")
    file.close()


def test_one_console_has_the_file_until_it_ends(tmp_path: Path):
    first, second = LayoutFile(tmp_path / "x.json"), LayoutFile(tmp_path / "x.json")
    assert first.take()
    assert not second.take()
    second.write(b"second")
    second.forget()
    first.write(b"first")
    assert second.read() == b"first"
    first.close()
    second.write(b"second")
    assert first.read() == b"second"
    second.forget()
    assert first.read() is None
    second.close()
    second.close()


def test_files_that_are_not_to_be_trusted_are_refused(tmp_path: Path):
    file = LayoutFile(tmp_path / "x.json")
    file.path.write_bytes(b"{}")
    file.path.chmod(0o644)
    with pytest.raises(ConfigException, match="chmod 600"):
        file.read()
    file.path.unlink()
    (tmp_path / "real").write_bytes(b"{}")
    file.path.symlink_to(tmp_path / "real")
    with pytest.raises(ConfigException, match="cannot read"):
        file.read()
    file.path.unlink()
    os.mkfifo(file.path, 0o600)
    with pytest.raises(ConfigException, match="no regular file"):
        file.read()
    huge = LayoutFile(tmp_path / "huge.json")
    huge.path.write_bytes(b"x" * (2 * MOST_BYTES))
    huge.path.chmod(0o600)
    assert len(huge.read() or b"") == MOST_BYTES + 1
    file.path.with_suffix(".lock").mkdir()
    with pytest.raises(ConfigException, match="cannot use"):
        file.take()
