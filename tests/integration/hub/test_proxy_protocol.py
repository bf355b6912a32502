"""Balancers in front of a hub, written by hand and a real one, that say by the PROXY protocol for whom they connect."""

import asyncio
import contextlib
import ipaddress
import shutil
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.passing import passes
from support.ports import free_port, free_range
from support.quiet_websockets import QUIET
from support.raw_peer import RawPeer, logged_in
from support.stack import Certificates, connected_client, hub_config, until, within
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from omnyshell import EndpointLimits, OmnyShellHub, StrangerLimit, TunnelProtocol
from omnyshell.networks import Network
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.transport import introductions

BALANCER, OTHER, CLIENT = "127.5.0.1", "127.9.0.1", "203.0.113.5"
FROM_BALANCERS = (Network("127.5.0.0/24"),)
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def introduction(source: str, extras: bytes = b"") -> bytes:
    """What a balancer sends for a client at this address."""
    address = ipaddress.ip_address(source)
    place = ipaddress.ip_address("198.51.100.1" if address.version == 4 else "2001:db8::1")
    body = address.packed + place.packed + struct.pack(">HH", 51_000, 443) + extras
    return SIGNATURE + bytes([0x21, 0x11 if address.version == 4 else 0x21]) + struct.pack(">H", len(body)) + body


LOCAL = SIGNATURE + bytes([0x20, 0, 0, 0])


async def dial(port: int, source: str, *pieces: bytes) -> socket.socket:
    """A connection from an address that has sent these pieces, each in a packet of its own."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind((source, 0))
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    for piece in pieces:
        await loop.sock_sendall(sock, piece)
        await asyncio.sleep(0)
    return sock


@contextlib.asynccontextmanager
async def peer_over(sock: socket.socket, certificates: Certificates, port: int) -> AsyncIterator[RawPeer]:
    """A peer that speaks over this connection."""
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    url = f"wss://127.0.0.1:{port}"
    async with connect(url, sock=sock, ssl=tls, proxy=None, close_timeout=2, **QUIET) as ws:
        peer = RawPeer(ws)
        await peer.hear("hello")
        await peer.greet("client")
        yield peer


async def log_in(sock: socket.socket, certificates: Certificates, port: int, token: str = "dev-token") -> str | int:
    """Log in over a connection; "auth.ok", or the close code."""
    async with peer_over(sock, certificates, port) as peer:
        await peer.say("auth.request", {"method": "token", "principal": "dev", "token": token})
        try:
            answer = (await peer.hear())["t"]
        except ConnectionClosed as exc:
            return exc.rcvd.code if exc.rcvd is not None else 1006
        return str(answer) if answer == "auth.ok" else (await peer.hear_close())[0]


async def what_is_read(sock: socket.socket) -> bytes:
    """All that comes until the end. Raises `ConnectionError` where it ends by a reset."""
    loop = asyncio.get_running_loop()
    read = b""
    while data := await within(loop.sock_recv(sock, 65_536)):
        read += data
    sock.close()
    return read


def addresses(hub: OmnyShellHub, action: str) -> list[str]:
    return [record.address for record in hub.audit if record.action == action]


@pytest.mark.parametrize("source", [CLIENT, "2001:db8::7", pytest.param("::ffff:203.0.113.5", id="mapped")])
async def test_the_address_that_a_balancer_says_is_the_peers(certificates: Certificates, source: str) -> None:
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:
        header = introduction(source, b"\x04\0\3pad")
        pieces = [header[place : place + 1] for place in range(len(header))]
        for sent in ([header], pieces):
            sock = await dial(hub.port, BALANCER, *sent)
            assert await log_in(sock, certificates, hub.port) == "auth.ok"
        expected = CLIENT if "ffff" in source else source
        assert addresses(hub, "auth.ok") == [expected, expected]


async def test_limits_count_by_the_address_that_a_balancer_says(certificates: Certificates) -> None:
    few = EndpointLimits(max_before_login_by_address=StrangerLimit.exactly(3))
    config = hub_config(certificates, proxy_protocol_from=FROM_BALANCERS, endpoint=few)
    async with OmnyShellHub(config) as hub:
        silent = [await dial(hub.port, BALANCER, introduction("203.0.113.66")) for _ in range(3)]
        await until(lambda: hub.connections == 3)
        assert await what_is_read(await dial(hub.port, BALANCER, introduction("203.0.113.66"))) == b""
        for _ in range(3):
            assert (
                await log_in(await dial(hub.port, BALANCER, introduction(CLIENT)), certificates, hub.port) == "auth.ok"
            )
        for sock in silent:
            sock.close()
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:
        for code in [4401] * 10 + [1013] * 2:
            sock = await dial(hub.port, BALANCER, introduction("203.0.113.66"))
            assert await log_in(sock, certificates, hub.port, "wrong") == code
        assert await log_in(await dial(hub.port, BALANCER, introduction(CLIENT)), certificates, hub.port) == "auth.ok"


HALF_TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


NO_HEADERS = {
    "version 1": b"PROXY TCP4 203.0.113.5 198.51.100.1 51000 443\r\n",
    "TLS": HALF_TLS,
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "a broken one": introduction(CLIENT)[:12] + b"\x11" * 4,
}


@pytest.mark.parametrize("said", NO_HEADERS.values(), ids=NO_HEADERS.keys())
async def test_from_a_balancer_a_header_is_required_and_its_lack_ends_cleanly(
    certificates: Certificates, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:
        assert await what_is_read(await dial(hub.port, BALANCER, said)) == b""
        assert hub.connections == 0
        assert ["PROXY header is refused" in record.getMessage() for record in caplog.records] == [True]


async def test_a_header_from_elsewhere_is_refused_and_claims_nothing(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:
        with pytest.raises((OSError, EOFError)):
            await log_in(await dial(hub.port, OTHER, introduction(CLIENT)), certificates, hub.port)
        assert await log_in(await dial(hub.port, OTHER), certificates, hub.port) == "auth.ok"
        assert {record.address for record in hub.audit} <= {"", OTHER}


async def test_a_balancer_that_says_nothing_is_closed_in_time(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introductions, "MAX_WAITING", 5)
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:
        late = await dial(hub.port, BALANCER, introduction(CLIENT)[:-1])
        await until(lambda: len(hub._introductions._waiting) == 1)
        await passes(introductions.HEADER_TIMEOUT)
        assert await what_is_read(late) == b""
        # More than there is room for: those that have owed it for longest go, and who has it gets through.
        silent = [await dial(hub.port, BALANCER) for _ in range(20)]
        assert await log_in(await dial(hub.port, BALANCER, introduction(CLIENT)), certificates, hub.port) == "auth.ok"
        await passes(introductions.HEADER_TIMEOUT)
        for sock in silent:
            assert await what_is_read(sock) == b""


async def test_a_balancer_may_look_whether_the_hub_lives(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:
        (await dial(hub.port, BALANCER)).close()
        (await dial(hub.port, BALANCER, LOCAL)).close()
        assert await log_in(await dial(hub.port, BALANCER, LOCAL), certificates, hub.port) == "auth.ok"
        assert addresses(hub, "auth.ok") == [BALANCER]
        assert [record for record in caplog.records if "PROXY" in record.getMessage()] == []


async def test_who_the_balancers_are_is_taken_over_by_a_reload(certificates: Certificates) -> None:
    config = hub_config(certificates)
    async with OmnyShellHub(config) as hub:
        assert await log_in(await dial(hub.port, BALANCER), certificates, hub.port) == "auth.ok"
        assert hub.reload(replace(config, proxy_protocol_from=FROM_BALANCERS)) == []
        assert await log_in(await dial(hub.port, BALANCER, introduction(CLIENT)), certificates, hub.port) == "auth.ok"
        assert addresses(hub, "auth.ok") == [BALANCER, CLIENT]


async def test_a_hub_stops_while_balancers_owe_their_headers(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:
        waiting = [await dial(hub.port, BALANCER) for _ in range(3)]
        await until(lambda: len(hub._introductions._waiting) == 3)
    for sock in waiting:
        assert await what_is_read(sock) == b""


async def test_who_comes_to_a_tunnel_while_it_closes_is_closed_too(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, (peer, accepted) = TunnelBroker.close, socket.socketpair()
    async with OmnyShellHub(hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)) as hub:

        async def close_late(tunnels: TunnelBroker) -> None:
            # One more is accepted in the last moment: it owes its header.
            hub._introductions.before(lambda _sock, _address: None)(accepted, BALANCER)
            await close(tunnels)

        monkeypatch.setattr(TunnelBroker, "close", close_late)
    assert accepted.fileno() == -1
    assert peer.recv(1) == b""
    peer.close()


async def test_tunnels_are_told_of_the_address_too(certificates: Certificates) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1", proxy_protocol_from=FROM_BALANCERS)
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        OmnyShellHub(config) as hub,
        connected_client(certificates, hub.port) as client,
    ):
        target = server.sockets[0].getsockname()[1]
        tunnel = await client.open_tunnel("@local", target_port=target, protocol=TunnelProtocol.HTTP)
        request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        sock = await dial(tunnel.public_port, BALANCER, introduction(CLIENT), request)
        assert (await what_is_read(sock)).startswith(b"HTTP/1.1 200")
        assert await what_is_read(await dial(tunnel.public_port, OTHER, request)) != b""
        assert await what_is_read(await dial(tunnel.public_port, BALANCER, request)) == b""
        said = [line for head in seen for line in head.lower().split(b"\r\n") if line.startswith(b"x-forwarded-for")]
        assert said == [f"x-forwarded-for: {address}".encode() for address in (CLIENT, OTHER)]


HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/sbin")
HAPROXY_CONFIG = """
global
    maxconn 200
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend peers
    bind 127.0.0.1:{front}
    bind ::1:{front}
    default_backend hub
backend hub
    server hub 127.0.0.1:{hub} source {balancer} {options}
"""


@contextlib.asynccontextmanager
async def haproxy(directory: Path, hub_port: int, options: str) -> AsyncIterator[int]:
    """The real balancer in front of a hub; its port."""
    if HAPROXY is None:
        pytest.skip("haproxy is not installed")
    front = free_port()
    config = directory / "haproxy.cfg"
    config.write_text(HAPROXY_CONFIG.format(front=front, hub=hub_port, balancer=BALANCER, options=options))
    process = await asyncio.create_subprocess_exec(
        HAPROXY, "-f", str(config), "-db", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: is_open(front))
        yield front
    finally:
        process.kill()
        await process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    "options",
    [
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id",
        "send-proxy-v2-ssl-cn proxy-v2-options crc32c,cert-key",
        "send-proxy-v2 check inter 50ms check-send-proxy",
    ],
)
async def test_a_real_balancer_says_for_whom_it_connects(
    certificates: Certificates, tmp_path: Path, options: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)
    async with OmnyShellHub(config) as hub, haproxy(tmp_path, hub.port, options) as front:
        assert await log_in(await dial(front, "127.7.0.9"), certificates, front) == "auth.ok"
        tls = ssl.create_default_context(cafile=str(certificates.ca))
        async with connect(f"wss://[::1]:{front}", ssl=tls, proxy=None, **QUIET) as ws:
            peer = RawPeer(ws)
            await peer.hear("hello")
            await peer.greet("client")
            await peer.say("auth.request", {"method": "token", "principal": "dev", "token": "dev-token"})
            await peer.hear("auth.ok")
        assert addresses(hub, "auth.ok") == ["127.7.0.9", "::1"]
        assert [record for record in caplog.records if "PROXY" in record.getMessage()] == []


@pytest.mark.parametrize("options", ["send-proxy", ""])
async def test_a_real_balancer_that_speaks_version_1_or_nothing_is_refused(
    certificates: Certificates, tmp_path: Path, options: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = hub_config(certificates, proxy_protocol_from=FROM_BALANCERS)
    async with OmnyShellHub(config) as hub, haproxy(tmp_path, hub.port, options) as front:
        with pytest.raises((OSError, EOFError)):
            await log_in(await dial(front, "127.7.0.9"), certificates, front)
        assert any("send-proxy-v2" in record.getMessage() for record in caplog.records)
        async with logged_in(certificates, hub.port, "client", "dev") as direct:
            await direct.still_there()
