"""Tunnels through a real hub and a real node or client, used by ordinary programs."""

import asyncio
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import pytest
from support.deadline import DEADLINE
from support.ports import free_port, free_range
from support.stack import Certificates, connected_client, hub_config, running_node, until, within
from websockets.asyncio.client import connect as connect_websocket
from websockets.asyncio.server import ServerConnection, serve as serve_websocket

from omnyshell import CertGenerator, OmnyShellClient, OmnyShellHub, TunnelProtocol, TunnelRejectedException

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    async with await asyncio.start_server(handler, "127.0.0.1", free_port(), backlog=1000) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def system(certificates: Certificates, tmp_path: Path) -> AsyncIterator[tuple[OmnyShellHub, OmnyShellClient]]:
    """A hub with ports for tunnels, a node and a client."""
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1")
    async with (
        OmnyShellHub(config) as hub,
        running_node(certificates, hub.port, tmp_path),
        connected_client(certificates, hub.port) as client,
    ):
        yield hub, client


async def answer_digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read all there is, and only then answer with its digest and itself."""
    data = await reader.read()
    writer.write(hashlib.sha256(data).digest() + data)
    writer.close()


async def exchange(port: int, data: bytes, tls: ssl.SSLContext | None = None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    got = await reader.read()
    await sending
    writer.close()
    assert got == hashlib.sha256(data).digest() + data


@pytest.mark.parametrize("node_id", ["n1", "@local"])
async def test_half_closes_keep_whole_answers(system: tuple[OmnyShellHub, OmnyShellClient], node_id: str) -> None:
    hub, client = system
    async with serving(answer_digest) as port:
        tunnel = await client.open_tunnel(node_id, target_port=port)
        for size in (0, 1, 65_536, 3_000_000):
            await within(exchange(tunnel.public_port, os.urandom(size)))
        await until(lambda: hub.tunnels.tunnels[0].counters.connections_now == 0)


async def test_five_hundred_connections_at_once(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    hub, client = system
    everyone = asyncio.Event()
    count = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        if count == 500:
            everyone.set()
        await everyone.wait()
        await answer_digest(reader, writer)

    async with serving(handle) as port:
        tunnel = await client.open_tunnel("n1", target_port=port)
        await within(asyncio.gather(*(exchange(tunnel.public_port, os.urandom(20_000)) for _ in range(500))))
        counters = hub.tunnels.tunnels[0].counters
        await until(lambda: counters.connections_now == 0)
        assert (counters.connections_total, counters.bytes_in) == (500, 500 * 20_000)
        assert counters.bytes_out == 500 * 20_032


async def test_a_slow_reader_slows_the_writer(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    hub, client = system
    written = 0

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        try:
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
                written += 65_536
        except ConnectionError:
            writer.close()

    async with serving(flood) as port:
        tunnel = await client.open_tunnel("n1", target_port=port)
        with socket.create_connection(("127.0.0.1", tunnel.public_port)):
            before = -1
            while written != before or not written:
                before = written
                await asyncio.sleep(0.3)
            stalled_at = written
            # The system's own socket buffers, and a window on the way.
            assert stalled_at < 40_000_000
        await until(lambda: hub.tunnels.tunnels[0].counters.connections_now == 0)


async def test_a_refused_target_and_one_that_is_not_allowed(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    hub, client = system
    async with serving(answer_digest) as port:
        pass
    for host in ("localhost", "192.0.2.1"):
        tunnel = await client.open_tunnel("n1", target_host=host, target_port=port)
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        assert await within(reader.read()) == b""
        writer.close()
    assert [record.reason for record in hub.audit if record.action == "tunnel.refused"] == ["dial_failed", "forbidden"]


async def test_an_http_target_that_refuses_answers_502(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    _, client = system
    async with serving(answer_http) as port:
        pass
    tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
    reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    status, _ = await read_response(reader)
    assert status.startswith(b"HTTP/1.1 502 Bad Gateway")
    assert await within(reader.read()) == b""
    writer.close()


async def test_a_request_whose_head_never_ends_answers_408(
    system: tuple[OmnyShellHub, OmnyShellClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.hub.tunnels.http.stream.HEAD_TIMEOUT", 0.2)
    _, client = system
    async with serving(answer_http) as port:
        tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n")
        assert (await read_response(reader))[0].startswith(b"HTTP/1.1 408")
        assert await within(reader.read()) == b""
        writer.close()


async def test_many_tiny_requests_and_an_early_end_arrive_whole(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    _, client = system
    count = 120
    async with serving(answer_http) as port:
        tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * count)
        writer.write_eof()
        for _ in range(count):
            assert (await read_response(reader))[0].startswith(b"HTTP/1.1 200")
        writer.close()


async def test_requests_of_the_client(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    hub, client = system
    tunnel = await client.open_tunnel("n1", target_port=80)
    assert tunnel.public_host == "127.0.0.1"
    assert [found.tunnel_id for found in await client.list_tunnels()] == [tunnel.tunnel_id]
    await client.close_tunnel(tunnel.tunnel_id[:6])
    assert await client.list_tunnels() == ()
    with pytest.raises(TunnelRejectedException):
        await client.close_tunnel(tunnel.tunnel_id)
    with pytest.raises(TunnelRejectedException) as rejected:
        await client.open_tunnel("nowhere", target_port=80)
    assert rejected.value.code == "node_offline"
    assert len(hub.tunnels) == 0


def tls_client(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.tunnel_ca))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_can_be_half_closed_both_ways(
    certificates: Certificates, system: tuple[OmnyShellHub, OmnyShellClient], version: ssl.TLSVersion
) -> None:
    _, client = system
    tls = tls_client(certificates)
    tls.minimum_version = tls.maximum_version = version
    data = os.urandom(1_000_000)

    async with serving(answer_digest) as port:
        tunnel = await client.open_tunnel("n1", target_port=port, secure=True)

        def exchange_over_tls() -> bytes:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
            got = b""
            with socket.create_connection(("127.0.0.1", tunnel.public_port), timeout=DEADLINE) as sock:

                def step(action: Callable[[], object]) -> object:
                    while True:
                        try:
                            return action()
                        except ssl.SSLWantReadError:
                            sock.sendall(outgoing.read())
                            received = sock.recv(65_536)
                            incoming.write(received) if received else incoming.write_eof()
                        finally:
                            sock.sendall(outgoing.read())

                step(session.do_handshake)
                step(lambda: session.write(data))
                with pytest.raises(ssl.SSLWantReadError):
                    session.unwrap()
                sock.sendall(outgoing.read())
                while True:
                    try:
                        piece = step(lambda: session.read(65_536))
                    except ssl.SSLZeroReturnError:
                        return got
                    assert isinstance(piece, bytes)
                    if not piece:
                        return got
                    got += piece

        got = await within(asyncio.to_thread(exchange_over_tls))
        assert got == hashlib.sha256(data).digest() + data


async def test_what_is_no_tls_never_reaches_the_target(
    certificates: Certificates, system: tuple[OmnyShellHub, OmnyShellClient]
) -> None:
    hub, client = system
    reached = []

    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer)
        writer.close()

    async with serving(handle) as port:
        tunnel = await client.open_tunnel("n1", target_port=port, secure=True)
        for attempt in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
            writer.write(attempt)
            writer.write_eof()
            await within(reader.read())
            writer.close()
        await until(lambda: hub.tunnels.tunnels[0].counters.connections_now == 0)
    assert reached == []


async def test_a_certificate_of_its_own(certificates: Certificates, tmp_path: Path) -> None:
    made = CertGenerator().generate(tmp_path / "own", ["tunnels.example"])
    config = hub_config(
        certificates,
        tunnel_ports=free_range(),
        host="127.0.0.1",
        tunnel_cert=made.hub_pem_path,
        tunnel_key=made.hub_key_path,
    )
    async with (
        OmnyShellHub(config) as hub,
        connected_client(certificates, hub.port) as client,
        serving(answer_digest) as port,
    ):
        tunnel = await client.open_tunnel(target_port=port, secure=True)
        tls = ssl.create_default_context(cafile=str(made.ca_pem_path))
        reader, writer = await within(
            asyncio.open_connection("127.0.0.1", tunnel.public_port, ssl=tls, server_hostname="tunnels.example")
        )
        writer.close()
        del reader


async def answer_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A strict server that answers each request with its head and its body as it read them."""
    server = h11.Connection(h11.SERVER)
    while True:
        event = server.next_event()
        if event is h11.NEED_DATA:
            server.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Request):
            lines = [b"%s %s" % (event.method, event.target), *(b"%s: %s" % pair for pair in event.headers)]
            body = b""
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            content = b"\n".join(lines) + b"\n\n" + body
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))
            if server.their_state is not h11.DONE:
                break
            server.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
        else:
            break
    writer.close()


async def read_response(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await within(reader.readuntil(b"\r\n\r\n"))
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head, await within(reader.readexactly(length))


async def test_every_request_of_a_connection_is_marked(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    hub, client = system
    async with serving(answer_http) as port:
        tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        body = os.urandom(200_000)
        posts = b"".join(
            b"%x;ext\r\n%s\r\n" % (len(body[at : at + 999]), body[at : at + 999]) for at in range(0, 200_000, 999)
        )
        stream = (
            b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
            b"POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + posts + b"0\r\n\r\n"
            b"PUT /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n" + body
        ) * 3 + b"GET /last HTTP/1.1\r\nHost: h\r\n\r\n"
        writer.write(stream)
        ids = set()
        for number in range(10):
            _, content = await read_response(reader)
            head, _, got = content.partition(b"\n\n")
            assert b"x-omnyshell-node: n1" in head
            assert b"via: 1.1 omnyshell-hub" in head
            spoofed = number % 3 == 2
            assert (b"x-forwarded-for: 9.9.9.9, 127.0.0.1" if spoofed else b"x-forwarded-for: 127.0.0.1") in head
            assert got == (b"" if number % 3 == 0 else body)
            ids.add(head[head.index(b"x-request-id") :].split(b"\n")[0])
        assert len(ids) == 10
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")
        head, _ = await read_response(reader)
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert await within(reader.read()) == b""
        writer.close()
        await until(lambda: hub.tunnels.tunnels[0].counters.connections_now == 0)
        assert ("tunnel.refused", "http 400") in [(record.action, record.reason) for record in hub.audit]


async def test_a_refusal_waits_for_the_answers_before_it(system: tuple[OmnyShellHub, OmnyShellClient]) -> None:
    _, client = system
    async with serving(answer_http) as port:
        tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        writer.write(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\nHost: h\n\n")
        assert b"GET /1" in (await read_response(reader))[1]
        assert (await read_response(reader))[0].startswith(b"HTTP/1.1 400")
        assert await within(reader.read()) == b""
        writer.close()


@pytest.mark.parametrize("secure", [False, True])
async def test_a_websocket_through_an_http_tunnel(
    certificates: Certificates, system: tuple[OmnyShellHub, OmnyShellClient], secure: bool
) -> None:
    _, client = system
    seen: dict[str, str | None] = {}

    async def echo(ws: ServerConnection) -> None:
        assert ws.request is not None
        seen.update({name: ws.request.headers.get(name) for name in ("X-Forwarded-Proto", "X-OmnyShell-Owner")})
        async for message in ws:
            await ws.send(message)

    async with serve_websocket(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        tunnel = await client.open_tunnel("@local", target_port=port, secure=secure, protocol=TunnelProtocol.HTTP)
        url = f"{'wss' if secure else 'ws'}://localhost:{tunnel.public_port}/"
        async with connect_websocket(
            url, compression=None, proxy=None, host="127.0.0.1", ssl=tls_client(certificates) if secure else None
        ) as ws:
            for message in ("GET / HTTP/1.1\n\n", os.urandom(300_000), "\r\n"):
                await ws.send(message)
                assert await within(ws.recv()) == message
    assert seen == {"X-Forwarded-Proto": "https" if secure else "http", "X-OmnyShell-Owner": "admin"}
