"""The extension `events` spoken by peers that know docs/extensions.md and nothing of this package's codec."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.ports import free_range
from support.raw_peer import STDIN, STDOUT, RawPeer, logged_in, open_session, registered, stranger
from support.stack import OPEN_TUNNELS, Certificates, hub_config, read_page, until

from omnyshell import OmnyShellHub
from omnyshell.services.hub.live import service, session_polls

EVENTS = ("events",)
LISTS = ("nodes", "sessions", "tunnels", "peers")
KEYS = {
    "nodes": lambda item: item["nodeId"],
    "sessions": lambda item: (item["nodeId"], item["sessionId"]),
    "tunnels": lambda item: item["tunnelId"],
    "peers": lambda item: item["peerId"],
}


@pytest.fixture
async def hub(certificates: Certificates, tmp_path: Path) -> AsyncIterator[OmnyShellHub]:
    config = hub_config(
        certificates, state_dir=tmp_path, tunnel_ports=free_range(), metrics_from_loopback=True, **OPEN_TUNNELS
    )
    async with OmnyShellHub(config) as started:
        yield started


class Watcher:
    """Follows a subscription by the document's rules."""

    def __init__(self, peer: RawPeer, subscription_id: str = "s1") -> None:
        self.peer = peer
        self.id = subscription_id
        self.seq = 0
        self.items: dict[str, dict[Any, dict[str, Any]]] = {part: {} for part in LISTS}
        self.finals: list[dict[str, Any]] = []
        self.records: list[dict[str, Any]] = []
        self.metrics: dict[str, Any] | None = None
        self.parts: list[str] = []
        self.scope = ""
        self.lagged = 0
        self.pieces = 0

    async def subscribe(self, *parts: str, **extra: Any) -> "Watcher":
        await self.peer.say("events.subscribe", {"subscriptionId": self.id, "parts": list(parts), **extra})
        while not await self.step():
            pass
        return self

    async def step(self) -> bool:
        """Take one message; tells whether it completed a snapshot."""
        message = await self.peer.hear()
        if not message["t"].startswith("events."):
            return False
        data = message["d"]
        self.seq += 1
        assert (data["subscriptionId"], data["seq"]) == (self.id, self.seq), message
        if message["t"] == "events.lagged":
            self.lagged += 1
            return False
        assert message["t"] in ("events.snapshot", "events.delta")
        if data.get("first"):
            self.items = {part: {} for part in LISTS}
            self.scope, self.parts, self.pieces = data["scope"], data["parts"], 0
        self.pieces += 1
        for part in LISTS:
            for item in data.get(part, ()):
                key = KEYS[part](item)
                if item.get("gone"):
                    self.items[part].pop(key, None)
                    self.finals.append(item)
                else:
                    self.items[part][key] = item
        for part in ("sessions", "tunnels"):
            for counted in data.get(f"{part[:-1]}Traffic", ()):
                rates = {"rateIn": 0, "rateOut": 0}
                self.items[part][KEYS[part](counted)].update(rates | counted)
        self.records += data.get("records", ())
        self.metrics = data.get("metrics", self.metrics)
        return bool(data.get("last"))

    async def until(self, condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(DEADLINE):
            while not (found := condition()):
                await self.step()
        return found

    def only(self, part: str) -> dict[str, Any]:
        (item,) = self.items[part].values()
        return item


async def test_an_admin_sees_nodes_come_change_and_go(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "admin", EVENTS) as admin:
        assert "events" in admin.hub_hello["d"]["info"]["features"]
        watcher = await Watcher(admin).subscribe()
        assert (watcher.scope, watcher.parts) == (
            "all",
            ["nodes", "sessions", "tunnels", "peers", "metrics", "audit"],
        )
        assert (watcher.items["nodes"], watcher.only("peers")["principal"]) == ({}, "admin")
        assert [record["action"] for record in watcher.records][-2:] == ["auth.ok", "events.subscribe"]
        assert watcher.metrics is not None
        assert {"startedAt", "bytesRelayed", "loopLagMicros", "peers"} <= watcher.metrics.keys()
        async with registered(certificates, hub.port, labels={"env": "prod"}) as node:
            seen = await watcher.until(lambda: watcher.items["nodes"].get("n1"))
            assert (seen["state"], seen["labels"], seen["principal"]) == ("online", {"env": "prod"}, "box")
            await watcher.until(lambda: any(peer.get("nodeId") == "n1" for peer in watcher.items["peers"].values()))
            await node.say("node.capabilities", {"shells": ["bash"], "features": ["exec"], "maxSessions": 7})
            await watcher.until(lambda: watcher.items["nodes"]["n1"].get("capabilities", {}).get("maxSessions") == 7)
        seen = await watcher.until(
            lambda: watcher.items["nodes"]["n1"]["state"] == "offline" and watcher.items["nodes"]["n1"]
        )
        assert (seen["labels"], seen["principal"], "lastHeardAt" in seen) == ({"env": "prod"}, "box", True)
        await watcher.until(lambda: len(watcher.items["peers"]) == 1)
        assert [final.get("nodeId") for final in watcher.finals if "peerId" in final] == ["n1"]
        actions = [record["action"] for record in watcher.records]
        assert ("node.register" in actions, "node.offline" in actions) == (True, True)


async def test_an_admin_sees_the_sessions_of_everyone_with_their_traffic(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
        logged_in(certificates, hub.port, "client", "admin", EVENTS) as admin,
    ):
        watcher = await Watcher(admin).subscribe("sessions", "nodes")
        await dev.say("session.open", {"nodeId": "n1", "command": "make", "args": ["all"]}, 1)
        asked = await node.hear("node.session.open")
        opening = await watcher.until(lambda: watcher.items["sessions"] and watcher.only("sessions"))
        assert (opening["state"], opening["principal"], opening["mode"]) == ("opening", "dev", "exec")
        assert (opening["command"], opening["address"], opening["nodeId"]) == ("make all", "127.0.0.1", "n1")
        await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
        await watcher.until(lambda: watcher.only("sessions")["state"] == "open")
        await dev.hear("session.opened")
        await dev.send_data(STDIN, 1, b"x" * 1000)
        await node.send_data(STDOUT, asked["c"], b"y" * 5000)
        await watcher.until(lambda: watcher.only("sessions")["bytesOut"] == 5000)
        assert watcher.only("sessions")["bytesIn"] == 1000
        assert 0 < watcher.only("sessions")["rateOut"] <= 5100
        await watcher.until(lambda: watcher.only("sessions")["rateOut"] == 0)
        assert watcher.items["nodes"]["n1"]["sessions"] == 1
        await dev.say("channel.close", {"reason": "client_closed"}, 1)
        await watcher.until(lambda: watcher.finals)
        assert (watcher.items["sessions"], watcher.finals[0]["state"]) == ({}, "closed")
        assert (watcher.finals[0]["reason"], watcher.finals[0]["bytesOut"]) == ("client_closed", 5000)


async def test_others_see_what_is_theirs(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "admin") as admin,
        logged_in(certificates, hub.port, "client", "dev") as other,
        logged_in(certificates, hub.port, "client", "dev", EVENTS) as dev,
    ):
        await open_session(admin, node)
        await admin.say(
            "tunnel.open.request", {"requestId": "r", "nodeId": "@local", "targetHost": "h", "targetPort": 1}
        )
        await admin.hear("tunnel.opened")
        watcher = await Watcher(dev).subscribe()
        assert (watcher.scope, watcher.parts) == ("own", ["nodes", "sessions", "tunnels", "peers", "audit"])
        assert watcher.only("nodes").keys() == {"nodeId", "state", "platform", "labels"}
        assert (watcher.items["sessions"], watcher.items["tunnels"]) == ({}, {})
        assert {peer["principal"] for peer in watcher.items["peers"].values()} == {"dev"}
        assert {record["principal"] for record in watcher.records} == {"dev"}
        mine = await open_session(other, node, 5)
        await watcher.until(lambda: watcher.items["sessions"])
        await admin.say("channel.close", {"reason": "client_closed"}, 1)
        await node.say("channel.close", {"reason": "normal"}, mine)
        await watcher.until(lambda: watcher.finals)
        assert [final["principal"] for final in watcher.finals] == ["dev"]
        assert {record["principal"] for record in watcher.records} == {"dev"}
        await dev.say("events.subscribe", {"subscriptionId": "m", "parts": ["metrics"]})
        while (answer := await dev.hear())["t"] != "events.ended":
            pass
        assert answer["d"]["code"] == "not_authorized"


async def test_for_others_a_node_that_left_is_gone(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "dev", EVENTS) as dev:
        watcher = await Watcher(dev).subscribe("nodes")
        async with registered(certificates, hub.port, labels={"allow-roles": "developer"}):
            await watcher.until(lambda: watcher.items["nodes"])
        await watcher.until(lambda: watcher.finals)
        assert (watcher.items["nodes"], watcher.finals[0]["state"]) == ({}, "offline")


async def test_tunnels_are_told_with_their_counters(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        logged_in(certificates, hub.port, "client", "dev") as dev,
        logged_in(certificates, hub.port, "client", "admin", EVENTS) as admin,
    ):
        watcher = await Watcher(admin).subscribe("tunnels")
        request = {"requestId": "r", "nodeId": "@local", "targetHost": "db", "targetPort": 5432}
        await dev.say("tunnel.open.request", request)
        opened = (await dev.hear("tunnel.opened"))["d"]
        item = await watcher.until(lambda: watcher.items["tunnels"].get(opened["tunnelId"]))
        assert (item["principal"], item["targetHost"], item["targetPort"]) == ("dev", "db", 5432)
        assert (item["nodeId"], item["publicPort"], item["connections"]) == ("@local", opened["publicPort"], 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", opened["publicPort"])
        asked = await dev.hear("node.tunnel.connect")
        await dev.say("node.tunnel.connected", {"tunnelId": opened["tunnelId"]}, asked["c"])
        await dev.send_data(STDOUT, asked["c"], b"z" * 3000)
        await reader.readexactly(3000)
        await watcher.until(lambda: watcher.only("tunnels")["bytesOut"] == 3000)
        await watcher.until(lambda: watcher.only("tunnels")["connections"] == 1)
        writer.close()
        await watcher.until(lambda: watcher.only("tunnels")["connections"] == 0)
        assert watcher.only("tunnels")["connectionsTotal"] == 1
        await dev.say("tunnel.close.request", {"requestId": "c", "tunnelRef": opened["tunnelId"]})
        await watcher.until(lambda: watcher.finals)
        assert (watcher.items["tunnels"], watcher.finals[0]["tunnelId"]) == ({}, opened["tunnelId"])


async def test_refusals_and_the_end_of_a_subscription(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with logged_in(certificates, hub.port, "client", "admin", EVENTS) as admin:

        async def refused(data: dict[str, Any]) -> str:
            await admin.say("events.subscribe", data)
            while (answer := await admin.hear())["t"] != "events.ended":
                pass
            return str(answer["d"]["code"])

        assert await refused({"subscriptionId": ""}) == "bad_request"
        assert await refused({"subscriptionId": "x" * 129}) == "bad_request"
        assert await refused({"subscriptionId": "s", "parts": ["weather"]}) == "bad_request"
        watcher = await Watcher(admin, "a").subscribe("nodes", "weather")
        assert watcher.parts == ["nodes"]
        # It goes on: a client must be able to tell that from its end.
        assert await refused({"subscriptionId": "a"}) == "duplicate"
        for name in "bcd":
            await admin.say("events.subscribe", {"subscriptionId": name, "parts": ["nodes"]})
        assert await refused({"subscriptionId": "e"}) == "capacity_exceeded"
        for name in "abcd":
            await admin.say("events.unsubscribe", {"subscriptionId": name})
            while (answer := await admin.hear())["t"] != "events.ended":
                pass
            assert answer["d"] == {"subscriptionId": name, "code": "unsubscribed"}
        assert len(hub._services.events) == 0
        monkeypatch.setattr(service, "LINGER", 0.0)
        await until(lambda: hub._services.events._timer is None)
        async with registered(certificates, hub.port):
            await admin.still_there()
        assert (len(hub._services.events._sessions), len(hub._services.events._view._peers)) == (0, 0)


async def test_who_did_not_announce_it_gets_no_answer(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "admin") as admin:
        dropped = hub.metrics.frames_dropped
        await admin.say("events.subscribe", {"subscriptionId": "s"})
        await admin.say("events.unsubscribe", {"subscriptionId": "s"})
        await admin.still_there()
        assert (hub.metrics.frames_dropped - dropped, len(hub._services.events)) == (2, 0)
    async with stranger(certificates, hub.port) as peer:
        await peer.say("events.subscribe", {"subscriptionId": "s"})
        assert (await peer.hear("error"))["d"]["code"] == "not_authenticated"


async def test_a_role_that_is_taken_ends_the_subscription(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        OmnyShellHub(hub_config(certificates, state_dir=tmp_path)) as hub,
        logged_in(certificates, hub.port, "client", "admin", ("admin",)) as admin,
    ):
        for request in (
            {"t": "admin.principal.add", "principal": "ops", "roles": ["admin"]},
            {"t": "admin.token.add", "principal": "ops"},
        ):
            await admin.say(request.pop("t"), {"requestId": "r", **request})
            answer = (await admin.hear())["d"]
        async with stranger(certificates, hub.port) as ops:
            await ops.greet("client", features=["events"])
            await ops.say("auth.request", {"method": "token", "principal": "ops", "token": answer["token"]})
            await ops.hear("auth.ok")
            await Watcher(ops).subscribe()
            await admin.say("admin.principal.roles", {"requestId": "r", "principal": "ops", "roles": ["developer"]})
            await admin.hear("admin.result")
            assert len(hub._services.events) == 0
            while (message := await ops.hear())["t"] != "error":
                assert message["t"] == "events.delta"
            assert (message["d"]["code"], message["d"]["fatal"]) == ("auth_failed", True)
            assert (await ops.hear_close())[0] == 4400
        await until(lambda: hub.connections == 1)


async def test_labels_of_the_hub_and_a_released_id_are_told(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "admin", (*EVENTS, "admin")) as admin:
        async with registered(certificates, hub.port):
            watcher = await Watcher(admin).subscribe("nodes")
            assert watcher.items["nodes"]["n1"]["state"] == "online"
            await admin.say("admin.node.labels", {"requestId": "l", "nodeId": "n1", "labels": {"allow-roles": "ops"}})
            await watcher.until(lambda: watcher.items["nodes"]["n1"].get("hubLabels") == {"allow-roles": "ops"})
        await watcher.until(lambda: watcher.items["nodes"]["n1"]["state"] == "offline")
        await admin.say("admin.node.labels", {"requestId": "l", "nodeId": "n1", "labels": {}})
        await watcher.until(lambda: "hubLabels" not in watcher.items["nodes"]["n1"])
        await admin.say("admin.node.release", {"requestId": "r", "nodeId": "n1"})
        await watcher.until(lambda: watcher.finals)
        assert (watcher.items["nodes"], watcher.finals[0]["nodeId"]) == ({}, "n1")


async def test_a_node_that_speaks_it_tells_the_shells_of_everyone(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_polls, "ASK_AGAIN", 0.1)
    waiting = {
        "sessionId": "0b0e1f1e-0000-4000-8000-000000000001", "shortId": "0b0e1f1e", "nodeId": "n1",
        "ownerUserId": "dev", "mode": "shell", "createdAt": "2026-01-02T03:04:05.678Z", "state": "detached",
        "detachedAt": "2026-01-02T03:04:06.678Z", "expiresAt": "2036-01-02T03:04:05.678Z",
        "currentCommand": "vim notes", "currentCwd": "/srv",
    }  # fmt: skip
    async with (
        registered(certificates, hub.port, features=EVENTS, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "dev", EVENTS) as dev,
        logged_in(certificates, hub.port, "client", "admin", EVENTS) as admin,
    ):
        watcher, own = await Watcher(admin).subscribe(), await Watcher(dev, "o").subscribe("sessions")
        request = (await node.hear("node.sessions.live.request"))["d"]
        assert request.keys() == {"requestId"}
        others = waiting | {"sessionId": "0b0e1f1e-0000-4000-8000-000000000002", "ownerUserId": "ann"}
        await node.say("node.sessions.live.response", {**request, "sessions": [waiting, others]})
        await watcher.until(lambda: len(watcher.items["sessions"]) == 2)
        await own.until(lambda: own.items["sessions"])
        await watcher.until(lambda: watcher.items["nodes"]["n1"]["sessions"] == 2)
        assert own.only("sessions") == {
            "sessionId": waiting["sessionId"], "nodeId": "n1", "principal": "dev", "mode": "shell",
            "state": "detached", "createdAt": waiting["createdAt"], "detachedAt": waiting["detachedAt"],
            "expiresAt": waiting["expiresAt"], "command": "vim notes", "cwd": "/srv", "bytesIn": 0, "bytesOut": 0,
        }  # fmt: skip
        request = (await node.hear("node.sessions.live.request"))["d"]
        await node.say("node.sessions.live.response", {**request, "sessions": [others]})
        await own.until(lambda: own.finals)
        await watcher.until(lambda: watcher.finals)
        assert [final["principal"] for final in watcher.finals] == ["dev"]
        await node.say("node.sessions.live.response", {**request, "sessions": [waiting]})
        await node.still_there()
        assert len(hub._services.events._sessions) == 1


WAITING = {
    "sessionId": "0b0e1f1e-0000-4000-8000-000000000001", "shortId": "0b0e1f1e", "nodeId": "n1", "ownerUserId": "dev",
    "mode": "shell", "createdAt": "2026-01-02T03:04:05.678Z", "state": "detached",
}  # fmt: skip


async def hear_of(node: RawPeer, type_: str) -> Any:
    """The payload of the next message of this type; others are passed over."""
    while (message := await node.hear())["t"] != type_:
        pass
    return message["d"]


@pytest.mark.parametrize("by_admin", [False, True])
async def test_a_shell_that_was_killed_where_it_waited_says_so_and_metrics_count_it_till_then(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch, by_admin: bool
) -> None:
    monkeypatch.setattr(session_polls, "ASK_AGAIN", 0.1)
    features = ["exec", "shell", "detach"]
    async with (
        registered(certificates, hub.port, features=EVENTS, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
        logged_in(certificates, hub.port, "client", "admin", ("admin",)) as boss,
        logged_in(certificates, hub.port, "client", "admin", EVENTS) as admin,
    ):
        await node.say("node.capabilities", {"features": features})
        # On its own account the hub asks each node once, when it comes.
        request = await hear_of(node, "node.sessions.live.request")
        await node.say("node.sessions.live.response", {**request, "sessions": []})
        assert 'state="detached"' not in await metrics(certificates, hub.port)
        watcher = await Watcher(admin).subscribe("sessions")
        request = await hear_of(node, "node.sessions.live.request")
        await node.say("node.sessions.live.response", {**request, "sessions": [WAITING]})
        await watcher.until(lambda: watcher.items["sessions"])
        text = await metrics(certificates, hub.port)
        assert 'omnyshell_sessions{state="detached"} 1.0' in text
        assert text.count("omnyshell_sessions{") == 3
        if by_admin:
            ask = {"requestId": "k", "sessionRef": "0b0e", "nodeId": "n1", "principal": "dev"}
            await boss.say("admin.session.close", ask)
        else:
            await dev.say("sessions.kill.request", {"requestId": "k", "nodeId": "n1", "sessionRef": "0b0e"})
        kill = await hear_of(node, "node.sessions.kill.request")
        await node.say("node.sessions.kill.response", {"requestId": kill["requestId"], "ok": True, "message": "ended"})
        await node.still_there()
        request = await hear_of(node, "node.sessions.live.request")
        await node.say("node.sessions.live.response", {**request, "sessions": []})
        (final,) = await watcher.until(lambda: watcher.finals)
        assert (final["state"], final["reason"]) == ("closed", "node_closed")


async def metrics(certificates: Certificates, port: int) -> str:
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(b"GET /metrics HTTP/1.0\r\nHost: h\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        text = await read_page(reader)
    writer.close()
    return text
