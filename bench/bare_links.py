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

from bench.bare_terminal import program_on_pty
from omnyshell import CertGenerator
from omnyshell.cli.loop import run
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

    def __init__(self, on_data: Callable[[bytes | memoryview], object]) -> None:
        self.on_data = on_data
        self.opened = asyncio.Event()

    def link_opened(self) -> None:
        self.opened.set()

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

    def __init__(self) -> None:
        self._early: list[bytes] = []
        super().__init__(lambda data: self._early.append(bytes(data)))

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
    peers: list[Accepted] = []

    def accept() -> Accepted:
        peers.append(Accepted())
        return peers[-1]

    endpoint = WsServerEndpoint("127.0.0.1", 0, tls, accept)
    await endpoint.start()
    print(endpoint.port, flush=True)
    while len(peers) < 2:
        await asyncio.sleep(0.05)
    for peer in peers:
        await peer.opened.wait()
    peers[0].join(peers[1])
    peers[1].join(peers[0])
    return await asyncio.get_running_loop().create_future()


async def pass_on(port: str, ca: str, source: int, target: int) -> int:
    """Send what the source yields, write what arrives to the target."""
    peer = Peer(partial(os.write, target))
    peer.link = ClientLink(peer, "127.0.0.1", int(port), "/")
    await connect_tls(peer.link, "127.0.0.1", int(port), ssl.create_default_context(cafile=ca))
    await peer.opened.wait()
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def readable() -> None:
        data = os.read(source, CHUNK)
        if data:
            peer.send(data)
        else:
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
