"""TLS of clients, against a plain server of the standard library."""

import asyncio
import gc
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support.deadline import DEADLINE
from support.stack import Certificates, connected_client

from omnyshell import TransportException
from omnyshell.errors import UntrustedHubException
from omnyshell.transport.tls import chain_of, client_context, server_context
from omnyshell.transport.tls_client import TlsClientTransport, connect_tls

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Receiver(asyncio.BufferedProtocol):
    """Collects what arrives, and notes what becomes of the connection."""

    def __init__(self, room: int = 1000) -> None:
        self.buffer = memoryview(bytearray(room))
        self.received = bytearray()
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self.has_ended = False
        self.writable = asyncio.Event()
        self.pauses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.buffer[:nbytes]

    def eof_received(self) -> None:
        self.has_ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    def pause_writing(self) -> None:
        self.pauses += 1

    def resume_writing(self) -> None:
        self.writable.set()


@asynccontextmanager
async def serving(certificates: Certificates, serve: Serve) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    tls = server_context(certificates.cert, certificates.key)
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect(certificates: Certificates, port: int, protocol: Receiver) -> TlsClientTransport:
    async with asyncio.timeout(DEADLINE):
        await connect_tls(protocol, "127.0.0.1", port, client_context(certificates.ca))
    assert isinstance(protocol.transport, TlsClientTransport)
    return protocol.transport


@pytest.mark.parametrize("room", [1, 1000, 300_000])
async def test_all_bytes_arrive_and_the_end_is_told_whatever_room_the_protocol_has(
    certificates: Certificates, room: int
) -> None:
    size = 3_000_000 if room > 1 else 20_000
    data = os.urandom(size)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(data)
        await writer.drain()

    async with serving(certificates, serve) as port:
        protocol = Receiver(room)
        transport = await connect(certificates, port, protocol)
        transport.write(b"go")
        async with asyncio.timeout(DEADLINE):
            assert await protocol.lost is None
        assert protocol.received == data
        assert protocol.has_ended
        assert transport.is_closing()
        transport.write(b"nobody reads this")
        transport.close()


async def test_a_slow_reader_pauses_the_writer_and_gets_everything(certificates: Certificates) -> None:
    go = asyncio.Event()
    digest = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await go.wait()
        digest.set_result(hashlib.sha256(await reader.read(-1)).digest())

    data = os.urandom(30_000_000)
    async with serving(certificates, serve) as port:
        protocol = Receiver()
        transport = await connect(certificates, port, protocol)
        transport.set_write_buffer_limits(high=100_000)
        transport.writelines([data[:100], data[100:]])
        assert protocol.pauses == 1
        assert transport.get_write_buffer_size() > 100_000
        go.set()
        async with asyncio.timeout(DEADLINE):
            await protocol.writable.wait()
            transport.close()
            assert await digest == hashlib.sha256(data).digest()
            await protocol.lost


async def test_reading_can_be_paused(certificates: Certificates) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        await writer.drain()
        await reader.read(1)

    async with serving(certificates, serve) as port:
        protocol = Receiver()
        transport = await connect(certificates, port, protocol)
        transport.pause_reading()
        transport.write(b"ping")
        await asyncio.sleep(0)
        assert not protocol.received
        transport.resume_reading()
        async with asyncio.timeout(DEADLINE):
            while not protocol.received:
                await asyncio.sleep(0.001)
        assert protocol.received == b"ping"
        transport.abort()
        async with asyncio.timeout(DEADLINE):
            await protocol.lost


async def test_another_authority_another_name_and_no_tls_are_refused(certificates: Certificates) -> None:
    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serving(certificates, serve) as port:
        with pytest.raises(UntrustedHubException) as refused:
            await connect_tls(Receiver(), "127.0.0.1", port, client_context(None))
        assert refused.value.chain == chain_of(certificates.cert)

    async def no_tls(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    async with server:
        plain = server.sockets[0].getsockname()[1]
        with pytest.raises(ssl.SSLError):
            await connect_tls(Receiver(), "127.0.0.1", plain, client_context(certificates.ca))

    async def leaves(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(leaves, "127.0.0.1", 0)
    async with server:
        silent = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionError):
            await connect_tls(Receiver(), "127.0.0.1", silent, client_context(certificates.ca))


async def test_whoever_gives_up_the_handshake_leaves_no_connection(certificates: Certificates) -> None:
    ended = asyncio.get_running_loop().create_future()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(-1)
        except ConnectionError:
            pass
        finally:
            writer.close()
            ended.set_result(None)

    server = await asyncio.start_server(never_answers, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connect_tls(Receiver(), "127.0.0.1", port, client_context(certificates.ca))
        async with asyncio.timeout(DEADLINE):
            await ended


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_handshake_that_fails_as_its_waiter_is_given_up_is_nobodys_error(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, *, is_early: bool
) -> None:
    loop = asyncio.get_running_loop()
    connecting = loop.create_connection
    errors: list[object] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    wires: list[asyncio.BaseProtocol] = []

    async def given_up(wire_of: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> None:
        transport, wire = await connecting(wire_of, host, port)
        wires.append(wire)
        if is_early:
            wire.connection_lost(ConnectionResetError())
        transport.close()
        raise asyncio.CancelledError

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with serving(certificates, serve) as port:
        monkeypatch.setattr(loop, "create_connection", given_up)
        with pytest.raises(asyncio.CancelledError):
            await connect_tls(Receiver(), "127.0.0.1", port, client_context(certificates.ca))
        monkeypatch.undo()
        wires.pop().connection_lost(ConnectionResetError())
    # The loop lets go of the connection in its next turn.
    await asyncio.sleep(0)
    gc.collect()
    assert not errors


async def test_a_server_that_is_no_hub_is_told_from_a_lost_one(certificates: Certificates) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()

    async with serving(certificates, serve) as port:
        with pytest.raises(TransportException, match=f"127.0.0.1:{port} does not speak as a hub does .*HTTP 200"):
            async with connected_client(certificates, port):
                pass
