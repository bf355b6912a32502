"""A hub whose machine's clock is days off: what ends at a time ends by most clocks, at all hubs.

`soak.wrong_clock` does the like with processes, a clock that jumps, and all that goes over two hubs.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.commands import run_text
from support.engine import Engine
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in, stranger
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, until

from omnyshell.clock import SystemClock


class WrongClock(SystemClock):
    """A machine's clock that is off."""

    def __init__(self, days: int) -> None:
        self._off = timedelta(days=days)

    def now(self) -> datetime:
        return super().now() + self._off


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    async with two_hubs(certificates, tmp_path, engine) as made:
        yield made


async def is_let_in(certificates: Certificates, port: int, name: str, token: str) -> bool:
    async with stranger(certificates, port) as peer:
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": name, "token": token})
        return (await peer.hear())["t"] == "auth.ok"


async def test_what_ends_at_a_time_ends_by_most_clocks(
    certificates: Certificates, hubs: Hubs, caplog: pytest.LogCaptureFixture
) -> None:
    """Two seconds: a hub is started anew with each clock."""
    a = hubs.running["a"]
    async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="early", ttlSeconds=3600)
    tokens = [made["token"]]
    for days in (3, -3):
        hubs.changed["b"] = {"clock": WrongClock(days)}
        await hubs.restart("b")
        b = hubs.running["b"]
        assert f"this machine's clock is 3d {'ahead of' if days > 0 else 'behind'} the other hubs'" in caplog.text
        # It looks for what has ended.
        b._reloading.tick(b._config.clock.monotonic() + 60)
        async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
            made = await ask(admin, "admin.token.add", "admin.token.added", principal="early", ttlSeconds=3600)
            tokens.append(made["token"])
            assert (await ask(admin, "admin.lock.add", kind="node", name=f"n{days}", ttlSeconds=3600))["ok"]
        await until(lambda days=days: a._locks.of_node(f"n{days}") is not None)
        for hub in (a, b):
            for token in tokens:
                assert await is_let_in(certificates, hub.port, "early", token)
            left = [lock.expires_at - SystemClock().now() for lock in hub._locks]
            assert all(timedelta(minutes=59) < each < timedelta(minutes=61) for each in left)
            assert left
        told = run_text("cluster", "status", "--state-dir", str(hubs.state("a")))
        assert f"the clock of hub b is 3d {'ahead of' if days > 0 else 'behind'} the others'" in told.stdout
