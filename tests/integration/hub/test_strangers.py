"""Connections that do not log in, from several addresses of loopback, and what others notice of them."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from support.hub_process import HubProcess
from support.passing import passes
from support.quiet_websockets import QUIET
from support.raw_peer import RawPeer, stranger
from support.stack import Certificates, hub_config, until, within
from support.starving import frame
from websockets.asyncio.client import connect

from omnyshell import EndpointLimits, OmnyShellHub
from omnyshell.transport.strangers import StrangerLimit

ATTACKER, HONEST, NAT = "127.9.0.1", "127.1.0.1", "127.2.0.1"
GOOD = {"method": "token", "principal": "dev", "token": "dev-token"}
FEW = EndpointLimits(max_before_login=StrangerLimit(10, 100, 10), max_before_login_by_address=StrangerLimit(4, 100, 4))


@contextlib.asynccontextmanager
async def coming_from(certificates: Certificates, port: int, source: str) -> AsyncIterator[RawPeer]:
    """A login of `dev` from an address."""
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    url = f"wss://127.0.0.1:{port}"
    async with connect(url, ssl=tls, proxy=None, close_timeout=2, local_addr=(source, 0), **QUIET) as ws:
        peer = RawPeer(ws)
        await peer.hear("hello")
        await peer.greet("client")
        await peer.say("auth.request", GOOD)
        await peer.hear("auth.ok")
        yield peer


def dial(port: int, source: str) -> socket.socket:
    """A connection that says nothing; the kernel makes it, whether the hub has time or not."""
    sock = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
    sock.setblocking(False)
    return sock


async def silent(port: int, source: str, count: int) -> list[socket.socket]:
    """Connections that say nothing; those that the hub closed at once are not among them."""
    sockets = [dial(port, source) for _ in range(count)]
    # Far more turns of the loop that is the hub's as well than it takes to accept and refuse them all.
    for _ in range(20 * count):
        await asyncio.sleep(0)
    return [sock for sock in sockets if is_open(sock)]


def is_open(sock: socket.socket) -> bool:
    """Whether the hub has not closed a connection, which is closed here too then."""
    with contextlib.suppress(ConnectionError):
        try:
            sock.recv(1)
        except BlockingIOError:
            return True
    sock.close()
    return False


def cut(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


async def test_one_address_has_its_places_and_others_have_theirs(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates, endpoint=FEW)) as hub:
        held = await silent(hub.port, ATTACKER, 12)
        assert len(held) == 4
        with pytest.raises((OSError, EOFError)):
            async with coming_from(certificates, hub.port, ATTACKER):
                pass
        async with coming_from(certificates, hub.port, HONEST) as client:
            await client.still_there()
        assert hub.connections <= 5
        cut(held)
        await until(lambda: hub.connections == 0)
        await until(lambda: hub.metrics.connections_refused == 9)
        await until(lambda: any(record.action == "connection.refused" for record in hub.audit))
        (record,) = [record for record in hub.audit if record.action == "connection.refused"]
        assert (record.outcome, record.address) == ("denied", ATTACKER)


async def test_an_address_with_good_logins_comes_back_after_a_restart_through_a_crowd(
    certificates: Certificates, tmp_path: Path
) -> None:
    config = hub_config(certificates, endpoint=FEW, state_dir=tmp_path / "hub")
    async with OmnyShellHub(config) as hub, coming_from(certificates, hub.port, NAT):
        pass
    async with OmnyShellHub(config) as hub:
        crowd = [await silent(hub.port, f"127.3.0.{number}", 4) for number in range(1, 5)]
        # Those of one network have yielded to those of another.
        await until(lambda: hub.connections == 10)
        # More at once than a stranger's address may have, while all places of strangers are taken.
        nodes = [coming_from(certificates, hub.port, NAT) for _ in range(8)]
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(*map(stack.enter_async_context, nodes))
            assert hub.connections == 18
        for sockets in crowd:
            cut(sockets)


async def test_a_known_address_may_not_have_everything(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates, endpoint=FEW)) as hub:
        async with coming_from(certificates, hub.port, NAT):
            pass
        await until(lambda: hub.connections == 0)
        held = await silent(hub.port, NAT, 30)
        assert len(held) == FEW.max_before_login.full
        async with coming_from(certificates, hub.port, HONEST):
            pass
        cut(held)


async def test_who_says_nothing_costs_a_socket_and_goes_in_time(certificates: Certificates) -> None:
    limits = EndpointLimits()
    async with OmnyShellHub(hub_config(certificates, endpoint=limits)) as hub:
        held = [dial(hub.port, ATTACKER) for _ in range(50)]
        await until(lambda: hub.connections == 50)
        assert list(hub._peers) == []
        async with coming_from(certificates, hub.port, HONEST):
            assert len(hub._peers) == 1
        await passes(limits.tls_timeout)
        await until(lambda: hub.connections == 0)
        assert [sock.recv(1) for sock in held] == [b""] * 50
        cut(held)


async def test_who_sends_much_before_the_login_is_cut_off_and_nobody_else(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub:
        async with stranger(certificates, hub.port) as flooding, stranger(certificates, hub.port) as other:
            for _ in range(20):
                flooding.ws.transport.write(frame(0x89, b"") * 2000)
            assert await flooding.hear_close() == (1006, "")
            await other.greet("client")
            await other.say("auth.request", GOOD)
            await other.hear("auth.ok")
            await other.ws.send(bytes(200 * 1024))
            await other.still_there()
        await until(lambda: hub._endpoint.strangers._received == 0)


async def test_limits_are_taken_over_by_a_reload(certificates: Certificates) -> None:
    config = hub_config(certificates, endpoint=FEW)
    async with OmnyShellHub(config) as hub:
        held = await silent(hub.port, ATTACKER, 6)
        assert len(held) == 4
        assert hub.reload(replace(config, endpoint=EndpointLimits())) == []
        held += await silent(hub.port, ATTACKER, 6)
        assert len(held) == 10
        cut(held)


async def test_a_thousand_connections_a_second_from_one_address_keep_nobody_else_waiting(
    certificates: Certificates, tmp_path: Path
) -> None:
    hub = HubProcess(certificates, tmp_path / "hub")
    await hub.start()
    sockets: list[socket.socket] = []

    async def flood() -> None:
        # A machine that is slow makes fewer in a second, and has fewer to deal with.
        while len(sockets) < 3000:
            sockets.extend(dial(hub.port, ATTACKER) for _ in range(5))
            await asyncio.sleep(0.005)

    def spent() -> float:
        """The hub's processor time in seconds: it may have to wait for others on its machine."""
        times = psutil.Process(hub.pid).cpu_times()
        return float(times.user + times.system)

    try:
        begun = spent()
        flooding = asyncio.create_task(flood())
        waited = []
        for number in range(1, 16):
            before = spent()
            async with coming_from(certificates, hub.port, f"127.1.1.{number}"):
                waited.append(spent() - before)
            await asyncio.sleep(0.1)
        await within(flooding)
        assert max(waited) < (spent() - begun) / 3, "what came before a login, or with it"
    finally:
        cut(sockets)
        hub.kill()
