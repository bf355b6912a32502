import os
import stat

import pytest

from omnyshell.errors import ConfigException
from omnyshell.security import files
from omnyshell.security.files import make_private_directory, read_private, write_private


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask():
    old = os.umask(0)
    yield
    os.umask(old)


def test_write_makes_private_file_and_directories(tmp_path, open_umask):
    path = tmp_path / "a" / "b" / "secret"
    write_private(path, b"content")
    assert path.read_bytes() == b"content"
    assert mode_of(path) == 0o600
    assert mode_of(tmp_path / "a") == mode_of(tmp_path / "a" / "b") == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_file_is_private_before_its_first_byte(tmp_path, open_umask, monkeypatch):
    seen = []
    real_fsync = os.fsync

    def spy(descriptor):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real_fsync(descriptor)

    def fdopen(descriptor, *args):
        status = os.fstat(descriptor)
        seen.append((stat.S_IMODE(status.st_mode), status.st_size))
        return real_fdopen(descriptor, *args)

    real_fdopen = os.fdopen
    monkeypatch.setattr(files.os, "fsync", spy)
    monkeypatch.setattr(files.os, "fdopen", fdopen)
    write_private(tmp_path / "secret", b"content")
    assert seen[:2] == [(0o600, 0), 0o600]


def test_write_narrows_the_mode_of_a_file_it_replaces(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o600)


def test_failed_write_keeps_the_old_contents_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    write_private(path, b"old")

    def broken(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", broken)
    with pytest.raises(ConfigException, match="secret: No space left"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_replaces_a_link_and_not_its_target(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    link = tmp_path / "link"
    link.symlink_to(target)
    write_private(link, b"new")
    assert target.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_write_into_a_path_that_is_a_file_names_it(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigException, match="cannot write"):
        write_private(tmp_path / "file" / "below", b"")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o610])
def test_read_refuses_a_file_open_to_others(tmp_path, mode):
    path = tmp_path / "secret"
    path.write_bytes(b"content")
    path.chmod(mode)
    with pytest.raises(ConfigException, match=f"chmod 600 {path}"):
        read_private(path)


def test_read(tmp_path):
    path = tmp_path / "secret"
    assert read_private(path) is None
    write_private(path, b"content")
    assert read_private(path) == b"content"
    path.chmod(0o400)
    assert read_private(path) == b"content"
    with pytest.raises(ConfigException, match="cannot read"):
        read_private(tmp_path)


def test_existing_directory_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    make_private_directory(tmp_path / "new")
    assert (mode_of(tmp_path), mode_of(tmp_path / "new")) == (0o755, 0o700)
