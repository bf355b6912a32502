"""A terminal over links without sessions: what event loop, TLS and WebSocket frames leave to whoever does more.

`python -m bench.bare_links hub|node|client ...` are the three processes. The hub passes on what its two peers send;
nothing is addressed, granted, kept or emulated.
"""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from bench.bare_terminal import program_on_pty
from omnyshell import CertGenerator
from omnyshell.cli.ground.loop import run
from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode, pack_header
from omnyshell.transport.client_link import ClientLink
from omnyshell.transport.endpoint import WsServerEndpoint
from omnyshell.transport.link import WebSocketLink
from omnyshell.transport.server_link import ServerLink
from omnyshell.transport.tls_client import connect_tls

CHANNEL = 1
CHUNK = 64 * 1024


class Peer:
    """One end of a link; hands what arrives to `on_data`, and ends the process with the link."""

    link: WebSocketLink

    def __init__(self, on_data: Callable[[bytes | memoryview], object], on_open: Callable[[Self], None]) -> None:
        self.on_data = on_data
        self._on_open = on_open

    def link_opened(self) -> None:
        self._on_open(self)

    def text_received(self, _data: bytes) -> None:
        pass

    def binary_received(self, data: bytes | memoryview) -> None:
        self.on_data(data[HEADER_SIZE:])

    def channel_flooded(self, _channel: int) -> None:
        self.link.abort()

    def link_closed(self, _code: int, _reason: str) -> None:
        os._exit(0)

    def send(self, data: bytes | memoryview) -> None:
        self.link.send_binary(CHANNEL, pack_header(DataOpcode.STDOUT, CHANNEL, len(data)), data)


class Accepted(Peer):
    """An end of the hub's. What comes before there is another waits for it."""

    link: ServerLink

    def __init__(self, on_open: Callable[["Accepted"], None]) -> None:
        self._early: list[bytes] = []
        super().__init__(lambda data: self._early.append(bytes(data)), on_open)

    def join(self, other: "Accepted") -> None:
        self.on_data = other.send
        for data in self._early:
            other.send(data)


@contextmanager
def bare_links(directory: Path, command: str) -> Iterator[list[str]]:
    """A hub, and a node with a program on a PTY; yields the command of the client, which is to be started once."""
    made = CertGenerator().generate(directory / "links", ["127.0.0.1"])
    hub = subprocess.Popen(
        _role("hub", str(made.hub_pem_path), str(made.hub_key_path)), stdout=subprocess.PIPE, text=True
    )
    assert hub.stdout is not None
    access = (hub.stdout.readline().strip(), str(made.ca_pem_path))
    node = subprocess.Popen(_role("node", *access, command))
    try:
        yield _role("client", *access)
    finally:
        for process in (hub, node):
            process.kill()
            process.wait()
        hub.stdout.close()


async def serve(cert: str, key: str) -> int:
    """Pass on what the first two peers send to each other."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    opened: asyncio.Queue[Accepted] = asyncio.Queue()
    endpoint = WsServerEndpoint("127.0.0.1", 0, tls, lambda: Accepted(opened.put_nowait))
    await endpoint.start()
    print(endpoint.port, flush=True)
    first, second = await opened.get(), await opened.get()
    first.join(second)
    second.join(first)
    return await asyncio.get_running_loop().create_future()


async def pass_on(port: str, ca: str, source: int, target: int) -> int:
    """Send what the source yields, write what arrives to the target."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Peer] = loop.create_future()
    ended: asyncio.Future[int] = loop.create_future()
    peer = Peer(partial(os.write, target), opened.set_result)
    peer.link = ClientLink(peer, "127.0.0.1", int(port), "/")
    await connect_tls(peer.link, "127.0.0.1", int(port), ssl.create_default_context(cafile=ca))
    await opened

    def readable() -> None:
        data = os.read(source, CHUNK)
        if data:
            peer.send(data)
        else:
            loop.remove_reader(source)
            ended.set_result(0)

    loop.add_reader(source, readable)
    return await ended


def main(role: str, *words: str) -> int:
    """Be one of the three, until its link or its input ends."""
    if role == "hub":
        return run(serve(*words))
    if role == "client":
        return run(pass_on(*words, 0, 1))
    terminal, _ = program_on_pty(words[2])
    return run(pass_on(*words[:2], terminal, terminal))


def _role(role: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "bench.bare_links", role, *words]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
