"""Several copies of the same to the same place at once: they take turns, and none harms what another one writes."""

import asyncio
import os
from pathlib import Path
from threading import Event

import pytest
from support.copies import HERE, copied, node_files
from support.deadline import DEADLINE
from support.stack import until

from omnyshell.services.client.files import copying, problems, remote as remote_files
from omnyshell.services.client.files.ports import BLOCK
from omnyshell.services.client.files.problems import IN_USE
from omnyshell.services.client.files.transfer import Became
from omnyshell.services.node.files.child import claims, pipes
from omnyshell.transport.backoff import BackoffTimes

LARGE = 40 * BLOCK + 17


@pytest.fixture(autouse=True)
def _without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(remote_files, "TIMES", BackoffTimes(0, 0, 0, 0, 0))


def leftovers(place: Path) -> list[Path]:
    return list(place.rglob("*.omny-part"))


@pytest.mark.parametrize("way", ["up", "down", "within"])
async def test_both_copy_all_of_it(tmp_path: Path, way: str) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    into.mkdir()
    for name, size in (("large", LARGE), ("empty", 0), *((f"small-{number}", 10) for number in range(50))):
        (source / name).write_bytes(os.urandom(size))
    async with node_files(tmp_path) as (one, _), node_files(tmp_path) as (other, _):
        sources = [HERE, HERE] if way == "up" else [one, other]
        targets = [HERE, HERE] if way == "down" else [one, other]
        done = await asyncio.gather(*(copied(sources[each], source, targets[each], into) for each in range(2)))
    for _, reports in done:
        assert [report for report in reports if report.became is not Became.COPIED] == []
    for file in source.iterdir():
        assert (into / "source" / file.name).read_bytes() == file.read_bytes(), file
    assert leftovers(tmp_path) == []


async def test_a_disk_that_takes_long_holds_nothing_else_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the link to the hub nor other files; and a copy is done when all of it is on the disk."""
    source, into = tmp_path / "source", tmp_path / "into"
    source.mkdir()
    (source / "large").write_bytes(os.urandom(copying.SYNC_FROM))
    (source / "small").write_bytes(b"small")
    into.mkdir()
    has_all, asked, sync = Event(), Event(), os.fsync

    def slow(fd: int) -> None:
        asked.set()
        assert has_all.wait(DEADLINE)
        sync(fd)

    monkeypatch.setattr(os, "fsync", slow)
    async with node_files(tmp_path) as (remote, _):
        copy = asyncio.create_task(copied(remote, source, HERE, into))
        await until(lambda: asked.is_set() and (into / "source/small").exists())
        assert not copy.done()
        assert not (into / "source/large").exists()
        has_all.set()
        await copy
    assert (into / "source/large").read_bytes() == (source / "large").read_bytes()


async def test_one_that_does_nothing_is_not_waited_for_and_harms_nothing_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a client that was killed, whose session is kept for a while; this one comes back with what it had."""
    monkeypatch.setattr(pipes, "_IDLE", 50)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(LARGE))
    goes_on = asyncio.Event()
    write = remote_files.RemotePartial.write

    async with node_files(tmp_path) as (cut_off, _), node_files(tmp_path) as (other, _):

        async def wait_in_the_middle(partial: remote_files.RemotePartial, offset: int, data: bytes) -> None:
            if partial._files is cut_off and offset > LARGE // 2:
                await goes_on.wait()
            await write(partial, offset, data)

        monkeypatch.setattr(remote_files.RemotePartial, "write", wait_in_the_middle)
        first = asyncio.create_task(copied(HERE, source, cut_off, target))
        await until(lambda: bool(leftovers(tmp_path)) and leftovers(tmp_path)[0].stat().st_size > LARGE // 3)
        content = os.urandom(LARGE)
        source.write_bytes(content)
        transfer, reports = await copied(HERE, source, other, target)
        assert ([report.became for report in reports], transfer.progress.moved) == ([Became.COPIED], LARGE)
        assert target.read_bytes() == content
        goes_on.set()
        _, reports = await first
    assert [report.became for report in reports] == [Became.COPIED]
    assert (target.read_bytes(), leftovers(tmp_path)) == (content, [])


async def test_one_that_takes_too_long_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PATIENCE", 0.05)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(LARGE))
    async with node_files(tmp_path) as (remote, _):
        entry = await HERE.stat(os.fsencode(source))
        assert entry is not None
        folder = await HERE.open(os.fsencode(tmp_path))
        origin = b":" + folder.path + b"/source"
        name = copying.partial_name(b"target", b"n1" + origin)
        held = await folder.partial(name, 0o600, is_exact=True, is_there=False)
        said: list[str] = []
        _, reports = await copied(remote, source, HERE, target, tell=said.append)
        await held.close()
        folder.close()
    assert [(report.became, str(report.error)) for report in reports] == [
        (Became.FAILED, f"{tmp_path}/target: {IN_USE}")
    ]
    assert said == [f"n1:{source}: {IN_USE}, which is waited for"]
    assert not target.exists()


def test_nodes_say_what_clients_know() -> None:
    assert problems.IN_USE == claims.IN_USE
