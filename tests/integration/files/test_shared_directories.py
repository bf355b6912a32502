"""What another user can do to copies and deletions in a directory where both may write, such as /tmp."""

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from support.copies import HERE, copied, node_files

from omnyshell.services.client.files.copying import SUFFIX, FileCopy
from omnyshell.services.client.files.local import LocalFolder
from omnyshell.services.client.files.ports import BLOCK, Entry, Files, Folder, Kind
from omnyshell.services.client.files.problems import FileException, Trouble
from omnyshell.services.client.files.removing import remove_all
from omnyshell.services.client.files.transfer import Became
from omnyshell.services.node.files.child import adapter, tree

LARGE = 8 * BLOCK + 1
WAYS = ["up", "down", "within"]


def ends(way: str, remote: Files) -> tuple[Files, Files]:
    return {"up": (HERE, remote), "down": (remote, HERE), "within": (remote, remote)}[way]


async def partial_of(patch: pytest.MonkeyPatch, first: Files, source: Path, second: Files, into: Path) -> Path:
    """Copy, and fail after the first blocks; return what is left."""
    tell = FileCopy._tell

    def fail(copy: FileCopy, total: int, *, is_moved: bool = False) -> None:
        tell(copy, total, is_moved=is_moved)
        if total > 2 * BLOCK:
            raise FileException("it is interrupted")

    with patch.context() as patched:
        patched.setattr(FileCopy, "_tell", fail)
        await copied(first, source, second, into)
    (left,) = [path for path in into.iterdir() if os.fsencode(path).endswith(SUFFIX)]
    return left


def test_a_node_knows_partial_files_by_the_name_that_clients_give_them() -> None:
    assert tree.PARTIAL == SUFFIX


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_written_into_a_partial_file_of_somebody_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(os.urandom(LARGE))
    into.mkdir()
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        left = await partial_of(monkeypatch, first, source, second, into)
        # Another file, as what was sent to the first one may still be under way.
        left.unlink()
        left.write_bytes(b"")
        with left.open("rb") as theirs, monkeypatch.context() as patched:
            patched.setattr(os, "geteuid", lambda: os.getuid() + 1)
            await copied(first, source, second, into)
            assert theirs.read() == b""
    assert (into / "source").read_bytes() == source.read_bytes()
    assert [path.name for path in into.iterdir()] == ["source"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_partial_file_that_others_could_read_allows_no_more_than_the_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(os.urandom(LARGE))
    source.chmod(0o600)
    into.mkdir()
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        before = os.umask(0)
        try:
            left = await partial_of(monkeypatch, first, source, second, into)
            assert left.stat().st_mode & 0o777 == 0o600
            left.unlink()
            left.write_bytes(b"")
            left.chmod(0o666)
            assert await partial_of(monkeypatch, first, source, second, into) == left
            assert left.stat().st_mode & 0o777 == 0o600
        finally:
            os.umask(before)


@pytest.mark.parametrize("way", ["up", "within"])
async def test_no_link_leads_a_partial_file_elsewhere_between_a_look_and_its_opening(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    source, into, other = tmp_path / "source", tmp_path / "into", tmp_path / "other"
    source.write_bytes(os.urandom(LARGE))
    other.write_bytes(b"kept")
    into.mkdir()
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        left = await partial_of(monkeypatch, first, source, second, into)
        for make in (left.symlink_to, left.hardlink_to):
            left.unlink()
            make(other)
            folder = await second.open(os.fsencode(into))
            with pytest.raises(FileException):
                await folder.partial(os.fsencode(left.name), 0o644, is_exact=False, is_there=True)
            folder.close()
            assert other.read_bytes() == b"kept"


def chosen(*paths: Path) -> Sequence[Entry]:
    return [Entry(os.fsencode(path.name), Kind.FOLDER if path.is_dir() else Kind.FILE) for path in paths]


@pytest.mark.parametrize("side", ["here", "node"])
async def test_what_was_exchanged_for_a_link_is_removed_as_a_link(tmp_path: Path, side: str) -> None:
    outside, place = tmp_path / "outside", tmp_path / "place"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder/file").write_bytes(b"kept")
    (place / "folder/inner").mkdir(parents=True)
    (place / "folder/inner/link").symlink_to(outside)
    (place / "exchanged").mkdir()
    (place / "file").write_bytes(b"")
    selected = chosen(place / "folder", place / "exchanged")
    (place / "exchanged").rmdir()
    (place / "exchanged").symlink_to(outside / "folder")
    async with node_files(tmp_path) as (remote, _):
        files = HERE if side == "here" else remote
        assert await remove_all(files, os.fsencode(place), selected) == 4
        assert [path.name for path in place.iterdir()] == ["file"]
        # What somebody saw as a file is no directory by the time that it is removed.
        selected = chosen(place / "file")
        (place / "file").unlink()
        (place / "file").mkdir()
        with pytest.raises(FileException) as refused:
            await remove_all(files, os.fsencode(place), selected)
        assert refused.value.code == Trouble.CHANGED
    assert (outside / "folder/file").read_bytes() == b"kept"


async def test_who_exchanges_a_directory_for_a_link_meanwhile_has_nothing_removed_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside, place = tmp_path / "outside", tmp_path / "place"
    outside.mkdir()
    (outside / "file").write_bytes(b"kept")
    (place / "folder").mkdir(parents=True)
    (place / "folder/file").write_bytes(b"")
    opened = LocalFolder.folder

    async def exchanged(folder: LocalFolder, name: bytes) -> Folder:
        found = await opened(folder, name)
        (place / "folder").rename(place / "moved")
        (place / "folder").symlink_to(outside)
        return found

    monkeypatch.setattr(LocalFolder, "folder", exchanged)
    with pytest.raises(FileException):
        await remove_all(HERE, os.fsencode(place), chosen(place / "folder"))
    assert (outside / "file").read_bytes() == b"kept"
    assert not list((place / "moved").iterdir())


CHANGES: dict[str, Callable[[Folder], Awaitable[object]]] = {
    "make a directory": lambda folder: folder.make_folder(b"new", 0o755),
    "make a file": lambda folder: folder.partial(b".new.1.omny-part", 0o644, is_exact=False, is_there=False),
    "make a link": lambda folder: folder.make_link(b"new", b"anything"),
    "rename": lambda folder: folder.replace(b"file", b"new"),
    "remove": lambda folder: folder.remove(b"file"),
    "remove a directory": lambda folder: folder.remove_folder(b"inner"),
    "set attributes": lambda folder: folder.set_attributes(b"inner", OTHERWISE, keep_times=True),
}
OTHERWISE = Entry(b"", Kind.FOLDER, mode=0o700, accessed=1, modified=1)


async def test_nothing_is_changed_where_a_link_has_come_to_lead(tmp_path: Path) -> None:
    """In a directory of the node's for which somebody has put a link since it was opened."""
    outside, place = tmp_path / "outside", tmp_path / "place"
    (outside / "inner").mkdir(parents=True)
    (outside / "file").write_bytes(b"kept")
    (outside / "inner").chmod(0o755)

    def found() -> list[tuple[str, int, float]]:
        return sorted((each.name, each.lstat().st_mode, each.lstat().st_mtime) for each in outside.iterdir())

    before = found()
    async with node_files(tmp_path) as (remote, _):
        for name, change in CHANGES.items():
            place.mkdir()
            folder = await remote.open(os.fsencode(place))
            place.rmdir()
            place.symlink_to(outside)
            with pytest.raises(FileException, match="a link stands in the way"):
                await change(folder)
            assert found() == before, name
            place.unlink()
        place.symlink_to(outside)
        for change in (
            remote.make_folder(os.fsencode(place / "new")),
            remote.rename(os.fsencode(place / "file"), os.fsencode(place / "new")),
            remote.remove(os.fsencode(place / "file")),
        ):
            with pytest.raises(FileException, match="a link stands in the way"):
                await change
        assert found() == before


async def test_an_older_node_changes_things_as_it_always_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    older = [each for each in adapter._EXTENSIONS if each[0] != adapter.WITHOUT_LINKS]
    monkeypatch.setattr(adapter._Handler, "_extensions", older)
    monkeypatch.delitem(adapter._Handler._packet_handlers, adapter.WITHOUT_LINKS)
    async with node_files(tmp_path) as (remote, _):
        folder = await remote.open(os.fsencode(tmp_path / "place"))
        await folder.make_folder(b"new", 0o755)
        await folder.make_link(b"link", b"new")
        await folder.set_attributes(b"new", OTHERWISE, keep_times=True)
        await folder.replace(b"new", b"newer")
        await folder.remove_folder(b"newer")
        await folder.remove(b"link")
    assert not list((tmp_path / "place").iterdir())


async def test_a_copy_of_what_is_somebody_elses_and_stays_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(os.urandom(LARGE))
    into.mkdir()
    left = await partial_of(monkeypatch, HERE, source, HERE, into)

    async def refuse(_folder: LocalFolder, _name: bytes) -> None:
        raise FileException("Operation not permitted", code=Trouble.DENIED)

    monkeypatch.setattr(LocalFolder, "remove", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    before = left.read_bytes()
    _, reports = await copied(HERE, source, HERE, into)
    assert [report.became for report in reports] == [Became.FAILED]
    assert left.read_bytes() == before
