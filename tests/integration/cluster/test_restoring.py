"""Another log in place of one that the engine has lost, with real hubs and a server whose store was removed."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from support.backups import back_up, restore
from support.commands import run_text
from support.deadline import DEADLINE
from support.engine import Engine
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, until

from omnyshell.services.hub.cluster.members.identity import ClusterFiles
from omnyshell.services.hub.ground.state_file import STATE_FILE

GONE = "the engine's stream is not there any more"


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    async with two_hubs(certificates, tmp_path, engine) as made:
        yield made


async def _run(hubs: Hubs, hub: str, *words: str) -> tuple[int, str, str]:
    ran = await asyncio.to_thread(run_text, *words, "--state-dir", str(hubs.state(hub)))
    return ran.returncode, ran.stdout, ran.stderr


async def _add(certificates: Certificates, hubs: Hubs, hub: str, name: str) -> bool:
    async with logged_in(certificates, hubs.running[hub].port, "client", "admin", ADMIN) as admin:
        return bool((await ask(admin, "admin.principal.add", principal=name, roles=["dev"]))["ok"])


async def _has(hubs: Hubs, hub: str, name: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while name not in await hubs.principals(hub):
            await asyncio.sleep(0.05)


async def test_a_log_that_the_engine_lost_begins_anew_with_the_newest_copy_and_all_hubs_go_by_it(
    certificates: Certificates, hubs: Hubs, engine: Engine, tmp_path: Path
) -> None:
    """Seconds: hubs and their engine are started anew, in the order in which an operator does it."""
    await hubs.join("c")
    await hubs.running["c"].stop()
    assert "runs: stop it, and start it again" in (await _run(hubs, "a", "cluster", "restore"))[2]
    await hubs.running["a"].stop()
    back_up(certificates, hubs.state("a"), tmp_path / "a.backup")
    assert "nothing is to be restored" in (await _run(hubs, "a", "cluster", "restore"))[2]
    # What b alone has applied is in its copy alone, when the engine loses all.
    assert await _add(certificates, hubs, "b", "late")
    engine.kill(0)
    engine.forget(0)
    engine.start(0)
    b = hubs.running["b"]
    await until(lambda: [record.reason for record in b.audit if record.action == "cluster.refused"] == [GONE])
    assert not await _add(certificates, hubs, "b", "never")
    assert "HAS LOST THE LOG" in (await _run(hubs, "b", "cluster", "status"))[1]
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.principal.revoke", principal="early"))["ok"]
    await b.stop()
    assert "which founded the cluster, does" in (await _run(hubs, "b", "cluster", "restore"))[2]
    # The machine of the first hub is lost as well, and another one is what its backup says.
    shutil.rmtree(hubs.state("a"))
    restore(tmp_path / "a.backup", hubs.state("a"))
    older = (await _run(hubs, "a", "cluster", "restore"))[1].split()[-1]
    assert "lose the rest" in (await _run(hubs, "b", "cluster", "follow", older))[2]
    assert "no whole line" in (await _run(hubs, "b", "cluster", "follow", older[:-9]))[2]
    # The copy of hub b is newer: hub a has not begun yet, and begins with that.
    copy = hubs.state("b") / STATE_FILE
    code, line, said = await _run(hubs, "a", "cluster", "restore", "--copy", str(copy))
    assert code == 0, said
    a = await hubs.start("a")
    assert a._cluster is not None
    assert a._cluster._found not in a._cluster._connection.on_connected
    assert {"early", "late"} <= await hubs.principals("a")
    code, _, said = await _run(hubs, "b", "cluster", "follow", line.split()[-1])
    assert code == 0, said
    assert "goes by that log already" in (await _run(hubs, "b", "cluster", "follow", line.split()[-1]))[2]
    await hubs.start("b")
    assert "late" in await hubs.principals("b")
    # Hub c had not applied that, and reads all of it.
    assert (await _run(hubs, "c", "cluster", "follow", line.split()[-1]))[0] == 0
    await hubs.start("c")
    assert "late" in await hubs.principals("c")
    for hub, other in ("ab", "ba"):
        assert await _add(certificates, hubs, hub, f"new-{hub}")
        await _has(hubs, other, f"new-{hub}")
    # What was denied meanwhile is done in the new log.
    async with asyncio.timeout(DEADLINE):
        while "early" in await hubs.principals("a"):
            await asyncio.sleep(0.05)
    told = await _run(hubs, "a", "cluster", "status")
    assert "generation " + ClusterFiles(hubs.state("b")).read().identity.generation in told[1]
    (kept,) = hubs.state("b").glob(f"{STATE_FILE}.before-*")
    with closing(sqlite3.connect(kept)) as database:
        assert ("late",) in database.execute("SELECT principal FROM principals").fetchall()
    assert kept.stat().st_mode & 0o777 == 0o600
