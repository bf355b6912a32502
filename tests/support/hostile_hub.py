"""A hub in a thread of its own, made from the declarations of messages, that answers every request as it is told to."""

import asyncio
import json
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from support.hostile import TS, UUID, body
from support.in_thread import in_thread
from support.quiet_websockets import QUIET
from support.stack import Certificates
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from omnyshell.model.live import LiveSession
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import ControlMessage, admin, events
from omnyshell.protocol.messages.forwards import ForwardCloseResponse, ForwardsResponse
from omnyshell.protocol.messages.history import SessionHistoryResponse

Alter = Callable[[type[ControlMessage], dict[str, Any]], dict[str, Any]]

FEATURES = (
    "fleet-invites",
    "forward",
    "history",
    "hubs",
    "interactive",
    "locks",
    "events",
    "admin",
    "admin-ends",
    "audit-acknowledge",
    "audit-of-hubs",
    "resume-offset",
    "rights",
    "screen-etag",
    "tunnel-eof",
    "whole-view",
    "wide-input",
    "wide-window",
)
OUTPUT = b"output of the session\r\n"

ANSWERS: dict[str, type[ControlMessage]] = {
    "auth.request": m.AuthOk,
    "ping": m.Pong,
    "node.list.request": m.NodeListResponse,
    "session.detach.request": m.SessionDetached,
    "sessions.list.request": m.DetachedSessionsResponse,
    "sessions.kill.request": m.DetachedSessionKillResponse,
    "sessions.detach.request": m.ActiveSessionDetachResponse,
    "sessions.screen.request": m.SessionScreenResponse,
    "sessions.history.request": SessionHistoryResponse,
    "tunnel.open.request": m.TunnelOpened,
    "tunnel.close.request": m.TunnelCloseResponse,
    "tunnel.list.request": m.TunnelListResponse,
    "forwards.list.request": ForwardsResponse,
    "forwards.close.request": ForwardCloseResponse,
    "admin.hub.draining.request": admin.HubDrainingResponse,
    "admin.hub.invite": admin.HubInvited,
    "admin.hub.request": admin.HubInfoResponse,
    "admin.principals.request": admin.PrincipalsResponse,
    "admin.token.add": admin.TokenAdded,
    "admin.token.rotate": admin.TokenAdded,
    "admin.peers.request": admin.PeersResponse,
    "admin.sessions.request": admin.LiveSessionsResponse,
    "admin.tunnels.request": admin.AllTunnelsResponse,
    "admin.nodes.request": admin.NodeRecordsResponse,
    "admin.invite.create": admin.InviteCreated,
    "admin.access.request": admin.AccessResponse,
    "admin.invites.request": admin.InvitesResponse,
    "admin.audit.request": admin.AuditResponse,
    "admin.audit.page.request": admin.AuditPageResponse,
    "admin.locks.request": admin.LocksResponse,
    "events.subscribe": events.EventsSnapshot,
    "events.unsubscribe": events.EventsEnded,
    "join.request": admin.JoinAccepted,
    "node.register": m.NodeRegistered,
    "node.heartbeat": m.NodeHeartbeatAck,
}
"""What each request is answered with; every other request of an admin by `admin.result`."""


def honest(_declared: type[ControlMessage], whole: dict[str, Any]) -> dict[str, Any]:
    """Leave an answer as it is."""
    return whole


class HostileHub:
    """Serves one connection after another; what is set on it counts from the next message on."""

    def __init__(self) -> None:
        self.port = 0
        self.alter: Alter = honest
        """What becomes of each answer."""

        self.instead: dict[str, type[ControlMessage]] = {}
        """With what some requests are answered in place of what they ask for: a refusal, say."""

        self.unasked: list[tuple[str, dict[str, Any], int | None] | bytes] = []
        """What is sent before and behind each answer, though nobody asked."""

        self.close_reason: str | None = None
        """With what words the connection is closed in place of an answer to a login."""

        self.features: tuple[str, ...] = FEATURES
        self.output = OUTPUT
        """What programs print."""

        self.asked: list[str] = []
        self.answered: list[type[ControlMessage]] = []
        """What was asked, and with what it was answered."""

    @property
    def url(self) -> str:
        return f"wss://127.0.0.1:{self.port}"

    def behave(self) -> None:
        """Be an honest hub from now on."""
        self.alter, self.instead, self.unasked, self.close_reason = honest, {}, [], None
        self.output, self.asked, self.answered = OUTPUT, [], []

    async def serve(self, ws: ServerConnection) -> None:
        """Deal with one connection, until it is closed."""
        with suppress(ConnectionClosed):
            hello = {"role": "hub", "protocolVersion": 1, "minVersion": 1, "info": {"features": list(self.features)}}
            await self._say(ws, m.Hello, body(m.Hello, **hello))
            async for raw in ws:
                if isinstance(raw, str):
                    message = json.loads(raw)
                    await self._heard(ws, message["t"], message["d"], message.get("c"))

    async def _heard(self, ws: ServerConnection, asked: str, data: dict[str, Any], channel: int | None) -> None:
        self.asked.append(asked)
        if not self._asks(asked):
            # What is said unasked may be answered, as a ping is: an answer that brought more would have no end.
            return
        await self._say_unasked(ws)
        if asked == "auth.request" and self.close_reason is not None:
            await ws.close(4400, self.close_reason)
        elif asked in self.instead:
            declared = self.instead[asked]
            await self._say(ws, declared, body(declared, requestId=data.get("requestId"), fatal=True), channel)
        elif asked == "session.open":
            await self._run(ws, channel)
        elif asked in ANSWERS:
            declared = ANSWERS[asked]
            await self._say(ws, declared, _fitting(declared, data), channel)
        elif asked.startswith("admin."):
            await self._say(ws, admin.AdminResult, body(admin.AdminResult, requestId=data["requestId"], ok=True))
        await self._say_unasked(ws)

    def _asks(self, said: str) -> bool:
        return said in ANSWERS or said in self.instead or said == "session.open" or said.startswith("admin.")

    async def _say_unasked(self, ws: ServerConnection) -> None:
        for unasked in self.unasked:
            if isinstance(unasked, bytes):
                await ws.send(unasked)
            else:
                await self._send(ws, *unasked)

    async def _run(self, ws: ServerConnection, channel: int | None) -> None:
        """A session that prints a line and ends."""
        opened = body(m.SessionOpened, sessionId=UUID, offsets=False)
        await self._say(ws, m.SessionOpened, opened, channel)
        await ws.send(struct.pack(">BBII", 1, 2, channel or 0, len(self.output)) + self.output)
        await self._say(ws, m.ChannelExit, {"exitCode": 0, "ts": TS}, channel)
        await self._say(ws, m.ChannelClose, {"reason": "normal"}, channel)

    async def _say(
        self, ws: ServerConnection, declared: type[ControlMessage], whole: dict[str, Any], channel: int | None = None
    ) -> None:
        self.answered.append(declared)
        await self._send(ws, declared.TYPE, self.alter(declared, whole), channel)

    async def _send(self, ws: ServerConnection, type_: str, data: dict[str, Any], channel: int | None) -> None:
        envelope = {"t": type_, "d": data} | ({} if channel is None else {"c": channel})
        await ws.send(json.dumps(envelope))


def _fitting(declared: type[ControlMessage], asked: dict[str, Any]) -> dict[str, Any]:
    """An answer that fits what was asked, as an honest hub gives it."""
    fixed: dict[str, Any] = {
        name: asked[name]
        for name in ("requestId", "subscriptionId", "id", "ts", "seq", "nodeId", "principal", "secure", "protocol")
        if name in asked
    }
    if asked.get("publicPort") is not None:
        fixed["publicPort"] = asked["publicPort"]
    if declared is admin.HubDrainingResponse:
        fixed |= {"nodes": 0, "clients": 1}
    fixed |= {"ok": True, "features": ["exec", "shell", "interactive"]}
    if declared is m.DetachedSessionsResponse:
        # With one, it is a refusal.
        fixed["refused"] = None
    if declared is admin.AuditPageResponse:
        fixed["isLast"] = True
    if declared is events.EventsSnapshot:
        parts = ["nodes", "sessions", "tunnels", "peers", "metrics", "audit", "hubs"]
        fixed |= {"seq": 1, "first": True, "last": True, "scope": "all", "parts": parts}
    whole = body(declared, **fixed)
    if declared is events.EventsSnapshot:
        # One that somebody has, and one that waits.
        detached = body(LiveSession, state="detached", mode="shell", sessionId=UUID.replace("0a", "1a", 1))
        whole["sessions"] = [body(LiveSession, state="open", mode="shell"), detached]
    return whole


@contextmanager
def hostile_hub(certificates: Certificates) -> Iterator[HostileHub]:
    """The hub, listening."""
    hub = HostileHub()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.cert, certificates.key)

    async def main(ready: Callable[[], None], done: asyncio.Event) -> None:
        options: dict[str, Any] = {"ssl": tls, "max_size": None, "close_timeout": 0.5, **QUIET}
        async with serve(hub.serve, "127.0.0.1", 0, **options) as server:
            hub.port = server.sockets[0].getsockname()[1]
            ready()
            await done.wait()

    with in_thread(main):
        yield hub
