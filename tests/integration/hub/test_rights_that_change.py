"""What lives by a right ends with it, and what is told of follows."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.raw_peer import RawPeer, logged_in, open_session, registered
from support.rights import CLIENT, INFO, QUESTIONS, SESSION, answering_node, config_of, grant
from support.stack import Certificates, hub_config, running_node, until

from omnyshell import OmnyShellHub


async def test_a_lost_right_ends_what_lives_by_it_and_no_more(certificates: Certificates) -> None:
    everything = [grant(roles=["developer"], rights=["*"]), grant(roles=["developer"], nodes=["@local"], rights=["*"])]
    config = config_of(certificates, everything, "dev:dev-token:developer")
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "dev") as client,
    ):
        await node.say("node.capabilities", {"features": ["tunnel"]})
        await node.still_there()
        shell = await open_session(client, node, 1, mode="shell")
        command = await open_session(client, node, 2, command="id")
        ports = []
        for node_id in ("n1", "@local"):
            await client.say("tunnel.open.request", {"requestId": "t", "nodeId": node_id, "targetPort": 80})
            ports.append((await client.hear("tunnel.opened"))["d"]["publicPort"])
        hub.reload(replace(config, grants=(*everything, grant(roles=["developer"], rights=["kill"], deny=True))))
        assert (len(hub.sessions), len(hub.tunnels)) == (2, 2)
        hub.reload(replace(config, grants=(*everything, grant(principals=["*"], rights=["shell"], deny=True))))
        ended = await node.hear("channel.close")
        assert (ended["c"], ended["d"]["reason"]) == (shell, "client_closed")
        assert (await client.hear("channel.close"))["c"] == 1
        assert (len(hub.sessions), len(hub.tunnels)) == (1, 2)
        hub.reload(replace(config, grants=(grant(roles=["developer"], rights=["exec"]), everything[1])))
        assert [tunnel.info.node_id for tunnel in hub.tunnels.tunnels] == ["@local"]
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", ports[0])
        hub.reload(replace(config, grants=()))
        assert (await node.hear("channel.close"))["c"] == command
        assert (len(hub.sessions), len(hub.tunnels)) == (0, 0)


class Watcher:
    """What a subscriber knows of, and of what it was told that it is gone."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer
        self.known: dict[str, dict[str, Any]] = {}
        self.gone: list[str] = []

    async def step(self) -> None:
        message = await self.peer.hear()
        for part, key in (("nodes", "nodeId"), ("sessions", "sessionId")):
            for item in message["d"].get(part, []):
                if item.get("gone"):
                    self.gone.append(item[key])
                    self.known.pop(item[key], None)
                else:
                    self.known[item[key]] = item

    async def until(self, *known: str) -> None:
        async with asyncio.timeout(DEADLINE):
            while set(self.known) != set(known):
                await self.step()


# What is asked of processes is judged again when the node has answered: see the unit tests.
@pytest.mark.parametrize("what", sorted(QUESTIONS.keys() - {"processes"}))
async def test_an_answer_behind_the_lost_right_is_for_nobody(certificates: Certificates, what: str) -> None:
    give = grant(roles=["developer"], rights=["*"])
    config = config_of(certificates, [give], "dev:dev-token:developer")
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port, features=("history",)) as node,
        logged_in(certificates, hub.port, "client", "dev", ("history",)) as client,
    ):
        await client.say(f"sessions.{what}.request", {"requestId": "r", "nodeId": "n1", "sessionRef": SESSION})
        asked = (await node.hear(f"node.sessions.{what}.request"))["d"]
        hub.reload(replace(config, grants=(grant(roles=["developer"], rights=["forward"]),)))
        refused = (await client.hear(f"sessions.{what}.response"))["d"]
        assert (refused.get("message", "Not authorized")[:14], refused.get("sessions", [])) == ("Not authorized", [])
        dropped = hub.metrics.frames_dropped
        told = {"requestId": asked["requestId"], "ok": True, "screen": "c2VjcmV0", "sessions": [INFO]}
        await node.say(f"node.sessions.{what}.response", told)
        await node.still_there()
        await client.still_there()
        assert hub.metrics.frames_dropped == dropped + 1


async def test_live_state_follows_the_rights(certificates: Certificates) -> None:
    """Nodes come and go with the rights on them, and one's own sessions with the right to watch."""
    config = config_of(certificates, [], "dev:dev-token:developer", "ann:ann-token:developer")
    exec_at, watch_at = (grant(roles=["developer"], nodes=["n1"], rights=[right]) for right in ("exec", "watch"))
    async with (
        OmnyShellHub(config) as hub,
        answering_node(certificates, hub, "n1"),
        answering_node(certificates, hub, "n2") as other,
        logged_in(certificates, hub.port, "client", "dev", CLIENT) as client,
    ):
        await client.say("events.subscribe", {"subscriptionId": "s", "parts": ["nodes", "sessions"]})
        watcher = Watcher(client)
        await watcher.step()
        hub.reload(replace(config, grants=(exec_at,)))
        await watcher.until("n1")
        # The node says that somebody has a shell there, who may not look.
        await until(lambda: len(hub._services.events._sessions) > 0)
        hub.reload(replace(config, grants=(exec_at, watch_at)))
        await watcher.until("n1", SESSION)
        hub.reload(replace(config, grants=(exec_at,)))
        await watcher.until("n1")
        assert watcher.gone == [SESSION]
        # What it was never told of, it is not told the end of.
        await other.ws.close()
        await until(lambda: len(hub.nodes) == 1)
        hub.reload(replace(config, grants=()))
        await watcher.until()
        assert watcher.gone == [SESSION, "n1"]


@pytest.mark.parametrize("is_away", [False, True])
async def test_shells_that_were_left_end_with_the_right_to_them(certificates: Certificates, is_away: bool) -> None:
    give = grant(roles=["developer"], rights=["*"])
    config = config_of(certificates, [give], "dev:dev-token:developer", "ann:ann-token:developer")
    denied = replace(config, grants=(give, grant(principals=["dev"], rights=["shell"], deny=True)))
    async with OmnyShellHub(config) as hub:
        async with registered(certificates, hub.port) as node:
            await node.say("node.capabilities", {"features": ["detach"]})
            for name in ("dev", "ann"):
                async with logged_in(certificates, hub.port, "client", name) as client:
                    await open_session(client, node, mode="shell")
                # The client has vanished: the node keeps the shell.
                await node.hear("channel.close")
            left = next(record.session_id for record in hub.audit if record.action == "session.open")
            if not is_away:
                hub.reload(denied)
                await ends_what_is_left(node, left)
        if is_away:
            hub.reload(denied)
            async with registered(certificates, hub.port) as node:
                await node.say("node.capabilities", {"features": ["detach"]})
                await ends_what_is_left(node, left)
        killed = [record for record in hub.audit if record.action == "session.kill"]
        assert [(record.principal, record.session_id) for record in killed] == [("dev", left)]


async def ends_what_is_left(node: RawPeer, session_id: str) -> None:
    """What the one has left who lost the right is killed, by its id."""
    kill = (await node.hear("node.sessions.kill.request"))["d"]
    assert (kill["principal"], kill["sessionRef"]) == ("dev", session_id)
    await node.say("node.sessions.kill.response", {"requestId": kill["requestId"], "ok": True})
    await node.still_there()


@pytest.mark.parametrize(("kind", "others"), [("shell", ("exec", "transfer", "drive")), ("exec", ("shell",))])
async def test_a_node_takes_up_no_session_of_another_kind_than_was_asked_for(
    certificates: Certificates, tmp_path: Path, kind: str, others: tuple[str, ...]
) -> None:
    """Who may only run commands would have a shell otherwise, and the other way round: the hub goes by the mode."""
    features = ("rights", "resume-offset")
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
    ):
        async with logged_in(certificates, hub.port, "client", "admin", features) as client:
            asked = {"nodeId": "n1", "mode": kind, "offsets": True, "command": "sleep 100"}
            await client.say("session.open", asked, 1)
            session = (await client.hear("session.opened"))["d"]["sessionId"]
        async with logged_in(certificates, hub.port, "client", "admin", features) as client:
            again = {"nodeId": "n1", "resumeSessionId": session, "offsets": True}
            for mode in others:
                await client.say("session.open", again | {"mode": mode}, 1)
                assert (await client.hear("session.rejected"))["d"]["reason"] == "not_found", mode
            await client.say("session.open", again | {"mode": kind}, 1)
            assert (await client.hear("session.opened"))["d"]["sessionId"] == session
            await client.say("channel.close", {"reason": "client_closed"}, 1)
