"""Another log is begun, and followed, on disks that are full at any moment: nothing is half done, and it can be done
again."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from support.commands import run_text
from support.deadline import DEADLINE
from support.engine import Engine
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in
from support.several_hubs import Hubs, two_hubs
from support.small_disks import fill, small_disk
from support.stack import Certificates

from omnyshell.errors import ConfigException
from omnyshell.services.hub.cluster.members.identity import ClusterFiles
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.truth.log import SqliteLog

DISK = 4096
"""KiB, of which the state takes less than a half."""

FREE = (0, 16, 64, 192, 320)
"""KiB that are free."""


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    async with two_hubs(certificates, tmp_path, engine) as made:
        yield made


async def _run(state: Path, *words: str) -> tuple[int, str, str]:
    ran = await asyncio.to_thread(run_text, *words, "--state-dir", str(state))
    return ran.returncode, ran.stdout, ran.stderr


def _holds(state: Path, generation: str) -> tuple[int, set[str]]:
    """How much of that log a hub has applied, and which principals it has."""
    with closing(StateFile(state / STATE_FILE)) as file:
        named = {name for (name,) in file.run("SELECT principal FROM principals")}
        return SqliteLog(file, generation).applied_seq, named


def _leave_free(disk: Path, kibibytes: int) -> Path:
    """Fill a disk but for so much."""
    filler = fill(disk)
    os.truncate(filler, max(0, filler.stat().st_size - kibibytes * 1024))
    return filler


async def test_whenever_the_disk_is_full_a_log_is_begun_whole_or_not_at_all(
    certificates: Certificates, hubs: Hubs, engine: Engine
) -> None:
    """Seconds: hubs and their engine are started anew, and commands are run a dozen times."""
    await hubs.running["a"].stop()
    async with logged_in(certificates, hubs.running["b"].port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.principal.add", principal="late", roles=["dev"]))["ok"]
    await hubs.running["b"].stop()
    engine.kill(0)
    engine.forget(0)
    engine.start(0)
    line = await _restored(hubs, hubs.state("a"), hubs.state("b"))
    await hubs.start("a")
    await _followed(hubs, hubs.state("b"), line)
    await hubs.start("b")
    async with asyncio.timeout(DEADLINE):
        while not {"early", "late"} <= await hubs.principals("b"):
            await asyncio.sleep(0.05)


async def _restored(hubs: Hubs, a: Path, b: Path) -> str:
    generation = ClusterFiles(a).read().identity.generation
    before, theirs = _holds(a, generation), _holds(b, generation)
    assert before[0] < theirs[0]
    words = ("cluster", "restore", "--copy", str(b / STATE_FILE))
    a.rename(was := a.with_name("was"))
    refused = 0
    with small_disk(a, DISK) as disk:
        shutil.copytree(was, disk, ignore=shutil.ignore_patterns("audit.reserve"), dirs_exist_ok=True)
        for free in FREE:
            filler = _leave_free(disk, free)
            code, _, said = await _run(disk, *words)
            filler.unlink()
            if code:
                refused += 1
                assert "run this again" in said, said
                assert ClusterFiles(disk).read().identity.generation == generation
                # What it holds is what somebody had applied of that log.
                assert _holds(disk, generation) in (before, theirs)
        assert refused > 1
        code, line, said = await _run(disk, *words)
        assert code == 0, said
        # A hub whose disk is full does not begin, and says why.
        filler = fill(disk)
        with pytest.raises(ConfigException, match=r"full|No space"):
            await hubs.start("a")
        filler.unlink()
        shutil.rmtree(was)
        shutil.copytree(disk, was)
    a.rmdir()
    was.rename(a)
    return line.split()[-1]


async def _followed(hubs: Hubs, b: Path, line: str) -> None:
    generation = ClusterFiles(b).read().identity.generation
    before = _holds(b, generation)
    b.rename(was := b.with_name("was"))
    refused = 0
    with small_disk(b, DISK) as disk:
        shutil.copytree(was, disk, ignore=shutil.ignore_patterns("audit.reserve"), dirs_exist_ok=True)
        for free in FREE:
            filler = _leave_free(disk, free)
            code, _, said = await _run(disk, "cluster", "follow", line)
            filler.unlink()
            if not code:
                break
            refused += 1
            assert "run this again" in said, said
            assert ClusterFiles(disk).read().identity.generation == generation
            assert _holds(disk, generation) in (before, (0, set()))
        assert refused
        if code:
            code, _, said = await _run(disk, "cluster", "follow", line)
        assert code == 0, said
        shutil.rmtree(was)
        shutil.copytree(disk, was)
    b.rmdir()
    was.rename(b)
