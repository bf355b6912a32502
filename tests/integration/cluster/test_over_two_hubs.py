"""Sessions of one hub's clients at nodes of another, over a real link; `make test-two-hubs` runs far more so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.deadline import DEADLINE
from support.raw_admin import ADMIN, ask
from support.raw_peer import RawPeer, logged_in, registered
from support.several_hubs import Hubs, two_linked_hubs
from support.stack import GRANTS, Certificates, connected_client, running_node, until

from omnyshell import PtySpec, SessionMode, TokenAuthenticator, TokenGrant
from omnyshell.model.targets import Target
from omnyshell.protocol.extensions import FORWARD, FORWARD_AHEAD, LOCKS, SESSION_USAGE
from omnyshell.security.authorizer import Action
from omnyshell.security.grants import Grant
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward, Place
from omnyshell.services.client.session import RemoteSession

SIZE = PtySpec(cols=80, rows=24)
LABELS = {"allow-roles": "developer"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hubs(certificates: Certificates) -> AsyncIterator[Hubs]:
    async with two_linked_hubs(certificates) as made:
        yield made


class Ends:
    """A raw client of `a`, and a raw node that `b` has."""

    def __init__(self, certificates: Certificates, hubs: Hubs) -> None:
        self._certificates, self.hubs = certificates, hubs
        self._closing = AsyncExitStack()

    async def client(self, principal: str = "dev", hub: str = "a", features: tuple[str, ...] = ()) -> RawPeer:
        port = self.hubs.running[hub].port
        return await self._closing.enter_async_context(
            logged_in(self._certificates, port, "client", principal, features)
        )

    async def node(self, hub: str = "b", node_id: str = "n1", features: tuple[str, ...] = ()) -> RawPeer:
        port = self.hubs.running[hub].port
        node = await self._closing.enter_async_context(
            registered(
                self._certificates, port, node_id, features=features, labels=LABELS, instance=f"process-{node_id}"
            )
        )
        await node.say("node.capabilities", {"shells": ["sh"], "features": ["exec", "shell"]})
        if hub != "a":
            await until(lambda: node_id in self.hubs.described_at("a"))
            await self.hubs.linked("a", "b")
        return node

    def audited(self, hub: str, action: str) -> tuple[str, str, str, str] | None:
        """The newest record of an action."""
        records = list(self.hubs.running[hub].audit)
        newest = next((record for record in reversed(records) if record.action == action), None)
        return (str(newest.principal), newest.outcome, newest.session_id, newest.reason) if newest else None

    async def aclose(self) -> None:
        await self._closing.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def ends(certificates: Certificates, hubs: Hubs) -> AsyncIterator[Ends]:
    made = Ends(certificates, hubs)
    yield made
    await made.aclose()


async def opened(client: RawPeer, node: RawPeer, **request: Any) -> tuple[str, int]:
    """Open a session; return its id, and its channel at the node."""
    await client.say("session.open", {"nodeId": "n1", **request}, 1)
    asked = await node.hear("node.session.open")
    id_ = asked["d"]["sessionId"]
    await node.say("node.session.opened", {"sessionId": id_}, asked["c"])
    assert (await client.hear("session.opened"))["d"]["sessionId"] == id_
    return id_, int(asked["c"])


async def test_both_hubs_audit_a_session_by_one_id_and_relay_it_in_both_directions(ends: Ends) -> None:
    client, node = await ends.client(), await ends.node()
    id_, channel = await opened(client, node)
    await client.send_data(1, 1, b"typed")
    assert (await node.hear())[10:] == b"typed"
    await node.send_data(2, channel, b"shown")
    assert (await client.hear())[10:] == b"shown"
    await node.say("channel.window", {"stream": "stdin", "credit": 5}, channel)
    assert (await client.hear("channel.window"))["d"] == {"stream": "stdin", "credit": 5}
    await client.say("channel.resize", {"cols": 90, "rows": 30}, 1)
    assert (await node.hear("channel.resize"))["d"] == {"cols": 90, "rows": 30}
    await client.say("channel.signal", {"signal": "SIGINT"}, 1)
    assert (await node.hear("channel.signal"))["d"] == {"signal": "SIGINT"}
    await client.say("channel.eof", {}, 1)
    await node.hear("channel.eof")
    await node.say("channel.exit", {"exitCode": 3}, channel)
    assert (await client.hear("channel.exit"))["d"]["exitCode"] == 3
    await node.say("channel.close", {"reason": "node_closed"}, channel)
    await client.hear("channel.close")
    for hub in "ab":
        assert ends.audited(hub, "session.open") == ("dev", "ok", id_, "")
        assert ends.audited(hub, "session.close") == ("dev", "ok", id_, "node_closed")
    assert ends.audited("b", "peer.visit") == ("dev", "ok", "", "")


async def test_the_node_is_listed_as_its_hub_describes_it(ends: Ends) -> None:
    client, _ = await ends.client(), await ends.node()
    await client.say("node.list.request")
    (node,) = (await client.hear("node.list.response"))["d"]["nodes"]
    assert (node["nodeId"], node["online"], node["labels"]) == ("n1", True, LABELS)
    assert node["capabilities"]["features"] == ["exec", "shell"]


async def test_what_is_asked_about_sessions_goes_to_the_nodes_hub_and_back(ends: Ends) -> None:
    client, node = await ends.client(features=(SESSION_USAGE,)), await ends.node()
    await client.say("sessions.list.request", {"requestId": "mine", "nodeId": "n1"})
    asked = await node.hear("node.sessions.list.request")
    assert asked["d"]["principal"] == "dev"
    assert asked["d"]["requestId"] != "mine"
    await node.say("node.sessions.list.response", {"requestId": asked["d"]["requestId"], "sessions": []})
    answer = await client.hear("sessions.list.response")
    assert (answer["d"]["requestId"], answer["d"]["sessions"]) == ("mine", [])


async def test_a_connection_that_is_asked_for_ahead_is_counted_at_both_hubs_once_it_is_used(ends: Ends) -> None:
    features = (FORWARD, FORWARD_AHEAD)
    client, node = await ends.client("admin", features=features), await ends.node(features=features)
    permission, _ = await opened(client, node, mode="forward")
    routers = [ends.hubs.running[hub]._services.broker._router for hub in "ab"]
    channels = {}
    for channel in (2, 3):
        asked = {"nodeId": "n1", "mode": "forward", "target": "localhost:80", "forward": permission, "ahead": True}
        await client.say("session.open", asked, channel)
        heard = await node.hear("node.session.open")
        assert heard["d"]["ahead"]
        channels[channel] = heard["c"]
    for channel, say in ((2, "forward.dial"), (3, "channel.eof")):
        assert [len(router.ahead_of("admin")) for router in routers] == [4 - channel] * 2
        await client.say(say, {}, channel)
        assert (await node.hear(say))["c"] == channels[channel]
        await client.say("forward.dial", {}, channel)
    assert [router.ahead_of("admin") for router in routers] == [[], []]
    assert [router.carried(permission).connections for router in routers if router.carried(permission)] == [2, 2]
    await client.say("channel.close", {}, 1)
    assert {(await node.hear("channel.close"))["c"] for _ in channels} == set(channels.values())


async def test_who_uses_what_either_hub_takes_back_meanwhile_sees_nothing_of_that(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    brokers = {hub: hubs.running[hub]._services.broker for hub in "ab"}

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    async with (
        await asyncio.start_server(shout, "127.0.0.1", 0) as server,
        running_node(certificates, hubs.running["b"].port, tmp_path / "node"),
    ):
        await until(lambda: "n1" in hubs.described_at("a"))
        await hubs.linked("a", "b")
        to = Forward(Place("127.0.0.1", 0), Target("127.0.0.1", server.sockets[0].getsockname()[1]))
        async with (
            connected_client(certificates, hubs.running["a"].port) as client,
            Forwarder(client, "n1", [to]) as forwarder,
        ):
            connect, anews = forwarder.connect, []
            takes_back = iter(("", "a", "", "b", ""))

            def use(to: Target, early: bytes, *, anew: bool = False) -> RemoteSession:
                session = connect(to, early, anew=anew)
                anews.append(anew)
                hub = next(takes_back)
                for route in brokers[hub]._router.ahead_of("admin") if hub else ():
                    # The use is under way.
                    brokers[hub].end(route, "error", "Its place was needed")
                return session

            forwarder.connect = use  # type: ignore[method-assign]
            for _ in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", forwarder.listening[0][0].port)
                writer.write(b"said")
                writer.write_eof()
                assert await reader.read() == b"SAID"
                writer.close()
                await until(lambda: all(len(broker._router.ahead_of("admin")) == 1 for broker in brokers.values()))
            assert anews == [False, False, True, False, True]


async def test_a_client_that_leaves_leaves_there_too(ends: Ends) -> None:
    client, node = await ends.client(), await ends.node()
    await opened(client, node)
    await client.ws.close()
    assert (await node.hear("channel.close"))["d"]["reason"] == "client_disconnected"
    await until(lambda: not list(ends.hubs.running["b"]._across.visitors))


async def test_a_node_that_leaves_its_hub_ends_the_session_of_the_other_ones_client(ends: Ends) -> None:
    client, node = await ends.client(), await ends.node()
    await opened(client, node)
    await node.ws.close()
    assert (await client.hear("channel.close"))["d"]["reason"] == "node_closed"


async def test_a_link_that_is_lost_ends_what_went_over_it_and_nothing_else(ends: Ends) -> None:
    client, node, mine = await ends.client(), await ends.node(), await ends.node("a", "n2")
    await opened(client, node)
    await client.say("session.open", {"nodeId": "n2"}, 2)
    asked = await mine.hear("node.session.open")
    await mine.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
    await client.hear("session.opened")
    link = ends.hubs.running["a"]._cluster._links.to("b")
    assert link is not None
    link.link.abort()
    lost = await client.hear("channel.close")
    assert (lost["c"], lost["d"]["reason"]) == (1, "node_closed")
    assert (await node.hear("channel.close"))["d"]["reason"] == "client_disconnected"
    await client.send_data(1, 2, b"on")
    assert (await mine.hear())[10:] == b"on"


async def test_a_lock_at_one_hub_ends_what_is_open_over_two(ends: Ends) -> None:
    client, node, admin = await ends.client(), await ends.node(), await ends.client("admin", "b", (*ADMIN, LOCKS))
    await opened(client, node)
    assert (await ask(admin, "admin.lock.add", kind="principal", name="dev"))["ok"]
    assert (await node.hear("channel.close"))["d"]["reason"] in ("client_closed", "client_disconnected")
    async with asyncio.timeout(DEADLINE):
        while (said := await client.hear_whenever())["t"] != "error":
            assert said["t"] == "channel.close"
    assert said["d"]["fatal"]
    assert (await ask(admin, "admin.lock.remove", kind="principal", name="dev"))["ok"]


async def test_a_public_port_is_opened_at_the_hub_that_has_the_node(ends: Ends) -> None:
    admin, _ = await ends.client("admin"), await ends.node()
    await admin.say(
        "tunnel.open.request", {"requestId": "r", "nodeId": "n1", "targetHost": "localhost", "targetPort": 1}
    )
    while (said := await admin.hear())["t"] not in ("tunnel.rejected", "tunnel.opened"):
        pass
    assert said["t"] == "tunnel.rejected"


async def test_a_shell_goes_on_over_a_link_that_was_lost(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    a, b = hubs.running["a"], hubs.running["b"]
    count = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; [ $((i%100)) = 0 ] && sleep 0.02; done; exit 3"
    async with running_node(certificates, b.port, tmp_path / "node"):
        await until(lambda: "n1" in hubs.described_at("a"))
        await hubs.linked("a", "b")
        async with connected_client(certificates, a.port) as client:
            session = await client.open_session("n1", mode=SessionMode.SHELL, command=count, pty=SIZE)
            output = b""
            cut = False
            async for chunk in session:
                output += chunk.data
                if not cut and b"line 500" in output:
                    cut = True
                    link = a._cluster._links.to("b")
                    assert link is not None
                    link.link.abort()
            assert output == b"".join(b"line %d\r\n" % number for number in range(1, 3001))
            assert (await session.wait()).code == 3


async def test_the_nodes_hub_decides_again_by_what_it_knows_itself(certificates: Certificates) -> None:
    grants = (Grant(roles=frozenset({"developer"}), nodes=("n1",), rights=frozenset({Action.EXEC}), deny=True),)
    users = [TokenGrant.parse(grant) for grant in GRANTS if not grant.startswith("admin:")]
    of_b = {"grants": grants, "authenticator": TokenAuthenticator(users)}
    async with two_linked_hubs(certificates, of_b) as hubs, AsyncExitStack() as closing:
        ends = Ends(certificates, hubs)
        closing.push_async_callback(ends.aclose)
        dev, admin, _ = await ends.client(), await ends.client("admin"), await ends.node()
        await dev.say("session.open", {"nodeId": "n1"}, 1)
        assert (await dev.hear("session.rejected"))["d"]["reason"] == "not_authorized"
        assert ends.audited("b", "session.rejected") == ("dev", "denied", "", "not_authorized")
        # Who is known to one hub alone opens nothing at the other.
        await admin.say("session.open", {"nodeId": "n1"}, 1)
        assert "hub 'b'" in (await admin.hear("session.rejected"))["d"]["message"]
        visit = ends.audited("b", "peer.visit")
        assert visit is not None
        assert visit[:2] == ("admin", "denied")
        await _is_refused_without_a_link(hubs, dev)


async def _is_refused_without_a_link(hubs: Hubs, client: RawPeer) -> None:
    links = hubs.running["a"]._cluster._links
    await hubs.running["b"]._cluster._links.aclose()
    await until(lambda: links.to("b") is None)
    await client.say("session.open", {"nodeId": "n1"}, 1)
    refused = await client.hear("session.rejected")
    assert refused["d"]["reason"] == "node_offline"
    assert "hub 'b'" in refused["d"]["message"]
    await client.say("sessions.list.request", {"requestId": "r", "nodeId": "n1"})
    assert (await client.hear("sessions.list.response"))["d"]["sessions"] == []
