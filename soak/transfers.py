"""1 GiB through a command, a shell and a tunnel, each way; 10,000 requests of one connection through an HTTP tunnel."""

import argparse
import asyncio
import hashlib
import random
import time

import h11
from support.ports import free_range
from support.stack import connected_client
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve as serve_websocket

from omnyshell import OmnyShellClient, PtySpec, RemoteSession, SessionMode, TunnelProtocol
from soak.machines import machines
from soak.report import Figure, report

MIB = 1 << 20
BLOCK = random.Random(7).randbytes(MIB)
KEY = "00112233445566778899aabbccddeeff"
SOURCE = "head -c {size} /dev/zero | openssl enc -aes-128-ctr -K " + KEY + " -iv " + KEY
MARKS = ("x-forwarded-for", "x-omnyshell-tunnel-id", "x-request-id", "via", "forwarded")
SMUGGLED = [
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\nabc",
    b"GET / HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n",
    b"GET / HTTP/1.1\nHost: h\n\n",
    b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-For: me\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


class Rate:
    """Times a transfer."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def of(self, size: int) -> str:
        return f"{size / MIB / (time.monotonic() - self._began):.0f} MiB/s"


async def digest_of(command: str) -> str:
    """Run the source here, and return the hash of what it writes."""
    process = await asyncio.create_subprocess_shell(f"({command}) | sha256sum", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.split()[0].decode()


async def download(session: RemoteSession) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    async for chunk in session:
        # A terminal puts a return before each new line.
        digest.update(chunk.data.replace(b"\r", b"") if session.mode is SessionMode.SHELL else chunk.data)
        size += len(chunk.data)
    return digest.hexdigest(), size


async def through_sessions(client: OmnyShellClient, size: int) -> list[str]:
    """Returns what each transfer came to; one that is not whole begins with `LOST`."""
    source = SOURCE.format(size=size)
    # A terminal is for text: as many bytes, in lines.
    text = f"{SOURCE.format(size=size * 3 // 4)} | base64"
    said = []
    for name, command, mode in (("exec down", source, SessionMode.EXEC), ("shell down", text, SessionMode.SHELL)):
        expected = await digest_of(command)
        rate = Rate()
        pty = PtySpec() if mode is SessionMode.SHELL else None
        session = await client.open_session("n1", mode=mode, command=command, pty=pty)
        found, received = await download(session)
        said.append(f"{name} {rate.of(received)}" if found == expected else f"LOST {name}")
        print(said[-1], flush=True)
    rate = Rate()
    session = await client.open_session("n1", command="sha256sum")
    digest = hashlib.sha256()
    for _ in range(size // MIB):
        digest.update(BLOCK)
        await session.write(BLOCK)
    session.eof()
    output = b"".join([chunk.data async for chunk in session])
    whole = output.split()[0].decode() == digest.hexdigest()
    said.append(f"exec up {rate.of(size)}" if whole else "LOST exec up")
    return said


async def through_a_tunnel(client: OmnyShellClient, size: int) -> list[str]:
    """Up, half-close, and only then down, to a reader that rests now and then."""
    arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        digest = hashlib.sha256()
        while data := await reader.read(1 << 18):
            digest.update(data)
        arrived.set_result(digest.hexdigest())
        for _ in range(size // MIB):
            writer.write(BLOCK)
            await writer.drain()
        writer.close()

    expected = hashlib.sha256()
    for _ in range(size // MIB):
        expected.update(BLOCK)
    said = []
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        tunnel = await client.open_tunnel("n1", target_port=server.sockets[0].getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        rate = Rate()
        for _ in range(size // MIB):
            writer.write(BLOCK)
            await writer.drain()
        writer.write_eof()
        whole = await asyncio.wait_for(arrived, 120) == expected.hexdigest()
        said.append(f"tunnel up {rate.of(size)}" if whole else "LOST tunnel up")
        rate = Rate()
        digest, received, rests = hashlib.sha256(), 0, 0
        while data := await reader.read(1 << 18):
            digest.update(data)
            received += len(data)
            if received // (64 * MIB) > rests:
                rests += 1
                await asyncio.sleep(0.3)
        whole = digest.digest() == expected.digest()
        said.append(f"tunnel down, slow reader {rate.of(size)}" if whole else f"LOST tunnel down at {received}")
        writer.close()
    return said


async def answer_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A strict server that answers with the names of the headers it read, and the hash of the body."""
    server = h11.Connection(h11.SERVER)
    names, digest = b"", hashlib.sha256()
    try:
        while True:
            event = server.next_event()
            if event is h11.NEED_DATA:
                server.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                names, digest = b",".join(name for name, _ in event.headers), hashlib.sha256()
            elif isinstance(event, h11.Data):
                digest.update(event.data)
            elif isinstance(event, h11.EndOfMessage):
                body = names + b"\n" + digest.hexdigest().encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                server.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                server.send(h11.EndOfMessage())
                server.start_next_cycle()
                await writer.drain()
            elif isinstance(event, h11.ConnectionClosed):
                return
    except (h11.RemoteProtocolError, h11.LocalProtocolError, ConnectionError):
        return
    finally:
        writer.close()


def make_request(chooser: random.Random, number: int) -> tuple[bytes, str]:
    """A request in one of several forms, and the hash of its body."""
    body = chooser.randbytes(chooser.choice((0, 1, 100, 5000, 70_000))) if number % 3 else b""
    head = b"POST /%d HTTP/1.1\r\nHost: app\r\nX-Forwarded-For: spoofed\r\n" % number
    if not body:
        return b"GET /%d HTTP/1.1\r\nHost: app\r\n\r\n" % number, hashlib.sha256().hexdigest()
    digest = hashlib.sha256(body).hexdigest()
    if number % 2:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body, digest
    step = chooser.choice((17, 999, 20_000))
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", digest


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


async def many_requests(client: OmnyShellClient, count: int) -> tuple[int, float]:
    """Send requests over one connection, in bursts of up to ten; returns how many came through with their marks."""
    chooser, good, began = random.Random(3), 0, time.monotonic()
    async with await asyncio.start_server(answer_http, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        number = 0
        while number < count:
            burst = [make_request(chooser, number + at) for at in range(min(chooser.choice((1, 10)), count - number))]
            writer.write(b"".join(request for request, _ in burst))
            for _, digest in burst:
                head, body = await asyncio.wait_for(read_answer(reader), 20)
                names, _, found = body.decode().partition("\n")
                given = names.split(",")
                good += head.startswith(b"HTTP/1.1 200") and found == digest and all(given.count(m) == 1 for m in MARKS)
            number += len(burst)
        writer.close()
    return good, time.monotonic() - began


async def smuggling(client: OmnyShellClient) -> tuple[int, bool]:
    """Returns how many ambiguous requests were refused, and whether a WebSocket went through."""
    refused = 0
    async with await asyncio.start_server(answer_http, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
        for request in SMUGGLED:
            reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
            writer.write(request)
            head, _ = await asyncio.wait_for(read_answer(reader), 10)
            refused += head.startswith(b"HTTP/1.1 400")
            writer.close()

    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve_websocket(echo, "127.0.0.1", 0, compression=None) as served:
        port = next(iter(served.sockets)).getsockname()[1]
        tunnel = await client.open_tunnel("n1", target_port=port, protocol=TunnelProtocol.HTTP)
        async with connect(f"ws://127.0.0.1:{tunnel.public_port}/", compression=None, proxy=None) as ws:
            messages = [BLOCK[: size % MIB] for size in range(1, 3_000_000, 99_991)]
            for message in messages:
                await ws.send(message)
            whole = [await ws.recv() for _ in messages] == messages
    return refused, whole


async def run(size: int, requests: int) -> list[Figure]:
    async with (
        machines("--tunnel-port-range", str(free_range())) as (certificates, hub, _),
        connected_client(certificates, hub.port) as client,
    ):
        while not await client.list_nodes():
            await asyncio.sleep(0.05)
        said = [*await through_sessions(client, size), *await through_a_tunnel(client, size)]
        good, took = await many_requests(client, requests)
        refused, websocket = await smuggling(client)
    return [
        Figure(
            "1 GiB through exec, shell and tunnel, with half-close and a slow reader",
            "checksums equal, tail complete",
            f"{size // MIB} MiB: " + ", ".join(said),
            not any(text.startswith("LOST") for text in said),
        ),
        Figure(
            "10,000 requests of one kept connection through an HTTP tunnel: chunked, pipelined",
            "marks on each, bodies identical",
            f"{good} of {requests} whole and marked, in {took:.0f} s",
            good == requests,
        ),
        Figure(
            "ambiguous requests, and a WebSocket",
            "refused with 400; every message whole",
            f"{refused} of {len(SMUGGLED)} refused; WebSocket {'whole' if websocket else 'broken'}",
            refused == len(SMUGGLED) and websocket,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    report("transfers", *asyncio.run(asyncio.wait_for(run(options.mib * MIB, options.requests), 500)))


if __name__ == "__main__":
    main()
