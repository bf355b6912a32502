"""What small files say is read anew when it may be something else, and not before."""

import os
from pathlib import Path

import pytest

from omnyshell.keeper.files import Known, said_in
from omnyshell.keeper.users import RefusedError
from omnyshell.keeper.wire import MOST_BYTES

LONG_AGO = 1_000_000_000


class Counted:
    """A file that was written long ago, and how often it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times = 0
        self.write("first")
        self.known = Known(str(path), self.read)

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def read(self, path: str) -> str:
        self.times += 1
        return Path(path).read_text()


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Time goes on for an hour before anything is looked at."""
    later = tmp_path.stat().st_mtime_ns + 3600 * LONG_AGO
    monkeypatch.setattr("omnyshell.keeper.files.time.time_ns", lambda: later)
    return Counted(tmp_path / "file")


def test_what_stays_as_it_is_is_read_once(counted: Counted) -> None:
    assert [counted.known.now() for _ in range(3)] == ["first"] * 3
    assert counted.times == 1


def test_other_contents_another_file_and_other_rights_are_looked_at(counted: Counted) -> None:
    counted.known.now()
    counted.write("second, longer")
    assert counted.known.now() == "second, longer"
    beside = counted.path.with_name("beside")
    beside.write_text("thirds, longer")
    beside.rename(counted.path)
    assert counted.known.now() == "thirds, longer"
    counted.path.chmod(0o666)
    counted.known.now()
    assert counted.times == 4
    counted.path.unlink()
    with pytest.raises(FileNotFoundError):
        counted.known.now()
    counted.write("thirds, longer")
    assert counted.known.now() == "thirds, longer"


def test_what_was_written_only_just_may_be_written_again_unseen(tmp_path: Path) -> None:
    counted = Counted(tmp_path / "file")
    facts = counted.path.stat()
    assert counted.known.now() == "first"
    counted.write("other")
    os.utime(counted.path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert counted.known.now() == "other"


def test_what_cannot_be_read_is_tried_again(counted: Counted) -> None:
    counted.path.write_bytes(b"\xff")
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            counted.known.now()
    assert counted.times == 2


def test_a_file_of_which_only_the_beginning_would_be_read_says_nothing(tmp_path: Path) -> None:
    """What limits sessions may stand at its end."""
    file, limit = tmp_path / "node.toml", "session-processes = 9\n"
    for size in (MOST_BYTES, MOST_BYTES + 1):
        file.write_text("#" * (size - len(limit) - 1) + "\n" + limit)
        if size == MOST_BYTES:
            assert said_in(str(file), (), dict, "It") == {"session-processes": 9}
        else:
            with pytest.raises(RefusedError, match=r"It cannot be read from .*: it is longer than"):
                said_in(str(file), (), dict, "It")
