"""Open files, whose beginning is hashed, and partial copies, each of which is one copy's."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from omnyshell.services.node.files.child.claims import IN_USE
from omnyshell.services.node.files.child.open_file import MOST_READ, OpenFile
from omnyshell.services.node.files.child.places import Anywhere
from omnyshell.services.node.files.child.tree import Facts, Tree

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def test_the_hash_is_of_the_beginning(root: Path, both: Tree) -> None:
    data = os.urandom(600_000)
    (root / "large").write_bytes(data)
    file = both.open(b"large", os.O_RDONLY, None)
    for length in (0, 1, 1 << 18, (1 << 18) + 1, len(data), len(data) + 1, (1 << 64) - 1):
        meant = data[:length] if length else data
        assert file.prefix_hash(length, file) == (len(meant), sha256(meant).digest())
    file.close()


def test_what_went_by_is_hashed_and_not_read_again(root: Path, both: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(2 * MOST_READ + 100)
    (root / "large").write_bytes(data)
    read = both.open(b"large", os.O_RDONLY, None)
    written = both.open(b".large.omny-part", os.O_WRONLY | os.O_CREAT | os.O_EXCL, None)
    for offset in range(0, len(data), MOST_READ):
        written.write(offset, read.read(offset, MOST_READ))
    written.set(Facts(size=len(data), mode=0o640, times=(1, 2)))
    with monkeypatch.context() as patched:
        patched.setattr(os, "preadv", None)
        for file in (read, written):
            assert file.prefix_hash(len(data), file) == (len(data), sha256(data).digest())
    read.close()
    written.close()


def test_what_is_written_meanwhile_is_in_the_hash(root: Path, both: Tree) -> None:
    data = os.urandom(2 * MOST_READ)
    changes: list[tuple[str, Callable[[OpenFile], object]]] = [
        ("written over", lambda file: file.write(5, b"other")),
        ("written over from the beginning", lambda file: file.write(0, data[::-1])),
        ("a gap, and bytes behind it", lambda file: file.write(3 * MOST_READ, b"behind")),
        ("cut", lambda file: file.set(Facts(size=10))),
        ("grown", lambda file: file.set(Facts(size=5 * MOST_READ))),
        ("by somebody else", lambda _: os.truncate(root / ".large.omny-part", 1000)),
    ]
    for what, change in changes:
        file = both.open(b".large.omny-part", os.O_RDWR | os.O_CREAT, None)
        for offset in (0, MOST_READ):
            file.write(offset, data[offset : offset + MOST_READ])
        change(file)
        there = (root / ".large.omny-part").read_bytes()
        assert file.prefix_hash(0, file) == (len(there), sha256(there).digest()), what
        assert file.prefix_hash(700, file) == (min(700, len(there)), sha256(there[:700]).digest()), what
        file.close()
        (root / ".large.omny-part").unlink()


PART = b".file.omny-part"


def test_a_partial_copy_is_one_copys_at_a_time(root: Path, both: Tree) -> None:
    other, left = Tree(Anywhere(), read_only=False), os.fsencode(root) + b"/" + PART
    first = both.open(PART, NEW, None)
    first.write(0, b"first")
    for refused in (
        lambda: other.open(left, os.O_WRONLY, None),
        lambda: other.rename(left, os.fsencode(root / "file"), over=True),
    ):
        with pytest.raises(OSError, match=IN_USE):
            refused()
    both.leave_partials()
    first.write(5, b", again")
    both.leave_partials()
    second = other.open(left, os.O_WRONLY, None)
    second.write(0, b"FIRST")
    second.close()
    # What it wrote before has become another one's.
    for refused in (
        lambda: first.write(12, b"!"),
        lambda: first.set(Facts(size=0)),
        lambda: both.rename(PART, b"file", over=True),
    ):
        with pytest.raises(OSError, match=IN_USE):
            refused()
    first.close()
    assert (root / os.fsdecode(PART)).read_bytes() == b"FIRST, again"
    both.rename(PART, b"file", over=True)


def test_what_has_been_put_in_place_is_no_partial_copy(root: Path, both: Tree) -> None:
    first = both.open(PART, NEW, None)
    both.leave_partials()
    (root / os.fsdecode(PART)).rename(root / "whole")
    with pytest.raises(OSError, match=IN_USE):
        first.write(0, b"late")
    first.close()
    assert (root / "whole").read_bytes() == b""


def test_a_link_that_is_called_like_a_partial_copy_is_renamed(root: Path, both: Tree) -> None:
    both.make_link(b"nowhere", PART)
    both.rename(PART, b"link", over=True)
    assert (root / "link").readlink() == Path("nowhere")
