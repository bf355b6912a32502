"""A whole hub without sockets: its connections are objects that speak WebSocket frames, its time stands still.

Everything between is the hub's own. Nothing here awaits: each step returns when the hub has done all it does at once.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from support.stack import Certificates, hub_config
from support.still_loop import StillLoop
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from omnyshell import HubConfig, OmnyShellHub
from omnyshell.model.nodes import PlatformInfo
from omnyshell.protocol import messages as m
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode, pack_data, unpack_header
from omnyshell.protocol.messages.admin import AdminRequest
from omnyshell.protocol.messages.extending import extension_messages
from omnyshell.services.hub import hub as hub_module
from omnyshell.services.hub.ground import certificate
from omnyshell.services.hub.ground.certificate import HubCertificate, LoadedPair, load_pair
from omnyshell.services.hub.ground.watched_files import Stamp, stamp_of
from omnyshell.transport.endpoint import WsServerEndpoint
from omnyshell.transport.server_link import ServerLink

CODEC = FrameCodec().learn(extension_messages())
BEGAN = datetime.now(UTC).replace(microsecond=0)
"""Certificates of tests are good from about now on."""

HEARTBEAT = 10.0
PLATFORM = PlatformInfo(os="linux", arch="x64")

Said = TypeVar("Said", bound=m.ControlMessage)


class LoopClock:
    """The clock of a loop that stands still."""

    def __init__(self, loop: StillLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()


class UnboundEndpoint(WsServerEndpoint):
    """Binds nothing, and takes the connections that a test makes."""

    async def start(self) -> None:
        pass

    @property
    def port(self) -> int:
        return 443

    def connect(self, transport: "MemoryTransport", address: str) -> None:
        owner = self._on_connection()
        link = owner.link = ServerLink(owner, 2**20, 10.0, self._responder, peer_address=address)
        transport.link = link
        link.connection_made(cast("Any", transport))


class MemoryTransport:
    """What a link writes into. A peer that reads nothing leaves all of it here."""

    link: ServerLink

    def __init__(self, loop: StillLoop) -> None:
        self._loop = loop
        self._unread = bytearray()
        self._is_closing = False
        self._high = 65536
        self.is_reading = True
        self.arrived: Callable[[bytes], None] = lambda _data: None
        """Told what was written, in a turn of its own."""

    def write(self, data: Any) -> None:
        if self.is_reading:
            self._loop.call_soon(self.arrived, bytes(data))
            return
        self._unread.extend(data)
        if len(self._unread) > self._high:
            self.link.pause_writing()

    def writelines(self, lines: Any) -> None:
        self.write(b"".join(lines))

    def link_received(self, data: bytes) -> None:
        """Have the link read what the other side has written."""
        while data and not self._is_closing:
            view = self.link.get_buffer(-1)
            size = min(len(view), len(data))
            view[:size] = data[:size]
            self.link.buffer_updated(size)
            data = data[size:]

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def set_write_buffer_limits(self, high: int) -> None:
        self._high = high

    def get_extra_info(self, _name: str) -> None:
        return None

    def read_all(self) -> None:
        """Read from now on, and what has waited."""
        self.is_reading = True
        self._loop.call_soon(self.arrived, bytes(self._unread))
        self._unread.clear()
        self.link.resume_writing()

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self._is_closing

    def abort(self) -> None:
        self._end(None)

    def close(self) -> None:
        self._end(None)

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def _end(self, error: Exception | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self.link.connection_lost, error)


class MemoryPeer:
    """One connection, as its other side has it."""

    def __init__(self, hub: "MemoryHub", address: str) -> None:
        self._hub = hub
        self._transport = MemoryTransport(hub.loop)
        self._ws = ClientProtocol(parse_uri("ws://hub/"))
        self.inbox: list[tuple[int, Any]] = []
        """What was said on which channel: messages, and payloads of data."""

        self._requests = 0
        self._is_silent = False
        self._transport.arrived = self._arrived
        hub.loop.do(lambda: hub.endpoint.connect(self._transport, address))
        self._ws.send_request(self._ws.connect())
        self._exchange()

    # What it says

    def says(self, message: m.ControlMessage, channel: int | None = None) -> None:
        """Say a message."""
        self.says_raw(encode_control(message, channel))

    def says_raw(self, text: bytes) -> None:
        """Say any text."""
        self._ws.send_text(text)
        self._exchange()

    def says_together(self, *messages: m.ControlMessage) -> None:
        """Say several messages before the hub gets to anything else."""
        for message in messages:
            self._ws.send_text(encode_control(message))
        self._exchange()

    def stays_silent(self) -> None:
        """Say nothing any more, not to a close either."""
        self._is_silent = True

    def sends(self, channel: int, payload: bytes, opcode: DataOpcode = DataOpcode.STDIN) -> None:
        """Send data on a channel."""
        self._ws.send_binary(pack_data(opcode, channel, payload))
        self._exchange()

    def asks(self, message: type[AdminRequest], **fields: Any) -> Any:
        """Make a request of the extension `admin`; returns its answer."""
        self._requests += 1
        wanted = f"r{self._requests}"
        self.says(message(request_id=wanted, **fields))
        found = [said for _, said in self.inbox if getattr(said, "request_id", None) == wanted]
        assert len(found) == 1, found
        return found[0]

    def leaves(self) -> None:
        """Close, as a peer does that ends."""
        self._ws.send_close(1000)
        self._exchange()
        self._hub.loop.do(self._transport.close)

    def vanishes(self) -> None:
        """End without a word."""
        self._hub.loop.do(self._transport.abort)

    def reads(self, is_reading: bool) -> None:
        """Go on reading, or read nothing more."""
        if is_reading:
            self._hub.loop.do(self._transport.read_all)
            self._exchange()
        else:
            self._transport.is_reading = False

    # What it hears

    def hears(self, expected: type[Said], channel: int | None = None) -> Said:
        """Return the next message of a kind, and forget it and what came before."""
        return self.hears_at(expected, channel)[1]

    def hears_at(self, expected: type[Said], channel: int | None = None) -> tuple[int, Said]:
        """Return on which channel the next message of a kind came, and the message; forget it and what came before."""
        self._exchange()
        for number, (at, said) in enumerate(self.inbox):
            if isinstance(said, expected) and channel in (None, at):
                del self.inbox[: number + 1]
                return at, said
        raise AssertionError(f"no {expected.__name__} in {self.inbox}, {self.closed_with}")

    def heard(self, kind: type[Said]) -> list[Said]:
        """Return all messages of a kind that have not been heard."""
        self._exchange()
        return [said for _, said in self.inbox if isinstance(said, kind)]

    def data(self, channel: int) -> bytes:
        """Return what has come on a channel."""
        self._exchange()
        return b"".join(said for at, said in self.inbox if at == channel and isinstance(said, bytes))

    @property
    def closed_with(self) -> int | None:
        """The code with which the hub closed; None while it has not."""
        self._exchange()
        closed = self._ws.close_rcvd
        return int(closed.code) if closed is not None else None

    @property
    def can_speak(self) -> bool:
        """Whether it says anything, and the connection is not closing."""
        return not self._is_silent and self._ws.state is State.OPEN

    @property
    def is_connected(self) -> bool:
        """Whether the connection is there."""
        self._exchange()
        return not self._transport.is_closing()

    def _exchange(self) -> None:
        """Have arrive what was said, and what the hub does then."""
        if self._hub.is_holding:
            self._hub.loop.call_soon(self._flush)
        else:
            self._hub.loop.do(self._flush)

    def _flush(self) -> None:
        if not self._is_silent:
            self._transport.link_received(b"".join(self._ws.data_to_send()))

    def _arrived(self, data: bytes) -> None:
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Frame):
                self._take(event)
        # Pings and closes are answered as they come.
        self._flush()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            said = CODEC.decode_control(bytes(frame.data))
            self.inbox.append((said.channel or 0, said.message))
        elif frame.opcode is Opcode.BINARY:
            _, channel = unpack_header(frame.data)
            self.inbox.append((channel, bytes(frame.data[HEADER_SIZE:])))


class MemoryHub:
    """The hub, started, and who connects to it."""

    def __init__(self, loop: StillLoop, config: HubConfig) -> None:
        self.loop = loop
        self.is_holding = False
        """Whether what peers say waits, to arrive together."""

        self._beats = itertools.count(1)
        self._nodes: list[tuple[str, MemoryPeer]] = []
        self.hub = OmnyShellHub(config)
        loop.wait_for(self.hub.start())
        self.endpoint = cast("UnboundEndpoint", self.hub._endpoint)

    platform = PLATFORM

    @property
    def spki_sha256(self) -> bytes:
        """What joining signs of the hub's certificate."""
        return HubCertificate(self.hub.config).current.spki_sha256

    def connects(self, address: str = "192.0.2.1") -> MemoryPeer:
        """Return a connection on which nobody has logged in."""
        return MemoryPeer(self, address)

    def get(self, path: str, address: str = "192.0.2.1") -> tuple[int, bytes]:
        """Ask for a plain page; returns its status and what it says."""
        transport, received = MemoryTransport(self.loop), bytearray()
        transport.arrived = received.extend
        self.loop.do(lambda: self.endpoint.connect(transport, address))
        self.loop.do(lambda: transport.link_received(f"GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n".encode()))
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        self.loop.do(transport.close)
        return int(head.split()[1]), body

    def logs_in(
        self,
        principal: str,
        role: str = "client",
        features: frozenset[str] = OF_HUB,
        token: str | None = None,
        address: str = "192.0.2.1",
    ) -> MemoryPeer:
        """Return a connection on which a principal has offered its token."""
        peer = self.connects(address)
        info: dict[str, object] = {"agent": "memory", "features": sorted(features)}
        peer.says(m.Hello(role=role, protocol_version=1, min_version=1, info=info))
        peer.says(m.AuthRequest(method="token", principal=principal, token=token or f"{principal}-token"))
        return peer

    def registers(self, node_id: str = "n1", principal: str = "box", **fields: Any) -> MemoryPeer:
        """Return the connection of a node that is registered."""
        node = self.logs_in(principal, "node")
        node.says(m.NodeRegister(node_id=node_id, platform=PLATFORM, **fields))
        assert node.hears(m.NodeRegistered).node_id == node_id
        self._nodes.append((node_id, node))
        return node

    def opens(self, client: MemoryPeer, node: MemoryPeer, channel: int = 1, **request: Any) -> tuple[int, str]:
        """Open a session between the two; returns the node's channel, and the session's id."""
        client.says(m.SessionOpen(**{"node_id": "n1", **request}), channel)
        node_channel, asked = node.hears_at(m.NodeSessionOpen)
        node.says(m.NodeSessionOpened(session_id=asked.session_id), node_channel)
        return node_channel, client.hears(m.SessionOpened, channel).session_id

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Have what several peers say arrive in one turn of the loop."""
        self.is_holding = True
        yield
        self.is_holding = False
        self.loop.settle()

    def passes(self, seconds: float) -> None:
        """Let time pass, in which nodes say that they live, save for those that stay silent."""
        while seconds > 0:
            step = min(seconds, HEARTBEAT)
            self.loop.passes(step)
            seconds -= step
            for node_id, node in self._nodes:
                if node.can_speak:
                    node.says(m.NodeHeartbeat(node_id=node_id, seq=next(self._beats), ts=self.hub.config.clock.now()))

    def leaps(self, seconds: float) -> None:
        """Have the hub go on so much later."""
        self.loop.leaps(seconds)

    def audited(self, pattern: str = "*") -> list[Any]:
        """Return the records of the audit trail whose action matches."""
        return [record for record in self.hub.audit if fnmatch(record.action, pattern)]


@cache
def _pair_as_it_was(cert: Path, key: Path, *_: Stamp) -> LoadedPair:
    return load_pair(cert, key)


def _load_pair_once(cert: Path, key: Path) -> LoadedPair:
    """What hubs before this one have read of the same files: to read them is half of a hub's start."""
    return _pair_as_it_was(cert, key, stamp_of(cert), stamp_of(key))


@contextmanager
def memory_hub(certificates: Certificates, **changes: Any) -> Iterator[MemoryHub]:
    """A hub that has ended afterwards."""
    loop = StillLoop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_module, "WsServerEndpoint", UnboundEndpoint)
        patch.setattr(certificate, "load_pair", _load_pair_once)
        try:
            hub = MemoryHub(loop, hub_config(certificates, clock=LoopClock(loop), **changes))
            try:
                yield hub
            finally:
                loop.wait_for(hub.hub.stop())
        finally:
            loop.close()
