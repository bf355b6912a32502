"""What tests of rights share: every request that takes one, from peers that know the wire alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import combinations
from typing import Any

from support.ports import free_range
from support.raw_peer import RawPeer, registered
from support.stack import Certificates, hub_config
from websockets.exceptions import ConnectionClosed

from omnyshell import HubConfig, OmnyShellHub, TokenAuthenticator, TokenGrant
from omnyshell.security.grant_tables import read_grant
from omnyshell.security.grants import Grant

ONES_OWN = ("shell", "exec", "ssh", "files", "agent", "watch", "kill", "forward", "expose")
RIGHTS = (*ONES_OWN, "others")
OF_MODES = {"ssh", "files", "agent", "forward"}
"""Those of modes that take an extension, which peers here do not ask for: each stands alone, as they are alike."""

_ASKED_FOR = [right for right in ONES_OWN if right not in OF_MODES]
CHOICES = [chosen for size in range(len(_ASKED_FOR) + 1) for chosen in combinations(_ASKED_FOR, size)]
CHOICES += [ONES_OWN, *((right,) for right in sorted(OF_MODES))]
NODE_SAYS = "the node was asked"
SESSION = "0b0e1f1e-0000-4000-8000-000000000001"
INFO = {
    "sessionId": SESSION, "shortId": SESSION[:8], "nodeId": "n1", "ownerUserId": "dev", "mode": "shell",
    "createdAt": "2026-01-02T03:04:05.678Z", "state": "detached",
}  # fmt: skip


def grant(**table: Any) -> Grant:
    return read_grant({"nodes": ["*"], **table}, "grant 1")


def config_of(certificates: Certificates, grants: list[Grant], *more: str, **changes: Any) -> HubConfig:
    tokens = [TokenGrant.parse(text) for text in ("admin:admin-token:admin", "box:box-token:node", *more)]
    settings = {"tunnel_ports": free_range(), "host": "127.0.0.1", "authenticator": TokenAuthenticator(tokens)}
    return hub_config(certificates, **settings | {"grants": tuple(grants)} | changes)


ANSWERS: dict[str, dict[str, Any]] = {
    "node.sessions.live.request": {"sessions": [INFO]},
    "node.sessions.kill.request": {"message": NODE_SAYS},
    "node.sessions.detach.request": {"message": NODE_SAYS},
    "node.sessions.screen.request": {"message": NODE_SAYS},
    "node.sessions.history.request": {"message": NODE_SAYS},
    "node.sessions.processes.request": {"message": NODE_SAYS},
}


async def answer_for_ever(node: RawPeer, *, opens: bool = False) -> None:
    """Refuse every session, or open it, and answer every question: whoever asks sees that the node was asked."""
    while True:
        message = await node.hear_whenever()
        if message["t"] == "node.session.open" and opens:
            opened = message["d"].get("resumeSessionId", message["d"]["sessionId"])
            await node.say("node.session.opened", {"sessionId": opened}, message["c"])
        elif message["t"] == "node.session.open":
            refused = {"sessionId": message["d"]["sessionId"], "reason": "bad_request", "message": NODE_SAYS}
            await node.say("node.session.rejected", refused, message["c"])
        elif message["t"] == "node.sessions.list.request":
            sessions = [INFO | {"ownerUserId": message["d"]["principal"]}]
            told = {"requestId": message["d"]["requestId"], "sessions": sessions}
            await node.say("node.sessions.list.response", told)
        elif message["t"] in ANSWERS:
            told = {"requestId": message["d"]["requestId"], **ANSWERS[message["t"]]}
            await node.say(message["t"].replace("request", "response"), told)


@asynccontextmanager
async def answering_node(
    certificates: Certificates, hub: OmnyShellHub, node_id: str = "n1", **extra: Any
) -> AsyncIterator[RawPeer]:
    features = ("rights", "resume-offset", "events", "history", "vitals")
    async with registered(certificates, hub.port, node_id, features=features, **extra) as node:
        await node.say("node.capabilities", {"features": ["exec", "shell", "detach", "tunnel"]})
        await node.still_there()
        answering = asyncio.create_task(answer_for_ever(node))
        try:
            yield node
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await answering


OPENINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "a shell": ("shell", {"mode": "shell"}),
    "a command in a shell": ("shell", {"mode": "shell", "command": "id"}),
    "a command": ("exec", {"mode": "exec", "command": "id"}),
    "a command by default": ("exec", {"command": "id"}),
    "a command on a terminal": ("exec", {"mode": "exec", "command": "id", "pty": {"cols": 80, "rows": 24}}),
    "a transfer": ("exec", {"mode": "transfer"}),
    "a drive": ("exec", {"mode": "drive"}),
    "a shell resumed": ("shell", {"mode": "shell", "resumeSessionId": SESSION}),
    "a shell resumed as a command": ("shell", {"mode": "exec", "resumeSessionId": SESSION}),
    "a shell resumed by default": ("shell", {"resumeSessionId": SESSION}),
    "a command resumed": ("exec", {"mode": "exec", "resumeSessionId": SESSION, "offsets": True}),
}
QUESTIONS = {
    "list": "watch",
    "screen": "watch",
    "history": "watch",
    "processes": "watch",
    "detach": "watch",
    "kill": "kill",
}


async def may_open(client: RawPeer, request: dict[str, Any], channel: int) -> tuple[bool, str]:
    await client.say("session.open", {"nodeId": "n1", **request}, channel)
    told = (await client.hear("session.rejected"))["d"]
    assert told["reason"] in ("bad_request", "not_authorized")
    return told["message"] == NODE_SAYS, told["message"]


async def may_ask(client: RawPeer, what: str, node_id: str = "n1") -> tuple[bool, str]:
    await client.say(f"sessions.{what}.request", {"requestId": "r", "nodeId": node_id, "sessionRef": SESSION})
    told = (await client.hear(f"sessions.{what}.response"))["d"]
    if what == "list":
        return bool(told["sessions"]), told.get("refused", "")
    return told["message"] == NODE_SAYS, told["message"]


async def may_expose(client: RawPeer) -> tuple[bool, str]:
    await client.say("tunnel.open.request", {"requestId": "t", "nodeId": "n1", "targetPort": 80})
    answer = await client.hear()
    if answer["t"] == "tunnel.opened":
        await client.say("tunnel.close.request", {"requestId": "t", "tunnelRef": answer["d"]["tunnelId"]})
        await client.hear("tunnel.close.response")
        return True, ""
    assert answer["d"]["reason"] == "not_authorized"
    return False, answer["d"]["message"]


async def all_that_is_allowed(client: RawPeer) -> tuple[dict[str, tuple[str, bool]], list[str]]:
    """What each request came to, with the right that it takes; and what refusals said."""
    found, said = {}, []
    for channel, (name, (right, request)) in enumerate(OPENINGS.items(), 1):
        allowed, text = await may_open(client, request, channel)
        found[name] = (right, allowed)
        said += [] if allowed else [text]
    for what, right in QUESTIONS.items():
        allowed, text = await may_ask(client, what)
        found[what] = (right, allowed)
        said += [] if allowed else [text]
    allowed, text = await may_expose(client)
    found["a public port"] = ("expose", allowed)
    return found, said + ([] if allowed else [text])


async def listed(client: RawPeer) -> list[str]:
    await client.say("node.list.request", {})
    return [node["nodeId"] for node in (await client.hear("node.list.response"))["d"]["nodes"]]


async def told_live(client: RawPeer) -> list[str]:
    await client.say("events.subscribe", {"subscriptionId": "s", "parts": ["nodes"]})
    nodes: list[str] = []
    while True:
        told = (await client.hear("events.snapshot"))["d"]
        nodes += [node["nodeId"] for node in told.get("nodes", [])]
        if told.get("last"):
            await client.say("events.unsubscribe", {"subscriptionId": "s"})
            # What changes until the hub hears that is told, too.
            while (await client.hear())["t"] != "events.ended":
                pass
            return nodes


CLIENT = ("rights", "resume-offset", "events", "history", "vitals", "admin")
