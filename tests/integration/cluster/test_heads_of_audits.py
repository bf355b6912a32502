"""Hubs tell each other where their audit trails end: a cut that nothing on its machine shows is seen by the others."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support.commands import run_text
from support.deadline import DEADLINE
from support.engine import Engine
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, until

from omnyshell.services.hub.audit import writer
from omnyshell.services.hub.cluster.telling import heads
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE

DATABASES = [f"{name}{end}" for name in (STATE_FILE, AUDIT_FILE) for end in ("", "-wal", "-shm")]


@pytest.fixture
async def hubs(
    certificates: Certificates, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Hubs]:
    monkeypatch.setattr(writer, "CHORES_PERIOD", 0.1)
    monkeypatch.setattr(heads, "LEAST_PAUSE", 0.0)
    async with two_hubs(certificates, tmp_path, engine, linked=True) as made:
        yield made


def _copy(state: Path, to: Path) -> None:
    """Put a hub's databases, both of them, in the place of what is there."""
    to.mkdir(exist_ok=True)
    for name in DATABASES:
        (to / name).unlink(missing_ok=True)
        if (state / name).exists():
            shutil.copy2(state / name, to / name)


async def _told(hubs: Hubs, hub: str) -> dict:
    words = ("cluster", "status", "--state-dir", str(hubs.state(hub)), "--json")
    return json.loads((await asyncio.to_thread(run_text, *words)).stdout)


async def _wait(what: Callable[[dict], object], hubs: Hubs, hub: str) -> dict:
    pause = 0.05
    async with asyncio.timeout(DEADLINE):
        while not what(told := await _told(hubs, hub)):
            # Each look is a program: the longer it takes, the less often.
            await asyncio.sleep(pause := 1.5 * pause)
    return told


async def test_a_trail_that_was_cut_with_all_that_is_noted_of_it_is_seen_by_the_other_hub_and_told(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    """Seconds: a hub is stopped, set back and started."""
    a, state = hubs.running["a"], hubs.state("b")
    await hubs.running["b"].stop()
    _copy(state, tmp_path / "before")
    await hubs.start("b")
    async with logged_in(certificates, hubs.running["b"].port, "client", "admin", ADMIN) as admin:
        for number in range(20):
            assert (await ask(admin, "admin.principal.add", principal=f"p{number}", roles=["dev"]))["ok"]
    known = (await _wait(lambda told: told["audits"].get("b", {"seq": 0})["seq"] > 20, hubs, "a"))["audits"]["b"]
    await hubs.running["b"].stop()
    _copy(tmp_path / "before", state)
    words = ("audit", "verify", "--state-dir", str(state))
    assert (await asyncio.to_thread(run_text, *words)).returncode == 0
    b = await hubs.start("b")
    await until(lambda: any(record.action == "audit.cut" for record in a.audit))
    (cut,) = (await _wait(lambda told: told["faults"], hubs, "a"))["faults"]
    assert cut.startswith("the audit trail of hub 'b' ends with record")
    assert int(cut.partition("and had ")[2].split()[0]) >= known["seq"]
    shown = (await asyncio.to_thread(run_text, "cluster", "status", "--state-dir", str(hubs.state("a")))).stdout
    assert f"WARNING    {cut}" in shown
    # What hub a holds is a proof against the trail itself, on paper.
    told = await asyncio.to_thread(run_text, "audit", "head", "--of", "b", "--state-dir", str(hubs.state("a")))
    (tmp_path / "told-of-b").write_text(told.stdout)
    held = await asyncio.to_thread(run_text, *words, "--against", str(tmp_path / "told-of-b"))
    assert (held.returncode, "truncated:" in held.stdout or "altered:" in held.stdout) == (1, True), held.stdout
    assert not b.audit.gaps
    async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.audit.acknowledge"))["ok"]
    assert (await _told(hubs, "a"))["faults"] == []


async def test_a_hub_whose_trail_lacks_what_it_has_signed_is_told_so_and_says_it_itself(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    """Seconds, as above. The trail has grown past what was told of it before it is told again."""
    a, state = hubs.running["a"], hubs.state("b")
    await hubs.running["b"].stop()
    _copy(state, tmp_path / "before")
    first = (await _told(hubs, "a"))["audits"].get("b", {"seq": 0})["seq"]
    b = await hubs.start("b")
    # Its second start is among what is told then.
    await _wait(lambda told: told["audits"].get("b", {"seq": 0})["seq"] > first + 1, hubs, "a")
    await b.stop()
    _copy(tmp_path / "before", state)
    await a.stop()
    b = await hubs.start("b")
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        for number in range(20):
            assert (await ask(admin, "admin.principal.add", principal=f"p{number}", roles=["dev"]))["ok"]
    a = await hubs.start("a")
    await until(lambda: any(record.action == "audit.cut" and record.reason == "altered" for record in a.audit))
    await until(lambda: bool(b.audit.gaps))
    assert "says hub 'a'" in b.audit.gaps[0]
