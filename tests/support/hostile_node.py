"""A node in a thread of its own, made from the declarations of messages, that answers a real hub as it is told to."""

import asyncio
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from support.hostile import TS, UUID, body
from support.hostile_hub import OUTPUT, Alter, honest
from support.in_thread import in_thread
from support.raw_peer import RawPeer, logged_in
from support.stack import Certificates
from websockets.exceptions import ConnectionClosed

from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import ControlMessage, events
from omnyshell.protocol.messages.history import NodeSessionHistoryResponse
from omnyshell.protocol.messages.vitals import NodeSessionProcessesResponse, NodeVitalsResponse

FEATURES = (
    "interactive",
    "events",
    "forward",
    "history",
    "resume-offset",
    "screen-etag",
    "session-usage",
    "tunnel-eof",
    "vitals",
    "wide-input",
    "wide-window",
)
LINES = 5
"""How many lines have left the screen of each of its sessions."""

CAPABLE = ["exec", "shell", "detach", "tunnel", *FEATURES]

ANSWERS: dict[str, type[ControlMessage]] = {
    "node.sessions.list.request": m.NodeDetachedSessionsResponse,
    "node.sessions.kill.request": m.NodeDetachedSessionKillResponse,
    "node.sessions.detach.request": m.NodeActiveSessionDetachResponse,
    "node.sessions.screen.request": m.NodeSessionScreenResponse,
    "node.sessions.history.request": NodeSessionHistoryResponse,
    "node.sessions.live.request": events.NodeLiveSessionsResponse,
    "node.sessions.processes.request": NodeSessionProcessesResponse,
    "node.vitals.request": NodeVitalsResponse,
    "node.tunnel.connect": m.NodeTunnelConnected,
}
"""What each request of a hub is answered with; `node.session.open` besides."""


class HostileNode:
    """A node; what is set on it counts from the next message on."""

    def __init__(self, node_id: str) -> None:
        self._id = node_id
        self.alter: Alter = honest
        self.instead: dict[type[ControlMessage], type[ControlMessage]] = {}
        """What it says in place of something else: a refusal, or that somebody took a session that would have ended."""

        self.answered: list[type[ControlMessage]] = []

    async def register(self, peer: RawPeer) -> None:
        """Say what it is."""
        register = body(m.NodeRegister, nodeId=self._id, uid=f"nod_{self._id}", labels={"allow-roles": "developer"})
        await self._say(peer, m.NodeRegister, register)
        capabilities = body(m.NodeCapabilitiesMessage, features=CAPABLE, maxSessions=50)
        await self._say(peer, m.NodeCapabilitiesMessage, capabilities)

    async def serve(self, peer: RawPeer) -> None:
        """Answer until the connection ends."""
        async for raw in peer.ws:
            if isinstance(raw, str):
                message = json.loads(raw)
                await self._heard(peer, message["t"], message["d"], message.get("c"))

    async def _heard(self, peer: RawPeer, asked: str, data: dict[str, Any], channel: int | None) -> None:
        names = ("requestId", "sessionId", "tunnelId")
        fixed = {name: data[name] for name in names if name in data}
        fixed |= {"ok": True, "nodeId": self._id, "ownerUserId": data.get("principal", "admin"), "historyEnd": LINES}
        if asked == "node.session.open":
            fixed["sessionId"] = UUID if "resumeSessionId" in data else data["sessionId"]
            await self._run(peer, channel, fixed)
        elif asked in ANSWERS:
            await self._answer(peer, ANSWERS[asked], channel, fixed)
        if asked == "node.tunnel.connect":
            await self._answer(peer, m.ChannelClose, channel, {"reason": "normal"})

    async def _run(self, peer: RawPeer, channel: int | None, fixed: dict[str, Any]) -> None:
        """A session that prints a line and ends."""
        await self._answer(peer, m.NodeSessionOpened, channel, fixed | {"offsets": False})
        await peer.ws.send(struct.pack(">BBII", 1, 2, channel or 0, len(OUTPUT)) + OUTPUT)
        await self._answer(peer, m.ChannelExit, channel, fixed | {"exitCode": 0, "ts": TS})
        await self._answer(peer, m.ChannelClose, channel, {"reason": "normal"})

    async def _answer(
        self, peer: RawPeer, declared: type[ControlMessage], channel: int | None, fixed: dict[str, Any]
    ) -> None:
        declared = self.instead.get(declared, declared)
        await self._say(peer, declared, body(declared, **fixed), channel)

    async def _say(
        self, peer: RawPeer, declared: type[ControlMessage], whole: dict[str, Any], channel: int | None = None
    ) -> None:
        self.answered.append(declared)
        await peer.say(declared.TYPE, self.alter(declared, whole), channel)


@contextmanager
def hostile_node(
    certificates: Certificates, port: int, alter: Alter = honest, node_id: str = "n1"
) -> Iterator[HostileNode]:
    """The node, registered at a real hub; `alter` counts for what it says of itself already."""
    node = HostileNode(node_id)
    node.alter = alter

    async def main(ready: Callable[[], None], done: asyncio.Event) -> None:
        async with logged_in(certificates, port, "node", "box", FEATURES) as peer:
            await node.register(peer)
            await peer.still_there()
            ready()
            serving = asyncio.create_task(_until_closed(node, peer))
            await done.wait()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    with in_thread(main):
        yield node


async def _until_closed(node: HostileNode, peer: RawPeer) -> None:
    with suppress(ConnectionClosed):
        await node.serve(peer)
