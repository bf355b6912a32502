"""Copies between this machine and a node: what arrives, what is left, and how a copy that was cut goes on."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from support.copies import HERE, PRESERVING, End, copied, node_files
from support.small_disks import fill, small_disk

from omnyshell.errors import ConfigException
from omnyshell.services.client.files import local, remote as remote_files
from omnyshell.services.client.files.chosen import Choice
from omnyshell.services.client.files.copying import SUFFIX, FileCopy, Manner, Update
from omnyshell.services.client.files.flow import Flow
from omnyshell.services.client.files.ports import BLOCK, MOST_IN_FLIGHT, Entry, Files, Kind
from omnyshell.services.client.files.problems import FileException, LinkLostException, Trouble
from omnyshell.services.client.files.sftp import Answer, Sftp
from omnyshell.services.client.files.spots import landing, wanted
from omnyshell.services.client.files.transfer import Became, Transfer
from omnyshell.transport.backoff import BackoffTimes


@pytest.fixture(autouse=True)
def _without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "TIMES", BackoffTimes(0, 0, 0, 0, 0))


LARGE = 40 * BLOCK + 17


def tree(place: Path) -> Path:
    """Make a directory with all that is copied, and more."""
    inner = place / "inner" / "deep"
    inner.mkdir(parents=True)
    for name, size in ((b"empty", 0), (b"small", 5), (b"bad\xff\n", 3), (b"two", BLOCK + 1), (b"-rf", 4)):
        Path(os.fsdecode(os.fsencode(inner) + b"/" + name)).write_bytes(os.urandom(size))
    (inner / "script").write_bytes(b"#!/bin/sh\n")
    (inner / "script").chmod(0o555)
    (place / "link").symlink_to("inner/deep/small")
    (place / "dangling").symlink_to("/nowhere")
    closed = place / "closed"
    closed.mkdir()
    (closed / "file").write_bytes(b"in it")
    closed.chmod(0o555)
    with (place / "holes").open("wb") as file:
        file.truncate(8 * BLOCK)
        file.seek(4 * BLOCK)
        file.write(b"an island")
    return place


def seen(place: Path) -> dict[str, tuple[int, bytes | str]]:
    """What is in a directory: mode and content of each thing, by its path."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(place.rglob("*")):
        mode = path.lstat().st_mode
        content: bytes | str = (
            str(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        )
        found[os.fsencode(path.relative_to(place)).decode("latin-1")] = mode, content
    return found


def leftovers(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if os.fsencode(path).endswith(SUFFIX)]


def ends(way: str, remote: Files) -> tuple[Files, Files]:
    return {"up": (HERE, remote), "down": (remote, HERE), "within": (remote, remote)}[way]


@pytest.mark.parametrize("way", ["up", "down", "within"])
async def test_a_directory_arrives_as_it_is(tmp_path: Path, way: str) -> None:
    source, into = tree(tmp_path / "source"), tmp_path / "into"
    into.mkdir()
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        transfer, reports = await copied(first, source, second, into)
        assert seen(into / "source") == seen(source)
        assert {report.became for report in reports} == {Became.COPIED}
        assert (transfer.progress.copied, transfer.progress.failed) == (len(reports), 0)
        assert (into / "source/holes").stat().st_blocks * 512 < 3 * BLOCK
        # Under another name, and with contents alone.
        await copied(first, source, second, tmp_path / "other")
        assert seen(tmp_path / "other") == seen(source)
        (tmp_path / "third").mkdir()
        await copied(first, [os.fsencode(source) + b"/."], second, tmp_path / "third")
        assert seen(tmp_path / "third") == seen(source)
    assert not leftovers(tmp_path)


async def test_holes_of_a_nodes_file_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into, size = tmp_path / "into", 200 * BLOCK + 17
    into.mkdir()
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(size)
        for place in (*range(0, 8 * BLOCK, 8 * 8192), 100 * BLOCK - 1, 100 * BLOCK, size - 1):
            file.seek(place)
            file.write(b"!")
    asked: list[int] = []
    begin = Sftp.begin_read
    monkeypatch.setattr(Sftp, "begin_read", lambda *what: (asked.append(what[2] // BLOCK), begin(*what))[1])
    async with node_files(tmp_path) as (remote, _):
        await copied(remote, tmp_path / "holes", HERE, into)
    assert (into / "holes").read_bytes() == (tmp_path / "holes").read_bytes()
    if (tmp_path / "holes").stat().st_blocks * 512 < size // 2:
        assert {0, 99, 100, 200} <= set(asked) <= {*range(8), 99, 100, 200}
        assert (into / "holes").stat().st_blocks * 512 < size // 2


@pytest.mark.parametrize("what", ["removed", "renamed", "another"])
async def test_a_nodes_file_whose_name_goes_meanwhile_is_copied_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As a log is that grows too large."""
    source, content = tmp_path / "log", os.urandom(LARGE)
    source.write_bytes(content)
    begin, asked = Sftp.begin_read, 0

    def and_then(*args: Any) -> Answer:
        nonlocal asked
        asked += 1
        if asked == 5 and what == "removed":
            source.unlink()
        elif asked == 5:
            source.rename(tmp_path / "log.1")
            if what == "another":
                source.write_bytes(b"begun anew")
        return begin(*args)

    monkeypatch.setattr(Sftp, "begin_read", and_then)
    async with node_files(tmp_path) as (remote, _):
        _, reports = await copied(remote, source, HERE, tmp_path / "copy")
    assert [report.error for report in reports] == [None]
    assert (tmp_path / "copy").read_bytes() == content
    assert not leftovers(tmp_path)


async def test_who_hashes_a_large_file_lets_others_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub would give up a client that says nothing while it reads what an earlier copy has left."""
    monkeypatch.setattr(local, "A_TURN", BLOCK)
    content = os.urandom(8 * BLOCK)
    (tmp_path / "file").write_bytes(content)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    folder = await local.LocalFiles(in_threads=False).open(os.fsencode(tmp_path))
    source = await folder.source(Entry(b"file", Kind.FILE))
    before = turns
    assert await source.digest(len(content)) == hashlib.sha256(content).digest()
    assert turns - before >= 7
    counting.cancel()
    await source.close()
    folder.close()


@pytest.mark.parametrize("way", ["up", "down"])
async def test_times_are_kept_where_that_is_wanted(tmp_path: Path, way: str) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    (source / "folder").mkdir(parents=True)
    (source / "folder/file").write_bytes(b"old")
    for path in (source / "folder/file", source / "folder", source):
        path.chmod(0o750)
        os.utime(path, (1_000_000_000, 1_100_000_000))
    into.mkdir()
    async with node_files(tmp_path) as (remote, _):
        await copied(*ends(way, remote)[:1], source, ends(way, remote)[1], into, manner=PRESERVING)
    for path in (into / "source", into / "source/folder", into / "source/folder/file"):
        assert (path.stat().st_mtime, path.stat().st_mode & 0o777) == (1_100_000_000, 0o750)


@pytest.mark.parametrize("way", ["up", "down"])
async def test_no_file_is_too_old_or_too_new_to_be_copied(tmp_path: Path, way: str) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    for name, written in (("before 1970", -1_000), ("after 2106", 2**32 + 1_000)):
        (source / name).write_bytes(b"content")
        os.utime(source / name, (written, written))
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        transfer, _ = await copied(first, source, second, into, manner=PRESERVING)
        assert transfer.progress.copied == 2
        # The nearest that there is, and with that they are up to date.
        assert [int((into / name).stat().st_mtime) for name in ("before 1970", "after 2106")] == [0, 2**32 - 1]
        again, _ = await copied(first, [source / "before 1970"], second, into, manner=Manner(update=Update.CHANGED))
        assert again.progress.up_to_date == 1


@pytest.mark.parametrize("way", ["up", "down"])
async def test_what_is_there_is_replaced_as_a_whole_or_left(tmp_path: Path, way: str) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    into.mkdir()
    for name in ("file", "link", "folder", "pipe"):
        (source / name).write_bytes(b"new")
    (into / "file").write_bytes(b"old and longer")
    (into / "file").chmod(0o600)
    (tmp_path / "elsewhere").write_bytes(b"kept")
    (into / "link").symlink_to(tmp_path / "elsewhere")
    (into / "folder").mkdir()
    os.mkfifo(into / "pipe")
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        _, reports = await copied(first, [source / name for name in ("file", "link", "folder", "pipe")], second, into)
    codes = {report.path.rpartition(b"/")[2]: report.error.code for report in reports if report.error is not None}
    assert codes == {b"folder": Trouble.EXISTS, b"pipe": Trouble.REFUSED}
    assert ((into / "file").read_bytes(), (into / "file").stat().st_mode & 0o777) == (b"new", 0o600)
    assert (not (into / "link").is_symlink(), (tmp_path / "elsewhere").read_bytes()) == (True, b"kept")
    assert (into / "folder").is_dir()
    assert (into / "pipe").is_fifo()
    assert not leftovers(into)


@pytest.mark.parametrize("way", ["up", "down"])
async def test_no_link_at_the_target_leads_a_copy_elsewhere(tmp_path: Path, way: str) -> None:
    source, into, outside = tmp_path / "source", tmp_path / "into", tmp_path / "outside"
    (source / "folder").mkdir(parents=True)
    (source / "folder/file").write_bytes(b"new")
    outside.mkdir()
    (into / "source").mkdir(parents=True)
    (into / "source/folder").symlink_to(outside)
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        _, reports = await copied(first, source, second, into)
    assert [(report.error.where, report.error.reason) for report in reports if report.error] == [
        (f"{second.title}:{into}/source/folder".removeprefix(":"), "a link of that name is there: it is left as it is")
    ]
    assert not list(outside.iterdir())


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_copy_that_was_cut_goes_on_with_what_is_there(tmp_path: Path, way: str) -> None:
    """Also one whose link is cut again and again: each byte goes over about once."""
    content = os.urandom(LARGE)
    (tmp_path / "source").write_bytes(content)
    (tmp_path / "into").mkdir()
    async with node_files(tmp_path) as (remote, node):
        first, second = ends(way, remote)

        def cut_soon(link: End) -> None:
            if len(node.links) <= 3:
                link.stop_after = LARGE // 4

        node.prepare = cut_soon
        cut_soon(node.links[0])
        transfer, reports = await copied(first, tmp_path / "source", second, tmp_path / "into")
        assert [report.became for report in reports] == [Became.COPIED]
        assert (tmp_path / "into/source").read_bytes() == content
        assert transfer.progress.bytes_there == LARGE
        assert (len(node.links), leftovers(tmp_path)) == (4, [])


async def test_the_same_copy_again_sends_little_twice(tmp_path: Path) -> None:
    content = os.urandom(LARGE)
    (tmp_path / "source").write_bytes(content)
    async with node_files(tmp_path) as (remote, node):
        remote.writes = Flow(4 * BLOCK)
        node.links[-1].stop_after = LARGE // 2
        node.prepare = lambda link: setattr(link, "stop_after", 100)
        with pytest.raises(LinkLostException, match="ends them again"):
            await copied(HERE, tmp_path / "source", remote, tmp_path / "target")
    (left,) = leftovers(tmp_path)
    had = left.stat().st_size
    assert content.startswith(left.read_bytes())
    assert LARGE // 2 - 6 * BLOCK < had < LARGE
    async with node_files(tmp_path) as (remote, _):
        transfer, _ = await copied(HERE, tmp_path / "source", remote, tmp_path / "target")
    assert transfer.progress.moved == LARGE - had
    assert ((tmp_path / "target").read_bytes() == content, leftovers(tmp_path)) == (True, [])


async def interrupted(patch: pytest.MonkeyPatch, first: Files, source: Path, second: Files, into: Path) -> None:
    """Copy, and fail after the first blocks."""
    tell = FileCopy._tell

    def fail(copy: FileCopy, total: int, *, is_moved: bool = False) -> None:
        tell(copy, total, is_moved=is_moved)
        if total > 2 * BLOCK:
            raise FileException("it is interrupted")

    with patch.context() as patched:
        patched.setattr(FileCopy, "_tell", fail)
        _, reports = await copied(first, source, second, into)
    assert [report.became for report in reports] == [Became.FAILED]


@pytest.mark.parametrize("way", ["up", "down", "within"])
@pytest.mark.parametrize("lies", ["of another beginning", "longer", "with a wrong end"])
async def test_what_is_no_beginning_of_it_is_not_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str, lies: str
) -> None:
    content = os.urandom(LARGE)
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(content)
    into.mkdir()
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        await interrupted(monkeypatch, first, source, second, into)
        (left,) = leftovers(tmp_path)
        beginning = {
            "of another beginning": os.urandom(LARGE // 2),
            "longer": content + b"more",
            "with a wrong end": content[: LARGE - BLOCK] + bytes(BLOCK),
        }[lies]
        left.write_bytes(beginning)
        transfer, _ = await copied(first, source, second, into)
    assert (into / "source").read_bytes() == content
    moved = {"of another beginning": LARGE, "longer": 0, "with a wrong end": MOST_IN_FLIGHT + BLOCK}[lies]
    assert transfer.progress.moved <= moved
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("way", ["up", "down", "within"])
async def test_what_is_written_to_while_it_is_copied_is_copied_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """In place, and where it has been read already."""
    source, into, tell = tmp_path / "source", tmp_path / "into", FileCopy._tell
    source.write_bytes(bytes([1]) * LARGE)
    into.mkdir()

    def change(copy: FileCopy, total: int, *, is_moved: bool = False) -> None:
        tell(copy, total, is_moved=is_moved)
        if total == LARGE and source.read_bytes()[0] == 1:
            with source.open("r+b") as file:
                file.write(b"changed")

    monkeypatch.setattr(FileCopy, "_tell", change)
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        _, reports = await copied(first, source, second, into)
    assert [report.became for report in reports] == [Became.COPIED]
    assert (into / "source").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("way", ["up", "down"])
async def test_what_is_up_to_date_is_left(tmp_path: Path, way: str) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    into.mkdir()
    for name in ("same", "shorter", "older", "other"):
        (source / name).write_bytes(b"content")
        (into / name).write_bytes(b"content")
    (into / "shorter").write_bytes(b"con")
    (into / "other").write_bytes(b"CONTENT")
    os.utime(into / "older", (1, 1))
    copies = {Update.ALL: 4, Update.CHANGED: 2, Update.DIFFERENT: 1}
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        for update in (Update.CHANGED, Update.DIFFERENT, Update.ALL):
            paths: list[Path | bytes] = [source / name for name in ("same", "shorter", "older", "other")]
            transfer, _ = await copied(first, paths, second, into, manner=Manner(update=update))
            assert transfer.progress.copied == copies[update], update
    assert (into / "other").read_bytes() == b"content"


async def test_what_was_chosen_is_copied(tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    async with node_files(tmp_path) as (remote, _):
        choice = Choice(["*s*", "inner/deep/two"], ["closed/", "link"])
        await copied(HERE, source, remote, tmp_path / "into", choice=choice)
    files = {str(path.relative_to(tmp_path / "into")) for path in (tmp_path / "into").rglob("*") if path.is_file()}
    assert files == {"holes", "inner/deep/small", "inner/deep/script", "inner/deep/two"}


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs /proc")
@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_file_of_which_no_size_is_said_is_not_copied_as_nothing(tmp_path: Path, way: str) -> None:
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        _, reports = await copied(first, Path("/proc/version"), second, tmp_path / "version")
    assert [report.error and report.error.code for report in reports] == [Trouble.REFUSED]
    assert not (tmp_path / "version").exists()


@pytest.mark.skipif(not Path("/sys/class/net/lo/mtu").exists(), reason="needs /sys")
@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_file_of_which_a_wrong_size_is_said_has_not_become_shorter(tmp_path: Path, way: str) -> None:
    """Neither where it is copied, nor where it is compared with what is there."""
    source, there = Path("/sys/class/net/lo/mtu"), tmp_path / "mtu"
    async with node_files(tmp_path) as (remote, _):
        first, second = ends(way, remote)
        for manner in (Manner(), Manner(update=Update.DIFFERENT)):
            _, reports = await copied(first, source, second, there, manner=manner)
            assert [report.error and report.error.code for report in reports] == [Trouble.REFUSED]
            assert "its system says a wrong size of it: `cat` reads it" in str(reports[0].error)
            assert [path.stat().st_size for path in tmp_path.glob("*mtu*")] == [source.stat().st_size] * there.exists()
            there.write_bytes(bytes(source.stat().st_size))


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_name_that_is_refused_is_said_with_that_which_stays(tmp_path: Path, way: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    async with node_files(tmp_path) as (remote, _):
        files = ends(way, remote)[0]
        for present, code in (((), Trouble.NOT_FOUND), ((old, new), Trouble.EXISTS)):
            for path in present:
                path.touch()
            with pytest.raises(FileException) as refused:
                await files.rename(bytes(old), bytes(new))
            assert refused.value.code == code
            assert refused.value.where.endswith(f"{old} as {new}")


async def test_a_full_disk_ends_a_copy_which_goes_on_when_there_is_room(tmp_path: Path) -> None:
    content = os.urandom(8 * BLOCK)
    (tmp_path / "source").write_bytes(content)
    with small_disk(tmp_path / "disk", 3000) as disk:
        target, blocker = disk / "target", disk / "blocker"
        target.write_bytes(b"old")
        blocker.write_bytes(bytes(2 * BLOCK))
        async with node_files(tmp_path) as (remote, _):
            for first, second in (ends("up", remote), ends("down", remote)):
                fill_but(disk, 4 * BLOCK)
                with pytest.raises(FileException, match="no room is left") as caught:
                    await copied(first, tmp_path / "source", second, target)
                assert str(caught.value) == f"{second.title}:{target}: no room is left".removeprefix(":")
                assert (caught.value.code, target.read_bytes()) == (Trouble.NO_ROOM, b"old")
                (left,) = leftovers(disk)
                assert content.startswith(left.read_bytes())
                (disk / "filler").unlink()
                transfer, _ = await copied(first, tmp_path / "source", second, target)
                assert (target.read_bytes(), leftovers(disk)) == (content, [])
                # What was under way to a node may have been written behind what was missing.
                assert transfer.progress.moved < len(content) + (first is HERE)
                target.write_bytes(b"old")


def fill_but(disk: Path, size: int) -> None:
    """Fill a disk, but for so many bytes."""
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - size)


async def test_what_is_cancelled_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(os.urandom(LARGE))
    async with node_files(tmp_path) as (remote, node):
        transfer, copying = None, None
        found = await wanted(HERE, os.fsencode(tmp_path / "source"))
        into, named = await landing(remote, os.fsencode(tmp_path / "target"), found)
        transfer = Transfer(named, remote, into)
        copying = asyncio.create_task(transfer.run())
        while transfer.progress.bytes_there < LARGE // 4:
            await asyncio.sleep(0)
        transfer.cancel()
        await copying
        assert transfer.is_cancelled
        assert len(leftovers(tmp_path)) == 1
        again, _ = await copied(HERE, tmp_path / "source", remote, tmp_path / "target")
        assert again.progress.moved < LARGE
        assert node.links[0].sftp.has_ended is False
    assert not leftovers(tmp_path)


async def test_a_directory_is_not_copied_into_itself_nor_two_files_into_one(tmp_path: Path) -> None:
    (tmp_path / "folder/inner").mkdir(parents=True)
    for name in ("folder/a", "folder/inner/a"):
        (tmp_path / name).touch()
    async with node_files(tmp_path) as (remote, _):
        with pytest.raises(ConfigException, match="copied into itself"):
            await copied(remote, tmp_path / "folder", remote, tmp_path / "folder/inner")
        both: list[Path | bytes] = [tmp_path / "folder/a", tmp_path / "folder/inner/a"]
        with pytest.raises(ConfigException, match="would become one file"):
            await copied(HERE, both, remote, tmp_path)
        found = await wanted(remote, os.fsencode(tmp_path / "f*" / "[ab]"))
        assert [each.path for each in found] == [os.fsencode(tmp_path / "folder/a")]
        with pytest.raises(ConfigException, match="nothing matches n1:"):
            await wanted(remote, os.fsencode(tmp_path / "f*" / "[xy]"))


async def test_a_pane_lists_renames_makes_and_removes(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"b")
    async with node_files(tmp_path) as (remote, _):
        for files in (remote, HERE):
            place = os.fsencode(tmp_path / "pane")
            await files.make_folder(place)
            assert [part async for part in files.entries(place)] == []
            await files.rename(os.fsencode(tmp_path / "b"), place + b"/a")
            (names,) = [[entry.name for entry in part] async for part in files.entries(place)]
            assert names == [b"a"]
            (tmp_path / "b").write_bytes(b"b")
            with pytest.raises(FileException) as taken:
                await files.rename(os.fsencode(tmp_path / "b"), place + b"/a")
            assert taken.value.code == Trouble.EXISTS
            with pytest.raises(FileException):
                await files.remove(place)
            await files.remove(place + b"/a")
            await files.remove(place)
            assert await files.stat(place) is None
