"""A principal that takes all it can get of a hub, resource by resource, from peers that know the wire alone."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from support.ports import free_range
from support.raw_peer import STDOUT, RawPeer, logged_in, registered, stranger
from support.rights import answer_for_ever
from support.stack import Certificates, hub_config, until
from websockets.exceptions import ConnectionClosed

from omnyshell import OmnyShellHub, TokenAuthenticator, TokenGrant
from omnyshell.protocol.limits import BULK_PAYLOAD, INITIAL_CREDIT, MAX_CREDIT
from omnyshell.services.hub.ground.limits import EVERYBODY, Allowance, Resource

CROWD = tuple(f"m{number}" for number in range(8))
"""More attackers, who act together."""

CLIENT = ("events", "admin", "forward")
LARGE = 3 * 1024 * 1024


class Attacked:
    """A hub under attack. What is taken is held until `give_back`, or until the end."""

    def __init__(self, certificates: Certificates, hub: OmnyShellHub) -> None:
        self.hub = hub
        self._certificates = certificates
        self._held: dict[str, AsyncExitStack] = {}
        self._clients: dict[str, RawPeer] = {}
        self._number = 0

    async def give_back(self, who: str) -> None:
        """Drop every connection of a principal, with what they have."""
        self._clients.pop(who, None)
        stack = self._held.pop(who, None)
        if stack is not None:
            await stack.aclose()

    async def aclose(self) -> None:
        for who in list(self._held):
            await self.give_back(who)

    def next_number(self) -> int:
        self._number += 1
        return self._number

    async def enter(self, who: str, connection: Any) -> RawPeer:
        """Hold a connection for somebody."""
        stack = self._held.setdefault(who, AsyncExitStack())
        peer: RawPeer = await stack.enter_async_context(connection)
        return peer

    async def new_client(self, who: str, role: str = "client") -> RawPeer:
        return await self.enter(who, logged_in(self._certificates, self.hub.port, role, who, CLIENT))

    async def client(self, who: str) -> RawPeer:
        """The same connection each time."""
        if who not in self._clients:
            self._clients[who] = await self.new_client(who)
        return self._clients[who]

    def deaf(self, who: str, peer: RawPeer) -> None:
        """Have somebody's connection cut at its end: it has not read what it would have to before it can close."""
        self._held[who].callback(peer.ws.transport.abort)

    async def outside(self, who: str, port: int) -> None:
        """Hold a connection to a public port."""
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        self._held.setdefault(who, AsyncExitStack()).push_async_callback(_closed, writer)

    # Taking one more: why it was refused, or nothing

    async def take_connection(self, who: str) -> str:
        peer = await self.enter(who, stranger(self._certificates, self.hub.port))
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": who, "token": f"{who}-token"})
        return told_by(await peer.hear(), "auth.ok")

    async def take_session(self, who: str, node_id: str = "n1") -> str:
        client = await self.client(who)
        await client.say("session.open", {"nodeId": node_id, "command": "sleep 600"}, self.next_number())
        return told_by(await client.hear(), "session.opened")

    async def take_session_anywhere(self, who: str) -> str:
        return await self.take_session(who, f"n{1 + self._number % 3}")

    async def take_forward(self, who: str) -> str:
        client = await self.client(who)
        await client.say("session.open", {"nodeId": "n1", "mode": "forward"}, self.next_number())
        return told_by(await client.hear(), "session.opened")

    async def take_tunnel(self, who: str) -> str:
        client = await self.client(who)
        request = {"requestId": "t", "nodeId": "@local", "targetPort": 80}
        await client.say("tunnel.open.request", request)
        return told_by(await client.hear(), "tunnel.opened")

    async def take_subscription(self, who: str) -> str:
        """On a connection of its own: one has four at most."""
        client = await self.new_client(who)
        await client.say("events.subscribe", {"subscriptionId": "s", "parts": ["nodes"]})
        return told_by(await client.hear(), "events.snapshot")

    async def take_answer(self, who: str) -> str:
        """Ask a node that never answers."""
        client = await self.client(who)
        number = f"r{self.next_number()}"
        await client.say("sessions.kill.request", {"requestId": number, "nodeId": "deaf", "sessionRef": "x"})
        await client.say("ping", {"id": number, "ts": "2026-01-02T03:04:05.678Z"})
        why = told_by(await client.hear(), "pong")
        if why:
            await client.hear("pong")
        return why

    async def take_node_id(self, who: str) -> str:
        node = await self.new_client(who, "node")
        await node.say("node.register", {"nodeId": f"{who}-{self.next_number()}", "platform": {"os": "x", "arch": "x"}})
        return told_by(await node.hear(), "node.registered")

    async def take_memory(self, who: str) -> str:
        """Begin a large message, and say whether the hub still listens."""
        client = await self.new_client(who)
        frame = struct.pack(">BBQI", 0x81, 0x80 | 127, LARGE + 100_000, 0) + b" " * LARGE
        quota = self.hub._services.quota
        account = quota.account(who)
        assert account is not None
        refused, had = quota.refused[Resource.UNFINISHED], account.unfinished
        # What would close it is read as more of the message.
        self.deaf(who, client)
        client.ws.transport.write(frame)
        await until(lambda: quota.refused[Resource.UNFINISHED] > refused or account.unfinished >= had + LARGE)
        if quota.refused[Resource.UNFINISHED] == refused:
            return ""
        return told_by(await client.hear_whenever(), "nothing")


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


def frame(kind: int, payload: bytes) -> bytes:
    """A masked WebSocket frame of up to 65,535 bytes whose mask changes nothing."""
    size = len(payload)
    head = bytes((kind, 0x80 | size)) if size < 126 else struct.pack(">BBH", kind, 0x80 | 126, size)
    return head + bytes(4) + payload


def text_frame(text: str) -> bytes:
    return frame(0x81, text.encode())


def data_frame(opcode: int, channel: int, payload: bytes) -> bytes:
    return frame(0x82, struct.pack(">BBII", 1, opcode, channel, len(payload)) + payload)


async def with_session(world: Attacked, who: str) -> RawPeer:
    """A client with a command that reads whatever comes, on channel 1."""
    client = await world.new_client(who)
    await client.say("session.open", {"nodeId": "n1", "command": "cat >/dev/null"}, 1)
    await client.hear("session.opened")
    return client


async def as_node(world: Attacked, who: str) -> RawPeer:
    """A node with a session on channel 1, which an administrator has."""
    node_id = f"{who}-{world.next_number()}"
    node, client = await world.new_client(who, "node"), await world.new_client("admin")
    await node.say("node.register", {"nodeId": node_id, "platform": {"os": "x", "arch": "x"}})
    await node.hear("node.registered")
    await client.say("session.open", {"nodeId": node_id, "command": "x"}, 1)
    asked = await node.hear("node.session.open")
    await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
    await client.hear("session.opened")
    world.deaf("admin", client)
    return node


async def with_tunnel(world: Attacked, who: str) -> RawPeer:
    """A client that has exposed something, and has a connection from the outside."""
    client = await world.new_client(who)
    await client.say("tunnel.open.request", {"requestId": "t", "nodeId": "@local", "targetPort": 80})
    port = (await client.hear("tunnel.opened"))["d"]["publicPort"]
    await world.outside(who, port)
    asked = await client.hear("node.tunnel.connect")
    await client.say("node.tunnel.connected", {"tunnelId": asked["d"]["tunnelId"]}, asked["c"])
    return client


@dataclass(frozen=True)
class Flood:
    """What is said again and again, and how many messages answer each time."""

    data: bytes
    answers: int = 0
    cost: float = 1.0
    """How many requests it counts for, each time."""

    begin: Callable[[Attacked, str], Awaitable[RawPeer]] = Attacked.new_client
    who: str = ""
    """The only one who can say it, if not whoever."""

    is_data: bool = False
    """Whether it costs credit, which nobody gives back."""


SMALL_INPUT, SMALL_OUTPUT = 1 / 16, 1 / 32
FRAGMENTS = 40

FLOODS: dict[str, Flood] = {
    "requests": Flood(text_frame('{"t":"node.list.request","d":{}}'), 1),
    "pings": Flood(text_frame('{"t":"ping","d":{"id":"x","ts":"2026-01-02T03:04:05.678Z"}}'), 1),
    "requests of a node": Flood(text_frame('{"t":"sessions.list.request","d":{"requestId":"r","nodeId":"n1"}}'), 1),
    "requests without a right": Flood(text_frame('{"t":"admin.hub.request","d":{"requestId":"r"}}'), 1),
    "no JSON": Flood(text_frame("{")),
    "unknown messages": Flood(text_frame('{"t":"x","d":{}}')),
    "windows without a channel": Flood(text_frame('{"t":"channel.window","c":9,"d":{"credit":1}}')),
    "data without a channel": Flood(data_frame(1, 9, b"x"), cost=SMALL_INPUT),
    "data without a header": Flood(frame(0x82, b"x")),
    "empty data": Flood(data_frame(1, 1, b""), begin=with_session),
    "tiny data": Flood(data_frame(1, 1, b"x"), cost=SMALL_INPUT, begin=with_session, is_data=True),
    "empty output of a node": Flood(data_frame(2, 1, b""), begin=as_node, who="rogue"),
    "tiny output of a node": Flood(data_frame(2, 1, b"x"), cost=SMALL_OUTPUT, begin=as_node, who="rogue", is_data=True),
    "empty data of a tunnel": Flood(data_frame(2, 0x40000000, b""), begin=with_tunnel),
    "tiny data of a tunnel": Flood(data_frame(2, 0x40000000, b"x"), cost=SMALL_INPUT, begin=with_tunnel, is_data=True),
    "WebSocket pings": Flood(frame(0x89, b"")),
    "a message in fragments": Flood(
        frame(0x01, b"{") + frame(0x00, b" ") * (FRAGMENTS - 2) + frame(0x80, b"}"), cost=FRAGMENTS
    ),
}


async def pouring_node(world: Attacked, node_id: str, role: str) -> RawPeer:
    """A node of `rogue`, to be given to `pour`."""
    node = await world.new_client("rogue", "node")
    about = {"nodeId": node_id, "platform": {"os": "x", "arch": "x"}, "labels": {"allow-roles": role}}
    await node.say("node.register", about)
    await node.hear("node.registered")
    return node


async def pour(node: RawPeer) -> None:
    """Open every session, and send as much on each as is granted, for ever."""
    while True:
        message = await node.hear_whenever()
        if message["t"] == "node.session.open":
            await node.say("node.session.opened", {"sessionId": message["d"]["sessionId"]}, message["c"])
        elif message["t"] == "channel.window":
            for _ in range(message["d"]["credit"] // BULK_PAYLOAD):
                await node.send_data(STDOUT, message["c"], bytes(BULK_PAYLOAD))


async def ask_for_much(client: RawPeer, node_id: str, count: int) -> None:
    """Open sessions, and grant each what a session may be granted."""
    for channel in range(1, count + 1):
        await client.say("session.open", {"nodeId": node_id, "command": "x"}, channel)
        await client.hear("session.opened")
    for channel in range(1, count + 1):
        await client.say("channel.window", {"credit": MAX_CREDIT - INITIAL_CREDIT}, channel)


def told_by(message: dict[str, Any], good: str) -> str:
    """Why something was refused; nothing where it was not."""
    if message["t"] == good:
        return ""
    told = message["d"]
    assert told.get("code", told.get("reason", "capacity_exceeded")) == "capacity_exceeded", message
    return str(told["message"])


@dataclass(frozen=True)
class Attack:
    """How a resource is taken, and whether there is a pool of it that several could empty."""

    take: Callable[[Attacked, str], Awaitable[str]]
    has_pool: bool = False
    attacker: str = "mallory"
    other: str = "ann"
    limit: int | None = None
    """Set for everybody, where the default is too many for a test."""


ATTACKS: dict[Resource, Attack] = {
    Resource.CONNECTIONS: Attack(Attacked.take_connection, has_pool=True),
    Resource.SESSIONS_AT_NODE: Attack(Attacked.take_session, has_pool=True),
    Resource.SESSIONS: Attack(Attacked.take_session_anywhere, limit=6),
    Resource.CHANNELS: Attack(Attacked.take_session_anywhere, limit=5),
    Resource.FORWARDS: Attack(Attacked.take_forward, limit=5),
    Resource.TUNNELS: Attack(Attacked.take_tunnel, has_pool=True),
    Resource.SUBSCRIPTIONS: Attack(Attacked.take_subscription, limit=6),
    Resource.PENDING: Attack(Attacked.take_answer, limit=5),
    Resource.NODE_IDS: Attack(Attacked.take_node_id, attacker="rogue", other="box"),
    Resource.UNFINISHED: Attack(Attacked.take_memory, limit=4),
}
"""What is held. Requests and refusals are not: they have tests of their own."""


@asynccontextmanager
async def attacked(
    certificates: Certificates, limits: dict[Resource, int] | None = None, **changes: Any
) -> AsyncIterator[Attacked]:
    """A small hub with nodes `n1`, `n2`, `n3` that open every session, and `deaf`, which answers nothing."""
    users = ("mallory", "ann", *CROWD)
    tokens = [f"{who}:{who}-token:ops" for who in users]
    tokens += ["admin:admin-token:admin", "box:box-token:node", "fleet:fleet-token:node", "rogue:rogue-token:node"]
    quotas = (Allowance(limits, frozenset({EVERYBODY})),) if limits else ()
    settings: dict[str, Any] = {
        "authenticator": TokenAuthenticator([TokenGrant.parse(text) for text in tokens]),
        "tunnel_ports": free_range(8),
        "host": "127.0.0.1",
        "open_local_tunnels": True,
        "quotas": quotas,
    }
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(OmnyShellHub(hub_config(certificates, **settings | changes)))
        for node_id in ("n1", "n2", "n3", "deaf"):
            await stack.enter_async_context(_node(certificates, hub, node_id))
        world = Attacked(certificates, hub)
        try:
            yield world
        finally:
            await world.aclose()


@asynccontextmanager
async def _node(certificates: Certificates, hub: OmnyShellHub, node_id: str) -> AsyncIterator[None]:
    about = {"principal": "fleet", "labels": {"allow-roles": "ops"}, "features": ("forward",)}
    async with registered(certificates, hub.port, node_id, **about) as node:
        await node.say("node.capabilities", {"features": ["exec", "shell", "detach", "tunnel"], "maxSessions": 8})
        await node.still_there()
        answering = asyncio.create_task(answer_for_ever(node, opens=True)) if node_id != "deaf" else None
        try:
            yield
        finally:
            if answering is not None:
                answering.cancel()
                with suppress(asyncio.CancelledError, ConnectionClosed):
                    await answering
