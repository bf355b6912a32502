"""Where paths of a client's lead, and what is opened there."""

import errno
import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.trees import beneath

from omnyshell.services.node.files.child import places, tree
from omnyshell.services.node.files.child.places import LONGEST_PATH, Anywhere
from omnyshell.services.node.files.child.tree import Facts, Tree

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def content(of: Tree, path: str | Path | bytes) -> bytes:
    file = of.open(os.fsencode(path), os.O_RDONLY, None)
    try:
        return file.read(0, 100)
    finally:
        file.close()


EVERYTHING: dict[str, Callable[[Tree, bytes], Any]] = {
    "open": lambda of, path: of.open(path, os.O_RDONLY, None),
    "write": lambda of, path: of.open(path, os.O_WRONLY | os.O_CREAT, None),
    "make": lambda of, path: of.open(path, NEW, None),
    "stat": lambda of, path: of.stat(path, follow=True),
    "lstat": lambda of, path: of.stat(path, follow=False),
    "cut": lambda of, path: of.set(path, Facts(size=0), follow=True),
    "chmod": lambda of, path: of.set(path, Facts(mode=0o777), follow=True),
    "chown": lambda of, path: of.set(path, Facts(owner=(os.getuid(), os.getgid())), follow=True),
    "utime": lambda of, path: of.set(path, Facts(times=(0, 0)), follow=True),
    "lcut": lambda of, path: of.set(path, Facts(size=0), follow=False),
    "lchmod": lambda of, path: of.set(path, Facts(mode=0o777), follow=False),
    "lutime": lambda of, path: of.set(path, Facts(times=(0, 0)), follow=False),
    "list": lambda of, path: of.listing(path),
    "mkdir": lambda of, path: of.make_directory(path, None),
    "remove": lambda of, path: of.remove(path),
    "rmdir": lambda of, path: of.remove_directory(path),
    "rename from": lambda of, path: of.rename(path, b"inside/new", over=True),
    "rename to": lambda of, path: of.rename(b"inside/file", path, over=True),
    "move from": lambda of, path: of.rename(path, b"inside/new", over=False),
    "move to": lambda of, path: of.rename(b"inside/file", path, over=False),
    "link from": lambda of, path: of.link(path, b"inside/new"),
    "link to": lambda of, path: of.link(b"inside/file", path),
    "symlink": lambda of, path: of.make_link(b"anything", path),
    "readlink": lambda of, path: of.read_link(path),
    "realpath": lambda of, path: of.real(path),
    "statvfs": lambda of, path: of.room(path),
}
"""All that can be done to a path."""

READING = {"open", "stat", "lstat", "list", "readlink", "realpath", "statvfs"}


OF_LINKS = {"lstat", "lcut", "lchmod", "lutime", "remove", "rmdir", "readlink", "link from", "link to", "symlink"}
OF_LINKS |= {f"{verb} {way}" for verb in ("rename", "move") for way in ("from", "to")}
"""What is done to a link itself."""


def refusal(do: Callable[..., Any], *args: Any) -> int | None:
    """With which error something fails; None where it does not."""
    try:
        do(*args)
    except OSError as exc:
        return exc.errno
    return None


def told(place: Path) -> list[tuple[str, bytes, int, float]]:
    """All that is below a directory, to see that nothing has changed."""
    found = []
    for path in sorted(place.rglob("*")):
        facts = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(facts.st_mode) else b""
        found.append((str(path), data, facts.st_mode, facts.st_mtime))
    return found


def test_nothing_outside_is_reached_by_any_way(root: Path) -> None:
    outside = root.parent / "outside"
    for name, said in {
        "absolute": outside,
        "relative": "../outside",
        "to-file": outside / "file",
        "to-nothing": outside / "nothing",
        "upwards": "..",
        "to-itself": f"../{root.name}/../outside/file",
        "by-the-root": "/",
        "through-proc": "/proc/self/cwd/../outside",
        "far-around": f"inside/../../outside/../../{root.parent.name}/outside",
    }.items():
        (root / name).symlink_to(said)
    before = told(root.parent)
    ways = [
        *(f"{outside}/file", f"{outside}/nothing", str(outside), "../outside/file", "inside/../../outside/file"),
        *("absolute/file", "relative/file", "absolute/nothing", "relative/", "upwards/outside/file"),
        *(
            f"by-the-root{outside}/file",
            "through-proc/file",
            "far-around/file",
            "/",
            "/..",
            "/etc/passwd",
            "/proc/self/fd/0",
        ),
        *(f"{root}/../outside/file", f"{root}x", f"/proc/self/root{outside}/file", "..", "../", "inside/../.."),
    ]
    of = beneath(root)
    os.chdir(root)
    for way in map(os.fsencode, ways):
        for name, do in EVERYTHING.items():
            assert refusal(do, of, way) in (errno.EACCES, errno.EEXIST, errno.EINVAL, errno.ENOTDIR), (name, way)
    for way in (b"to-file", b"to-nothing", b"upwards", b"to-itself"):
        for name in EVERYTHING.keys() - OF_LINKS:
            assert refusal(EVERYTHING[name], of, way) in (errno.EACCES, errno.EEXIST), (name, way)
    assert told(root.parent) == before


def test_what_is_outside_is_refused_alike_whether_it_is_there(root: Path) -> None:
    os.chdir(root)
    said = set()
    for way in (b"../outside/file", b"../outside/nothing", b"../nowhere/x/y", b"../outside/file/x", b"/proc/1/root/x"):
        with pytest.raises(PermissionError) as refused:
            beneath(root).stat(way, follow=True)
        said.add(str(refused.value))
    assert len(said) == 1


def test_links_that_stay_inside_lead_on(root: Path) -> None:
    (root / "absolute").symlink_to(root / "inside")
    (root / "relative").symlink_to("inside/../absolute")
    (root / "out-and-in").symlink_to(f"../outside/../{root.name}/inside")
    (root / "inside/back").symlink_to("../inside/file")
    of = beneath(root)
    os.chdir(root)
    for way in ("absolute/file", "relative/file", "out-and-in/file", "inside/back", f"{root}/relative/../inside/file"):
        assert content(of, way) == b"content", way
    assert of.real(b"relative/back") == os.fsencode(root / "inside/file")
    assert stat.S_ISLNK(of.stat(b"absolute", follow=False).st_mode)
    assert stat.S_ISDIR(of.stat(b"absolute/", follow=False).st_mode)
    of.open(b"inside/made", NEW, 0o600).close()
    (root / "dangling").symlink_to("inside/later")
    of.open(b"dangling", os.O_WRONLY | os.O_CREAT, None).close()
    assert (root / "inside/later").is_file()


def test_a_root_may_be_named_by_a_link_and_there_may_be_several(root: Path) -> None:
    (root.parent / "named").symlink_to(root)
    other = root.parent / "other"
    other.mkdir()
    os.chdir(other)
    of = beneath(root.parent / "named", other)
    for way in (root / "inside/file", root.parent / "named/inside/file", "../root/inside/file"):
        assert content(of, way) == b"content"
    of.rename(os.fsencode(root / "inside/file"), b"file", over=False)
    assert (other / "file").read_bytes() == b"content"
    assert of.real(b".") == os.fsencode(other)
    os.chdir("/")
    assert beneath(root, other).real(b"") == os.fsencode(root)


def test_a_root_itself_stays(root: Path) -> None:
    of = beneath(root)
    for name in ("remove", "rmdir", "rename from", "move from", "link from"):
        assert refusal(EVERYTHING[name], of, os.fsencode(root)) == errno.EACCES, name
    of.set(os.fsencode(root), Facts(mode=0o750), follow=True)
    assert stat.S_IMODE(root.stat().st_mode) == 0o750


TOUCHING = {
    "chmod", "chown", "link", "lstat", "mkdir", "open", "readlink", "rename", "rmdir", "stat", "symlink", "unlink",
    "utime",
}  # fmt: skip
"""Calls that have to do with what has a name."""


class Exchanging:
    """Stands for `os`, and has somebody exchange a directory for a link to another before its nth call."""

    def __init__(self, root: Path, turn: int, to: str = "../outside") -> None:
        self._root = root
        self._left = turn
        self._to = to

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self._turned(found) if name in TOUCHING else found

    def _turned(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def turned(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                (self._root / "inside").rename(self._root / "moved")
                (self._root / "inside").symlink_to(self._to)
            return call(*args, **kwargs)

        return turned

    @property
    def has_come(self) -> bool:
        return self._left <= 0


@pytest.mark.parametrize("name", ["open", "write", "cut", "chmod", "remove", "rename to", "list"])
def test_who_exchanges_a_directory_for_a_link_meanwhile_leads_nobody_out(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = root.parent / "outside"
    of, turn, has_come = beneath(root), 0, True
    while has_come:
        turn += 1
        with monkeypatch.context() as patch:
            somebody = Exchanging(root, turn)
            patch.setattr(places, "os", somebody)
            patch.setattr(tree, "os", somebody)
            try:
                found = EVERYTHING[name](of, os.fsencode(root / "inside/file"))
            except OSError:
                found = None
            if name == "open" and found is not None:
                assert found.read(0, 100) == b"content"
            if name == "list" and found is not None:
                found.close()
            has_come = somebody.has_come
        assert (outside / "file").read_bytes() == b"secret"
        assert [path.name for path in outside.iterdir()] == ["file"]
        assert stat.S_IMODE((outside / "file").stat().st_mode) != 0o777
        if (root / "moved").exists():
            (root / "inside").unlink()
            (root / "moved").rename(root / "inside")
        (root / "inside/file").write_bytes(b"content")
    assert turn > 3


def made_new(root: Path) -> None:
    """Have in each directory what there is to change."""
    for name in ("inside", "other", "moved"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).unlink(missing_ok=True)
    (root / "inside/directory").mkdir(parents=True)
    shutil.copytree(root / "inside", root / "other", symlinks=True)
    for place in (root / "inside", root / "other"):
        (place / "file").write_bytes(b"content")
        (place / "link").symlink_to("file")


WHERE = {"mkdir": "new", "symlink": "new", "rmdir": "directory", "make": "new", "lutime": "directory"}
"""What is changed, where that is no file."""


def test_what_changes_something_where_no_link_is_followed_changes_nothing_where_one_comes_to_lead(
    both: Tree, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in EVERYTHING.keys() - READING:
        turn, has_come = 0, True
        while has_come:
            turn += 1
            made_new(root)
            before = told(root / "other")
            with monkeypatch.context() as patch, both.straight():
                somebody = Exchanging(root, turn, "other")
                patch.setattr(places, "os", somebody)
                patch.setattr(tree, "os", somebody)
                why = refusal(EVERYTHING[name], both, os.fsencode(f"inside/{WHERE.get(name, 'file')}"))
                has_come = somebody.has_come
            assert told(root / "other") == before, (name, turn)
        # Nobody was in the way.
        assert why is None or name.endswith(" to") or name == "lcut", name
        assert turn > 2, name
        (root / "way").unlink(missing_ok=True)
        (root / "way").symlink_to("other")
        with both.straight():
            assert refusal(EVERYTHING[name], both, os.fsencode(f"way/{WHERE.get(name, 'file')}")), name
        assert told(root / "other") == before, name


@pytest.mark.parametrize("kind", ["anywhere", "beneath"])
def test_only_regular_files_are_opened_and_nothing_else_is_touched(root: Path, kind: str) -> None:
    of = Tree(Anywhere(), read_only=False) if kind == "anywhere" else beneath(root, Path("/dev"))
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as there:
        os.chdir(root)
        there.bind("socket")
        (root / "link").symlink_to("fifo")
        # A reader of the fifo would see that somebody has opened and closed it.
        reader = os.open(root / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        for name in ("fifo", "link", "socket", "/dev/null", "/dev/tty", "inside"):
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
                assert refusal(of.open, os.fsencode(name), flags, None) in (errno.EACCES, errno.EISDIR), name
        os.set_blocking(reader, False)
        assert os.read(reader, 1) == b""
        os.close(reader)
    # What becomes another thing between a look and the opening is not waited for.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "_check_file", lambda _place: None)
        for name in ("fifo", "/dev/zero", "inside"):
            assert refusal(of.open, os.fsencode(name), os.O_RDONLY, None) == errno.EACCES


def test_names_are_bytes(root: Path) -> None:
    of = beneath(root)
    os.chdir(root)
    names = [
        b"\xff\xfe",
        b"a\nb",
        b" ",
        b"-rf",
        b"~",
        b"*",
        b"\\",
        b"\x1b[31m",
        b"\x7f",
        b"...",
        b"x" * 255,
        "ä€😀".encode(),
    ]
    for name in names:
        of.open(b"inside/" + name, NEW, None).close()
        of.rename(b"inside/" + name, name, over=False)
        of.make_directory(name[:250] + b".d/", None)
        of.make_link(name, name[:250] + b".l")
        assert of.read_link(name[:250] + b".l") == name
    listing, found = of.listing(b"."), []
    while (each := listing.next()) is not None:
        found.append(each[0])
    listing.close()
    assert set(names) <= set(found)
    for wrong, code in (
        (b"x" * 256, errno.ENAMETOOLONG),
        (b"a\0b", errno.EINVAL),
        (b"d/" * 2048 + b"x", errno.ENAMETOOLONG),
    ):
        for where in (of, Tree(Anywhere(), read_only=False)):
            assert refusal(EVERYTHING["stat"], where, wrong) == code
    assert len(b"d/" * 2048) == LONGEST_PATH


def test_links_without_an_end_are_given_up(root: Path) -> None:
    (root / "self").symlink_to("self")
    (root / "there").symlink_to("back/x")
    (root / "back").symlink_to("there/x")
    os.chdir(root)
    for way in (b"self", b"self/x", b"there", b"back"):
        assert refusal(EVERYTHING["stat"], beneath(root), way) == errno.ELOOP


def test_a_node_that_takes_nothing_refuses_all_that_writes(root: Path) -> None:
    os.chdir(root)
    before = told(root)
    of = Tree(Anywhere(), read_only=True)
    for name in EVERYTHING.keys() - READING:
        with pytest.raises(PermissionError, match="gives files, and takes none"):
            EVERYTHING[name](of, b"inside/file")
    for flags in (os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_RDONLY | os.O_CREAT, os.O_RDONLY | os.O_APPEND):
        with pytest.raises(PermissionError):
            of.open(b"inside/file", flags, None)
    file = of.open(b"inside/file", os.O_RDONLY, None)
    with pytest.raises(PermissionError):
        of.set_of(file, Facts(size=0))
    file.close()
    assert told(root) == before
    assert content(of, "inside/file") == b"content"


def test_renaming_takes_no_name_that_is_taken(root: Path, both: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "other").write_bytes(b"other")
    (root / "empty").mkdir()
    (root / "dangling").symlink_to("nowhere")

    def has_no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    for can_link in (True, False):
        with monkeypatch.context() as patch:
            if not can_link:
                patch.setattr(tree.os, "link", has_no_links)
            for old, new in (
                ("inside/file", "other"),
                ("inside/file", "empty"),
                ("inside", "empty"),
                ("other", "dangling"),
            ):
                with pytest.raises(FileExistsError):
                    both.rename(old.encode(), new.encode(), over=False)
            for old, new in (("inside/file", "moved"), ("moved", "inside/file"), ("empty", "full"), ("full", "empty")):
                both.rename(old.encode(), new.encode(), over=False)
            both.rename(b"dangling", b"hanging", over=False)
            both.rename(b"hanging", b"dangling", over=False)
    assert (root / "inside/file").read_bytes() == b"content"
    both.rename(b"inside/file", b"other", over=True)
    assert (root / "other").read_bytes() == b"content"


def test_facts_are_set_of_files_directories_and_links(root: Path, both: Tree) -> None:
    (root / "link").symlink_to("inside/file")
    second = 10**9
    both.set(b"link", Facts(size=3, mode=0o600, times=(2 * second, 3 * second)), follow=True)
    facts = (root / "inside/file").stat()
    assert (facts.st_size, stat.S_IMODE(facts.st_mode), facts.st_atime, facts.st_mtime) == (3, 0o600, 2, 3)
    both.set(b"link", Facts(times=(4 * second, 5 * second)), follow=False)
    assert (root / "link").lstat().st_mtime == 5
    assert (root / "inside/file").stat().st_mtime == 3
    assert refusal(EVERYTHING["lchmod"], both, b"link") == errno.EOPNOTSUPP
    assert refusal(EVERYTHING["lcut"], both, b"link") == errno.EACCES
    assert (root / "inside/file").stat().st_size == 3
    both.set(b"inside/file", Facts(mode=0o640), follow=False)
    both.set(b"inside", Facts(mode=0o700, times=(6 * second, 7 * second)), follow=True)
    assert stat.S_IMODE((root / "inside").stat().st_mode) == 0o700
    assert (root / "inside").stat().st_mtime == 7


def test_what_is_made_has_the_permissions_that_are_said_and_no_more(root: Path, both: Tree) -> None:
    both.open(b"file", NEW, 0o6700).close()
    both.make_directory(b"directory", 0o1750)
    assert (root / "file").stat().st_mode == stat.S_IFREG | 0o700
    assert (root / "directory").stat().st_mode == stat.S_IFDIR | 0o750


def test_a_directory_is_read_as_it_is_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name = "inside"

    class Endless:
        def __iter__(self) -> "Endless":
            return self

        def __next__(self) -> Entry:
            return Entry()

        def close(self) -> None:
            pass

    monkeypatch.setattr(tree.os, "scandir", lambda _fd: Endless())
    listing = beneath(root).listing(os.fsencode(root))
    for _ in range(1000):
        found = listing.next()
        assert found is not None
        assert found[0] == b"inside"
    listing.close()
    listing.close()
    assert listing.next() is None


def test_nothing_stays_open(root: Path) -> None:
    (root / "link").symlink_to("inside")
    (root / "loop").symlink_to("loop")
    of = beneath(root)
    os.chdir(root)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for way in (
        b"inside/file",
        b"link/file",
        b"../outside/file",
        b"loop",
        b"nothing",
        b"inside",
        b"/",
        b"inside/file/x",
    ):
        for do in EVERYTHING.values():
            try:
                found = do(of, way)
            except OSError:
                continue
            if hasattr(found, "close"):
                found.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_is_not_copied_as_a_whole_is_reached_through_no_link(both: Tree, root: Path) -> None:
    (root / "other").symlink_to("inside")
    partial, elsewhere = b"inside/.new.1.omny-part", b"other/.new.1.omny-part"
    both.open(partial, NEW, 0o600).close()
    refused: dict[str, Callable[[], Any]] = {
        "made": lambda: both.open(b"other/.more.1.omny-part", NEW, 0o600),
        "gone on with": lambda: both.open(elsewhere, os.O_WRONLY, None),
        "put in place there": lambda: both.rename(elsewhere, b"other/new", over=True),
        "put in place elsewhere": lambda: both.rename(partial, b"other/new", over=True),
    }
    for what, do in refused.items():
        assert refusal(do) == errno.ELOOP, what
    both.rename(partial, b"inside/new", over=True)
    assert {path.name for path in (root / "inside").iterdir()} == {"file", "new"}
    # Other names lead where they always do.
    both.open(b"other/more", NEW, 0o600).close()
    both.rename(b"other/more", b"other/another", over=True)
    assert (root / "inside/another").exists()
