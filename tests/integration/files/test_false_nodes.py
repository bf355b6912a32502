"""What a node that lies can do to who copies from it: nothing outside the target, and no more than some memory."""

import asyncio
import os
import struct
from pathlib import Path

import pytest
from support.copies import (
    ATTRS,
    CLOSE,
    DATA,
    END,
    FILE,
    FOLDER,
    FSTAT,
    HANDLE,
    HERE,
    LINK,
    LSTAT,
    MKDIR,
    NAME,
    OPEN,
    OPENDIR,
    READ,
    READDIR,
    READLINK,
    REALPATH,
    STAT,
    Said,
    attributes,
    copied,
    false_files,
    names,
    once,
    status,
    text,
    u32,
)  # fmt: skip
from support.deadline import DEADLINE

from omnyshell.services.client.files import pairs, remote
from omnyshell.services.client.files.ports import Entry, Kind
from omnyshell.services.client.files.problems import FileException, Trouble
from omnyshell.services.client.files.removing import remove_all
from omnyshell.services.client.files.sftp import MOST_BYTES
from omnyshell.services.client.files.transfer import MOST_DEPTH, Became

FEW = 100
EXTENDED, REPLY = 200, 201
CONTENT = DATA, text(b"evil")


def offered(*found: tuple[bytes, int]) -> dict[int, Said]:
    """A directory in which these are, each file of four bytes; directories are empty."""
    entries = names(*((name, attributes(mode, 4)) for name, mode in found))
    return {READDIR: once(entries), READ: lambda _: CONTENT}


@pytest.mark.parametrize(
    "name",
    [b"", b".", b"..", b"../evil", b"/etc/evil", b"a/b", b"a/../../evil", b"nul\0", b"x" * 256, b"../" * 80],
)
async def test_no_name_leads_out_of_the_target(tmp_path: Path, name: bytes) -> None:
    into = tmp_path / "a" / "b"
    into.mkdir(parents=True)
    async with false_files(offered((name, FILE), (name, FOLDER), (name, LINK), (b"good", FILE))) as liar:
        transfer, _ = await copied(liar, [b"/there/folder"], HERE, into)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "a",
        "a/b",
        "a/b/folder",
        "a/b/folder/good",
    ]
    assert transfer.progress.copied == 1


async def test_a_link_that_it_sends_first_is_not_followed_by_what_it_sends_next(tmp_path: Path) -> None:
    outside, into = tmp_path / "outside", tmp_path / "into"
    outside.mkdir()
    into.mkdir()
    says = offered((b"name", LINK), (b"name", FOLDER), (b"other", FILE))
    says[READLINK] = lambda _: names((os.fsencode(outside), attributes(FILE)))
    async with false_files(says) as liar:
        await copied(liar, [b"/there/folder"], HERE, into)
        # It is there now, and a directory of the name is offered.
        says[READDIR] = once(names((b"name", attributes(FOLDER))), names((b"evil", attributes(FILE, 4))))
    async with false_files(says) as liar:
        _, reports = await copied(liar, [b"/there/folder"], HERE, into)
    assert [report.error.code for report in reports if report.error is not None] == [Trouble.REFUSED]
    assert not list(outside.iterdir())


async def test_a_file_becomes_no_program_of_its_owner(tmp_path: Path) -> None:
    async with false_files(offered((b"file", FILE | 0o7777))) as liar:
        await copied(liar, [b"/there/folder"], HERE, tmp_path)
    assert (tmp_path / "folder/file").stat().st_mode & 0o7000 == 0


async def test_directories_without_end_come_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST_NAMES", FEW)
    counts = iter(range(10**9))
    many: dict[int, Said] = {
        READDIR: lambda _: names(*((b"%d" % next(counts), attributes(FILE, 0)) for _ in range(30)))
    }
    async with false_files(many) as liar:
        _, reports = await copied(liar, [b"/there/wide"], HERE, tmp_path)
    assert len(list((tmp_path / "wide").iterdir())) == FEW
    assert f"more than {FEW} files are in it" in [report.error.reason for report in reports if report.error]
    # The same name again and again is none of them.
    turns = iter(range(FEW))
    again: dict[int, Said] = {READDIR: lambda _: names((b"it", attributes(FILE, 0))) if next(turns, None) else END}
    async with false_files(again) as liar:
        transfer, _ = await copied(liar, [b"/there/same"], HERE, tmp_path)
    assert transfer.progress.copied <= 1


async def test_a_directory_in_itself_is_entered_so_often(tmp_path: Path) -> None:
    is_asked = iter(range(10**9))
    says: dict[int, Said] = {
        READDIR: lambda _: names((b"d", attributes(FOLDER))) if next(is_asked) % 2 == 0 else END,
    }
    async with false_files(says) as liar:
        _, reports = await copied(liar, [b"/there/deep"], HERE, tmp_path)
    (refused,) = [report for report in reports if report.became is Became.FAILED]
    assert str(MOST_DEPTH) in str(refused.error)


@pytest.mark.parametrize("name", [b"good", b".."])
async def test_names_without_end_are_read_by_nobody(monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    monkeypatch.setattr(remote, "MOST_NAMES", FEW)
    says: dict[int, Said] = {
        READDIR: lambda _: names(*[(name, attributes(FILE))] * 30),
        LSTAT: lambda _: (ATTRS, attributes(FOLDER)),
    }
    async with false_files(says) as liar:
        with pytest.raises(FileException) as refused:
            await remove_all(liar, b"/there", [Entry(b"wide", Kind.FOLDER)])
    assert refused.value.code == Trouble.REFUSED


async def test_ranges_of_data_lie_in_the_file_and_follow_one_another() -> None:
    def said(*places: int, at_end: bool = True) -> tuple[int, bytes]:
        return REPLY, u32(len(places) // 2) + struct.pack(f">{len(places)}Q", *places) + bytes([at_end])

    for right in (said(10, 5), said(10, 5, 15, 85), said(10, 5, at_end=False)):
        async with false_files({EXTENDED: lambda _, right=right: right}) as liar:
            assert (await liar.sftp.ranges(b"f", 10, 90))[0][0] == (10, 15)
    wrong = [
        said(at_end=False),
        *(said(10, 0), said(9, 5), said(10, 91), said(20, 5, 10, 5), said(10, 5, 14, 5), said(10, 2**64 - 1)),
        *((REPLY, u32(2**31)), (REPLY, said(10, 5)[1] + b"more"), (REPLY, b""), status(0), CONTENT),
    ]
    for each in wrong:
        async with false_files({EXTENDED: lambda _, each=each: each}) as liar:
            with pytest.raises(FileException) as refused:
                await liar.sftp.ranges(b"f", 10, 90)
            assert refused.value.code == Trouble.BROKEN, each


async def test_a_path_that_it_says_is_one() -> None:
    lies = (b"", b"relative", b"//", b"/a/", b"/a/../b", b"/a/..", b"/.", b"/nul\0", b"/" + b"x" * 256, b"/x" * 2049)
    for lie in lies:
        async with false_files({REALPATH: lambda _, said=lie: names((said, attributes(FILE)))}) as liar:
            for asked in (liar.whole_path(b"file"), liar.open(b"folder")):
                with pytest.raises(FileException) as refused:
                    await asked
                assert refused.value.code == Trouble.BROKEN, lie
    for whole in (b"/", b"/a", b"/a/b\xff"):
        async with false_files({REALPATH: lambda _, said=whole: names((said, attributes(FILE)))}) as liar:
            assert await liar.whole_path(b"file") == whole


SIZES = {
    "less than it said": ({READ: once(CONTENT)}, 100),
    "less than it goes on to say": ({READ: once(CONTENT), FSTAT: lambda _: (ATTRS, attributes(FILE, 100))}, 100),
    "less, and nothing of it": ({READ: once(CONTENT), FSTAT: lambda _: (ATTRS, b"\xff" * 8)}, 100),
    "more than was asked": ({READ: lambda _: (DATA, text(bytes(5000)))}, 100),
    "nothing": ({READ: lambda _: (DATA, text(b""))}, 100),
    "what no system has": ({}, 2**63),
    "a handle without end": ({OPEN: lambda _: (HANDLE, text(bytes(300)))}, 100),
    "a status in place of a handle": ({OPEN: lambda _: status(0)}, 100),
    "names in place of data": ({READ: lambda _: names()}, 100),
    "an answer cut off": ({READ: lambda _: (DATA, u32(100) + b"x")}, 100),
    "an answer without end": ({READ: lambda _: u32(MOST_BYTES + 1)}, 100),
    "an answer to nothing": ({READ: lambda _: text(bytes([DATA]) + u32(4_000_000) + text(b"x"))}, 100),
    "a status that is none": ({READ: lambda _: (101, b"")}, 100),
    "attributes that are none": ({STAT: once((ATTRS, attributes(FOLDER)), after=(ATTRS, b"\xff" * 8))}, 100),
    "a count without names": ({READDIR: lambda _: (NAME, u32(2**32 - 1))}, 100),
    "two paths for one": ({REALPATH: lambda _: names((b"a", attributes(0)), (b"b", attributes(0)))}, 100),
}


@pytest.mark.parametrize("lie", SIZES)
async def test_what_it_says_falsely_fails_that_file(tmp_path: Path, lie: str) -> None:
    says, size = SIZES[lie]
    entry = (b"file", u32(5) + struct.pack(">QI", size, FILE))
    usual: dict[int, Said] = {READDIR: once(names(entry))}
    try:
        async with asyncio.timeout(DEADLINE), false_files(usual | says) as liar:
            transfer, reports = await copied(liar, [b"/there/folder"], HERE, tmp_path)
            assert (transfer.progress.copied, len(reports)) == (0, 1)
    except FileException:
        # It ended the whole copy.
        pass
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("leads_to", [b"", b"nul\0in it", b"x" * 5000])
async def test_a_link_that_no_system_has_is_left_out(tmp_path: Path, leads_to: bytes) -> None:
    says = offered((b"link", LINK)) | {READLINK: lambda _: names((leads_to, attributes(0)))}
    async with false_files(says) as liar:
        _, reports = await copied(liar, [b"/there/folder"], HERE, tmp_path)
    assert [report.became for report in reports] == [Became.FAILED]


async def test_a_server_that_refuses_all_of_it_is_heard(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    says: dict[int, Said] = {OPEN: lambda _: status(3, b"no\x1b[31m"), LSTAT: lambda _: status(2), MKDIR: lambda _: END}
    async with false_files(says | {OPENDIR: lambda _: status(3), CLOSE: lambda _: status(4)}) as liar:
        _, reports = await copied(HERE, tmp_path / "file", liar, Path("/there"))
    (report,) = reports
    assert (str(report.error), report.error and report.error.code) == (
        "liar:/there/file: no\N{REPLACEMENT CHARACTER}[31m",
        Trouble.DENIED,
    )
