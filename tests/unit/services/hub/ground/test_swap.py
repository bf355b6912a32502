"""Files of two directories that are exchanged: old or new, whichever system call fails, and whenever it is killed."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.hub.ground.swap import SWAP_FILE, Place, place_for_old, settle, swapping

CALLS = ("rename", "replace", "mkdir", "rmdir", "unlink", "open", "fsync", "scandir", "stat")
OLD = {"state": {"both": b"old", "gone": b"old", "log": b"old"}, "config": {"key": b"old", "other": b"mine"}}
NEW = {"state": {"both": b"new", "made": b"new"}, "config": {"key": b"new", "more": b"new", "other": b"mine"}}


class Killed(BaseException):
    """Nothing more is done."""


@pytest.fixture
def places(tmp_path: Path) -> tuple[Place, ...]:
    return old_files(tmp_path)


def old_files(root: Path) -> tuple[Place, ...]:
    """Make two directories with old files."""
    for name, files in OLD.items():
        (root / name).mkdir(parents=True)
        for each, data in files.items():
            (root / name / each).write_bytes(data)
    return place_in(root, "state", ("both", "gone", "log")), place_in(root, "config", ("key",))


def place_in(root: Path, name: str, old: tuple[str, ...]) -> Place:
    new = tuple(each for each in NEW[name] if each != "other")
    return Place(str(root / name), str(root / name / ".new"), str(root / f"{name}.before"), old, new)


def swap(places: tuple[Place, ...]) -> None:
    with swapping(places):
        for place in places:
            for name in place.new:
                Path(place.staging, name).write_bytes(b"new")


def found(root: Path) -> dict[str, dict[str, bytes]]:
    return {name: {path.name: path.read_bytes() for path in sorted((root / name).iterdir())} for name in OLD}


def assert_whole(root: Path) -> None:
    """Check that all is old, or all new, and that nothing else is left."""
    assert found(root) in (OLD, NEW)
    is_new = found(root) == NEW
    kept = {path.name: path.read_bytes() for path in root.glob("*.before/*")}
    assert kept == ({"both": b"old", "gone": b"old", "log": b"old", "key": b"old"} if is_new else {})
    assert not list(root.glob("*/.new"))


@contextmanager
def failing(fails: Callable[[int], BaseException | None]) -> Iterator[list[int]]:
    """Have system calls fail by their number; yields it. `AssertionError` where none was made."""
    count = [0]

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            count[0] += 1
            if (error := fails(count[0])) is not None:
                raise error
            return call(*args, **named)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        yield count


def broken() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO), "somewhere")


KINDS: dict[str, Callable[[int, int], BaseException | None]] = {
    "one call fails": lambda at, number: broken() if number == at else None,
    "all calls fail from then on": lambda at, number: broken() if number >= at else None,
    "two calls fail": lambda at, number: broken() if number in (at, at + 4) else None,
    "killed": lambda at, number: Killed() if number >= at else None,
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_call_fails_the_old_or_the_new_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    outcomes, at, is_over = set(), 0, False
    while not is_over:
        at += 1
        root = tmp_path / str(at)
        made = old_files(root)
        with failing(partial(KINDS[kind], at)) as count, suppress(OSError, ConfigException, Killed):
            swap(made)
        is_over = count[0] < at
        if kind == "one call fails" and not (root / "state" / SWAP_FILE).exists():
            # What can be undone is, at once.
            assert_whole(root)
        settle(root / "state")
        assert_whole(root)
        outcomes.add(found(root) == NEW)
    assert at > 20
    assert outcomes == {True, False}


def test_it_goes_on_however_often_it_is_killed(
    tmp_path: Path, places: tuple[Place, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    with failing(partial(KINDS["killed"], 60)), pytest.raises(Killed):
        swap(places)
    for at in range(1, 100):
        with failing(partial(KINDS["killed"], at)) as count, suppress(Killed):
            settle(tmp_path / "state")
            break
    assert count[0] < at < 99
    assert found(tmp_path) == NEW
    assert_whole(tmp_path)


def killed_once_made(root: Path) -> Callable[[int], BaseException | None]:
    """Return what kills at the end of the first place."""
    return lambda _number: Killed() if root / "state" / "made" in (root / "state").iterdir() else None


def test_it_goes_on_where_the_directory_is_mounted_elsewhere_by_now(tmp_path: Path, places: tuple[Place, ...]) -> None:
    (state, _) = places
    with failing(killed_once_made(tmp_path)), pytest.raises(Killed):
        swap((state,))
    (tmp_path / "elsewhere").mkdir()
    for path in tmp_path.glob("state*"):
        path.rename(tmp_path / "elsewhere" / path.name.replace("state", "hub"))
    settle(tmp_path / "elsewhere" / "hub")
    at = tmp_path / "elsewhere"
    assert {path.name: path.read_bytes() for path in (at / "hub").iterdir()} == NEW["state"]
    assert {path.name: path.read_bytes() for path in (at / "hub.before").iterdir()} == OLD["state"]


def test_what_cannot_be_finished_is_told_until_it_can(tmp_path: Path, places: tuple[Place, ...]) -> None:
    with failing(killed_once_made(tmp_path)), pytest.raises(Killed):
        swap(places)
    (tmp_path / "config").rename(tmp_path / "unmounted")
    for is_there in (False, True):
        # Gone, or there and empty: a mount point with nothing on it.
        if is_there:
            (tmp_path / "config").mkdir()
        with pytest.raises(ConfigException, match=r"cannot finish .* began in .*state: .*config.*: No such file"):
            settle(tmp_path / "state")
    (tmp_path / "config").rmdir()
    (tmp_path / "unmounted").rename(tmp_path / "config")
    settle(tmp_path / "state")
    assert found(tmp_path) == NEW
    assert_whole(tmp_path)
    (tmp_path / "state" / SWAP_FILE).write_bytes(b"{")
    with pytest.raises(ConfigException, match="is damaged"):
        settle(tmp_path / "state")


def test_old_files_go_beside_a_directory_or_into_it_where_it_is_a_mount_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    assert place_for_old(state, tmp_path / "state.old", state / "old") == tmp_path / "state.old"

    def cross(_source: object, _target: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", cross)
    assert place_for_old(state, tmp_path / "state.older", state / "older") == state / "older"
    assert [path.name for path in state.iterdir()] == ["older"]
