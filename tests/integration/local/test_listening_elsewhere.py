"""The hub of this machine listens elsewhere, while it runs and at each start, and who is connected does not notice."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.ports import free_port, free_range
from support.stack import until, within

from omnyshell import ClientConfig, OmnyShellClient
from omnyshell.errors import ConfigException, TransportException, UntrustedHubException
from omnyshell.services.local import hub as local_hub, parts
from omnyshell.services.local.hub import LocalHub
from omnyshell.services.local.listen import for_others, listen_from_now_on
from omnyshell.services.local.listening import Listening, read_listening, write_listening
from omnyshell.services.local.setup import LocalSetup, Running
from omnyshell.transport.connection import HubAddress

ELSEWHERE = "127.0.0.2"
"""An address of every Linux machine that is not in a certificate for the loopback."""


@pytest.fixture(autouse=True)
def _ports_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_hub, "LOOK_PERIOD", 0.01)
    monkeypatch.setattr(parts, "TUNNEL_PORTS", free_range())
    monkeypatch.setattr(local_hub, "DEFAULT_PORT", free_port())


@contextmanager
def taken(port: int, host: str = "127.0.0.1") -> Iterator[None]:
    with socket.create_server((host, port)):
        yield


@asynccontextmanager
async def serving(setup: LocalSetup, port: int | None = None) -> AsyncIterator[LocalHub]:
    hub = await LocalHub.start(setup, port, "omnyshell up")
    try:
        hub.announce()
        yield hub
    finally:
        await within(hub.stop())


async def listen(setup: LocalSetup, host: str) -> None:
    await within(asyncio.to_thread(listen_from_now_on, setup, host))


async def log_in(setup: LocalSetup, hub: LocalHub, host: str) -> OmnyShellClient:
    access = replace(setup.admin_access(hub.running), address=HubAddress(host, hub.running.port))
    client = OmnyShellClient(ClientConfig(access=access, reconnect_timeout=0))
    await within(client.connect())
    return client


async def is_reached(setup: LocalSetup, hub: LocalHub, host: str) -> bool:
    try:
        await (await log_in(setup, hub, host)).close()
    except (TransportException, UntrustedHubException):
        return False
    return True


async def test_it_listens_elsewhere_at_once_and_at_the_next_start(tmp_path: Path) -> None:
    setup = LocalSetup(tmp_path)
    async with serving(setup) as hub:
        port = hub.running.port
        client = await log_in(setup, hub, "localhost")
        assert not await is_reached(setup, hub, ELSEWHERE)
        for host in (ELSEWHERE, "0.0.0.0", "::", ELSEWHERE):
            await listen(setup, host)
            assert hub.running.host == host
            assert await is_reached(setup, hub, "localhost")
            assert await is_reached(setup, hub, host if host == ELSEWHERE else "127.0.0.1")
        assert for_others(setup, HubAddress("localhost", port)) == HubAddress(ELSEWHERE, port)
        # A tunnel's port is where the hub listens, and whoever was connected goes on.
        tunnel = await within(client.open_tunnel(target_port=1))
        assert tunnel.public_host == ELSEWHERE
        socket.create_connection((ELSEWHERE, tunnel.public_port)).close()
        assert [record.detail for record in hub._hub.audit if record.action == "hub.listen"] == [
            f"port {port} of localhost and {ELSEWHERE}", f"port {port} of localhost and 0.0.0.0",
            f"port {port} of localhost and *", f"port {port} of localhost and {ELSEWHERE}",
        ]  # fmt: skip
        await client.close()
    async with serving(setup) as hub:
        assert await is_reached(setup, hub, ELSEWHERE)
        await listen(setup, "localhost")
        assert not await is_reached(setup, hub, ELSEWHERE)
        assert json.loads(setup.pid_file.read_text()).keys() == {"pid", "port", "node_id", "program", "asked"}
    async with serving(setup) as hub:
        assert not await is_reached(setup, hub, ELSEWHERE)


async def test_others_are_told_one_port_and_find_the_hub_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = LocalSetup(tmp_path)
    # As if it were no loopback, which others are told nothing of.
    monkeypatch.setattr("omnyshell.services.local.listening.is_loopback", lambda host: host == "localhost")
    write_listening(tmp_path, Listening(ELSEWHERE))
    with taken(local_hub.DEFAULT_PORT):
        async with serving(setup) as hub:
            port = hub.running.port
            assert port != local_hub.DEFAULT_PORT
            assert hub.running.trouble == ""
    async with serving(setup) as hub:
        assert (hub.running.port, hub.running.trouble) == (port, "")
    with taken(port, ELSEWHERE):
        async with serving(setup) as hub:
            assert hub.running.trouble.startswith(f"port {port} is in use: whoever joined by it cannot reach port ")
    async with serving(setup, other := free_port()) as hub:
        assert (hub.running.trouble, read_listening(tmp_path).port) == ("", other)


async def test_an_address_that_is_away_leaves_the_loopback_and_is_listened_on_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = LocalSetup(tmp_path)
    # The address of documentation is nobody's.
    write_listening(tmp_path, Listening("192.0.2.77"))
    monkeypatch.setattr(local_hub, "RETRY_PERIOD", 0.01)
    async with serving(setup) as hub:
        trouble = "192.0.2.77 is no address of this machine now: the hub listens on the loopback alone"
        assert (hub.running.host, hub.running.trouble) == ("localhost", trouble)
        assert await is_reached(setup, hub, "localhost")
        with pytest.raises(ConfigException, match="no address of this machine"):
            await listen(setup, "192.0.2.78")
        write_listening(tmp_path, Listening(ELSEWHERE))
        await until(lambda: hub.running.host == ELSEWHERE)
        assert setup.running() == hub.running


async def test_an_address_that_goes_away_is_said_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = LocalSetup(tmp_path)
    monkeypatch.setattr(local_hub, "RETRY_PERIOD", 0.01)
    async with serving(setup) as hub:
        await listen(setup, ELSEWHERE)
        with monkeypatch.context() as patch:
            patch.setattr(local_hub, "can_bind", lambda _places: False)
            await until(lambda: hub.running.host == "localhost")
            assert "no address of this machine now" in hub.running.trouble
            assert not await is_reached(setup, hub, ELSEWHERE)
        await until(lambda: hub.running.host == ELSEWHERE)
        assert (hub.running.trouble, await is_reached(setup, hub, ELSEWHERE)) == ("", True)


async def test_a_port_that_is_taken_there_is_said_and_the_loopback_goes_on(tmp_path: Path) -> None:
    setup = LocalSetup(tmp_path)
    async with serving(setup) as hub:
        with taken(hub.running.port, ELSEWHERE), pytest.raises(ConfigException, match="the port is in use"):
            await listen(setup, ELSEWHERE)
        assert await is_reached(setup, hub, "localhost")


async def test_a_port_that_is_taken_between_the_look_and_the_start_is_not_insisted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = iter([True])
    bound = local_hub.can_bind
    monkeypatch.setattr(local_hub, "can_bind", lambda *at: (len(at) > 1 and next(looked, False)) or bound(*at))
    with taken(local_hub.DEFAULT_PORT):
        async with serving(LocalSetup(tmp_path)) as hub:
            assert hub.running.port != local_hub.DEFAULT_PORT


async def test_a_first_start_beside_another_program_is_no_error_in_the_audit(tmp_path: Path) -> None:
    setup = LocalSetup(tmp_path)
    with taken(local_hub.DEFAULT_PORT):
        async with serving(setup) as hub:
            assert hub.running.port != local_hub.DEFAULT_PORT
            assert [record for record in hub._hub.audit if record.outcome == "error"] == []


async def test_names_that_nodes_dial_stay_in_the_certificate(tmp_path: Path) -> None:
    setup = LocalSetup(tmp_path)
    async with serving(setup) as hub:
        for host in (ELSEWHERE, "127.0.0.3", "0.0.0.0"):
            await listen(setup, host)
        assert await is_reached(setup, hub, ELSEWHERE)
        assert await is_reached(setup, hub, "127.0.0.3")


def test_a_hub_that_does_not_follow_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.services.local.listen.FOLLOW_TIMEOUT", 0.05)
    setup = LocalSetup(tmp_path)
    lock = setup.claim()
    setup.announce(lock, Running(1, 8443, "n"))
    with pytest.raises(ConfigException, match=r"process 1\) has not followed: it does at its next start"):
        listen_from_now_on(setup, ELSEWHERE)
