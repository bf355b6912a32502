"""What is denied while the engine is away holds at the hubs in touch at once, and is done once when it is back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.engine import Engine
from support.raw_admin import ADMIN, ask
from support.raw_peer import RawPeer, logged_in, stranger
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates

from omnyshell.services.hub.cluster.members.identity import ClusterFiles
from omnyshell.services.hub.cluster.shared import log as shared_log
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.truth.log import SqliteLog

SOON = 2.0
"""Seconds in which hubs in touch know of a revocation, with no engine, beside those that it takes to send it."""


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    async with two_hubs(certificates, tmp_path, engine, linked=True) as made:
        made.has_links("c")
        await made.join("c")
        await made.linked("a", "b", "c")
        yield made


async def _until(what: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await what():
            await asyncio.sleep(0.02)


async def _enter(peer: RawPeer, token: str) -> str:
    await peer.greet("client")
    await peer.say("auth.request", {"method": "token", "principal": "early", "token": token})
    return (await peer.hear())["t"]


def _admin(certificates: Certificates, hubs: Hubs, hub: str) -> AbstractAsyncContextManager[RawPeer]:
    return logged_in(certificates, hubs.running[hub].port, "client", "admin", ADMIN)


async def _locked(certificates: Certificates, hubs: Hubs, hub: str) -> list[tuple[str, str]]:
    async with _admin(certificates, hubs, hub) as admin:
        locks = (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"]
    return [(each["kind"], each["name"]) for each in locks]


async def test_who_is_revoked_without_the_engine_is_out_at_all_hubs_in_touch_soon_and_at_all_that_come_later(
    certificates: Certificates, hubs: Hubs, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds: three hubs, one of which is started without the engine, and the engine that comes back."""
    monkeypatch.setattr("omnyshell.services.hub.cluster.hub_in_cluster.START_TIMEOUT", 1.0)
    a, b = hubs.running["a"], hubs.running["b"]
    async with _admin(certificates, hubs, "a") as admin:
        token = (await ask(admin, "admin.token.add", "admin.token.added", principal="early"))["token"]

        async def is_known() -> bool:
            async with stranger(certificates, b.port) as early:
                return await _enter(early, token) == "auth.ok"

        await _until(is_known)
        await hubs.running["c"].stop()
        # One that answers nothing is noticed later than one that is gone.
        engine.signal(0, signal.SIGSTOP)
        assert shared_log.DENY_AFTER < SOON
        with monkeypatch.context() as patch:
            # Nothing else has it hold.
            patch.setattr(shared_log, "ANSWER_TIMEOUT", 10 * DEADLINE)
            async with stranger(certificates, b.port) as early:
                assert await _enter(early, token) == "auth.ok"
                assert (await ask(admin, "admin.principal.revoke", principal="early"))["ok"]
                assert (await early.hear("error"))["d"]["fatal"]
    assert ("lock.told", "principal early") in [(record.action, record.detail) for record in b.audit]
    engine.kill(0)
    # Hub c comes later, from hub b alone: hub a is gone by then, and hub b has been started anew.
    await a.stop()
    await hubs.restart("b")
    await hubs.start("c")
    await hubs.linked("b", "c")

    async def is_told() -> bool:
        return await _locked(certificates, hubs, "c") == [("principal", "early")]

    await _until(is_told)
    engine.start(0)

    async def is_lifted() -> bool:
        gone = [hub for hub in "bc" if "early" not in await hubs.principals(hub)]
        return (
            gone == ["b", "c"]
            and not await _locked(certificates, hubs, "b")
            and not await _locked(certificates, hubs, "c")
        )

    await _until(is_lifted)
    await hubs.start("a")
    await _until(lambda: _has_none(certificates, hubs, "a"))
    for hub in "abc":
        with closing(StateFile(hubs.state(hub) / STATE_FILE)) as file:
            assert len(file.run("SELECT id FROM once")) == 1, hub
            assert file.run("SELECT id FROM held_denials") == []
            generation = ClusterFiles(hubs.state(hub)).read().identity.generation
            assert SqliteLog(file, generation).applied_seq


async def _has_none(certificates: Certificates, hubs: Hubs, hub: str) -> bool:
    return "early" not in await hubs.principals(hub) and not await _locked(certificates, hubs, hub)
