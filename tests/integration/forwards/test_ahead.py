"""Connections that are asked for ahead (docs/extensions.md#forward-ahead)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from support.raw_hub import hear_past_heartbeats, node_at_raw_hub
from support.raw_peer import STDIN, RawPeer, logged_in, registered
from support.stack import GRANTS, Certificates, hub_config, running_node, stack, until, within

from omnyshell import OmnyShellHub, OmnyShellNode, TokenAuthenticator, TokenGrant
from omnyshell.model.targets import Target
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward, Place
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.hub.ground.limits import EVERYBODY, Allowance, Resource
from omnyshell.services.node.sessions.registry import MOST_FORWARDS

FORWARD = ("forward", "resume-offset", "rights")
AHEAD = (*FORWARD, "forward-ahead")


class Permitted(NamedTuple):
    """A forward, with its two ends."""

    hub: OmnyShellHub
    node: RawPeer
    client: RawPeer
    under: dict[str, Any]
    """What a request for a connection under it says."""


class OfNode(NamedTuple):
    """A forward to a real node, and a target of it."""

    hub: OmnyShellHub
    node: OmnyShellNode
    client: RawPeer
    target: "Greeter"
    under: dict[str, Any]


class Nobody:
    """Lets nobody use anything, and nothing be reached."""

    def may_open(self, *_: object) -> bool:
        return False

    def allows(self, *_: object) -> bool:
        return False


class Greeter:
    """A target that speaks first, and counts who came."""

    def __init__(self) -> None:
        self.came = 0
        self.to = ""

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        writer.write(b"hello")
        writer.write((await reader.read(5)).upper())
        writer.close()


@asynccontextmanager
async def greeter() -> AsyncIterator[Greeter]:
    made = Greeter()
    async with await asyncio.start_server(made.greet, "127.0.0.1", 0) as server:
        made.to = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


async def ask(client: RawPeer, channel: int, **said: Any) -> None:
    await client.say("session.open", {"nodeId": "n1", "mode": "forward", **said}, channel)


async def answer(client: RawPeer, *kinds: str) -> dict[str, Any]:
    while isinstance(message := await within(client.hear()), bytes) or message["t"] not in kinds:
        pass
    return dict(message)


async def let_open(node: RawPeer) -> None:
    """Have a node open what it is asked for next."""
    asked = await within(node.hear("node.session.open"))
    await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])


async def connections(client: RawPeer) -> int:
    await client.say("forwards.list.request", {"requestId": "r"})
    (listed,) = (await answer(client, "forwards.list.response"))["d"]["forwards"]
    return int(listed["connections"])


def waiting(node: OmnyShellNode) -> int:
    """How many connections a node keeps that are not used."""
    return len(node._sessions._ahead)


@asynccontextmanager
async def permitted(
    certificates: Certificates, of_client: tuple[str, ...] = AHEAD, of_node: tuple[str, ...] = AHEAD, **settings: Any
) -> AsyncIterator[Permitted]:
    """A forward of the hub's own admin, to a node of which every word is the test's."""
    async with (
        OmnyShellHub(hub_config(certificates, **settings)) as hub,
        registered(certificates, hub.port, features=of_node) as node,
        logged_in(certificates, hub.port, "client", "admin", of_client) as client,
    ):
        await ask(client, 1)
        await let_open(node)
        opened = (await within(client.hear("session.opened")))["d"]
        assert opened.get("ahead", False) is (of_client == of_node == AHEAD)
        yield Permitted(hub, node, client, {"target": "localhost:80", "forward": opened["sessionId"]})


@asynccontextmanager
async def permitted_by_node(certificates: Certificates, tmp_path: Path) -> AsyncIterator[OfNode]:
    """A forward to a node that dials."""
    async with (
        greeter() as target,
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path) as node,
        logged_in(certificates, hub.port, "client", "admin", AHEAD) as client,
    ):
        await ask(client, 1)
        opened = (await answer(client, "session.opened"))["d"]
        yield OfNode(hub, node, client, target, {"forward": opened["sessionId"]})


async def test_a_hub_counts_and_records_a_connection_once_it_is_used(certificates: Certificates) -> None:
    async with permitted(certificates) as (hub, node, client, forward):

        def made() -> int:
            return sum(record.action == "forward.connect" for record in hub.audit)

        under = forward | {"ahead": True}
        await ask(client, 2, **under)
        asked = await within(node.hear("node.session.open"))
        assert asked["d"]["ahead"]
        assert (await connections(client), made()) == (0, 0)
        await client.send_data(STDIN, 2, b"used")
        assert bytes(await within(node.hear()))[10:] == b"used"
        assert await connections(client) == 1
        await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
        await within(client.hear("session.opened"))
        assert made() == 1
        await ask(client, 3, **under)
        await within(node.hear("node.session.open"))
        for channel in (3, 3, 2, 1):
            # Where it is used already, or is no connection, it says nothing.
            await client.say("forward.dial", {}, channel)
        assert (await within(node.hear("forward.dial")))["d"] == {}
        assert await connections(client) == 2
        await ask(client, 4, **under)
        await within(node.hear("node.session.open"))
        await client.say("channel.close", {}, 1)
        ended = [await answer(client, "session.rejected", "channel.close") for _ in range(3)]
        assert {message["c"] for message in ended} == {2, 3, 4}
        assert made() == 1


async def test_a_hub_looks_for_no_session_of_what_is_not_used(certificates: Certificates) -> None:
    """Its node has started nothing, and each would be looked for a day."""
    async with permitted(certificates) as (hub, node, client, under):
        kept = hub._services.broker._kept
        before = len(kept.at("n1"))
        await ask(client, 2, ahead=True, offsets=True, **under)
        await within(node.hear("node.session.open"))
        assert len(kept.at("n1")) == before
        await client.say("forward.dial", {}, 2)
        await within(node.hear("forward.dial"))
        assert len(kept.at("n1")) == before + 1


async def test_it_is_for_those_who_know_of_it(certificates: Certificates) -> None:
    for of_client, of_node in ((FORWARD, AHEAD), (AHEAD, FORWARD)):
        async with permitted(certificates, of_client, of_node) as (_, node, client, under):
            for number, said in enumerate((under, {}), start=2):
                await ask(client, number, ahead=True, **said)
                assert (await answer(client, "session.rejected"))["d"]["reason"] == "bad_request"
            await node.still_there()


async def test_a_node_says_what_it_refuses_before_it_hears_of_a_use(certificates: Certificates) -> None:
    for features, told in ((AHEAD, True), (FORWARD, False)):
        async with permitted(certificates, features, features) as (_, node, client, under):
            await ask(client, 2, ahead=told, **under)
            asked = await within(node.hear("node.session.open"))
            if told:
                await client.say("forward.dial", {}, 2)
                await within(node.hear("forward.dial"))
            await node.say("node.session.rejected", {"reason": "forbidden", "unused": True}, asked["c"])
            assert (await answer(client, "session.rejected"))["d"].get("unused", False) is told


async def test_a_node_dials_what_is_used_and_forgets_what_is_not(certificates: Certificates, tmp_path: Path) -> None:
    async with permitted_by_node(certificates, tmp_path) as (hub, node, client, target, forward):
        under = forward | {"ahead": True}
        await ask(client, 2, target=target.to, **under)
        await ask(client, 3, target="192.0.2.1:1", **under)
        refused = (await answer(client, "session.rejected"))["d"]
        assert (refused["reason"], refused["unused"]) == ("forbidden", True)
        await ask(client, 4, target="127.0.0.1:1", **under)
        await client.send_data(STDIN, 4, b"x")
        refused = (await answer(client, "session.rejected"))["d"]
        assert (refused["reason"], "unused" in refused) == ("dial_failed", False)
        assert (target.came, waiting(node)) == (0, 1)
        await client.say("forward.dial", {}, 2)
        assert (await answer(client, "session.opened"))["c"] == 2
        assert bytes(await within(client.hear()))[10:] == b"hello"
        await ask(client, 5, target=target.to, **under)
        await until(lambda: waiting(node) == 1)
        await client.say("channel.close", {}, 5)
        await until(lambda: waiting(node) == 0)
        await ask(client, 6, target=target.to, **under)
        await until(lambda: waiting(node) == 1)
        await hub.stop()
        await until(lambda: waiting(node) == 0)
        assert target.came == 1


async def test_a_forward_keeps_one_ahead_and_none_where_it_is_closed(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with greeter() as target, stack(certificates, tmp_path) as (hub, node, client):
        host, _, port = target.to.partition(":")
        forward = Forward(Place("127.0.0.1", 0), Target(host, int(port)))
        async with Forwarder(client, "n1", [forward]) as forwarder:
            assert waiting(node) == 0
            for number, words in enumerate((b"early", b"", b"early"), start=1):
                reader, writer = await asyncio.open_connection("127.0.0.1", forwarder.listening[0][0].port)
                writer.write(words)
                assert await within(reader.readexactly(5)) == b"hello"
                await until(lambda: waiting(node) == 1)
                (listed,) = await client.forwards.list()
                # It keeps nobody from leaving a hub that hands over, as one does that is asked for to be used.
                assert not client._hubs._is_asking
                assert (listed.connections, target.came) == (1, number)
                writer.write_eof()
                assert await within(reader.read()) == words.upper()
                writer.close()
                # So that the next one is not counted beside this one.
                await until(lambda: len(node._sessions) == 1)
        await until(lambda: waiting(node) == 0)
        assert sum(record.action == "forward.connect" for record in hub.audit) == 3


async def test_who_uses_what_is_taken_back_meanwhile_sees_nothing_of_that(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with greeter() as target, stack(certificates, tmp_path) as (hub, node, client):
        host, _, port = target.to.partition(":")
        async with Forwarder(client, "n1", [Forward(Place("127.0.0.1", 0), Target(host, int(port)))]) as forwarder:
            connect, broker = forwarder.connect, hub._services.broker
            uses = []

            def use(to: Target, early: bytes, *, anew: bool = False) -> RemoteSession:
                session = connect(to, early, anew=anew)
                unused = broker._router.ahead_of("admin")
                uses.append((len(unused), anew))
                for route in unused:
                    # The use is under way.
                    broker.end(route, "error", "Its place was needed")
                return session

            forwarder.connect = use  # type: ignore[method-assign]
            for words in (b"early", b"", b"again"):
                reader, writer = await asyncio.open_connection("127.0.0.1", forwarder.listening[0][0].port)
                writer.write(words)
                writer.write_eof()
                assert await within(reader.read()) == b"hello" + words.upper()
                writer.close()
                await until(lambda: len(broker._router) == 2 and waiting(node) == 1)
            assert uses == [(0, False), (1, False), (0, True), (1, False), (0, True)]
            assert target.came == 3


async def test_what_is_not_used_gives_its_place_back(certificates: Certificates) -> None:
    two = Allowance({Resource.FORWARDS: 2}, frozenset({EVERYBODY}))
    async with permitted(certificates, quotas=(two,)) as (hub, node, client, under):
        await ask(client, 2, ahead=True, **under)
        await within(node.hear("node.session.open"))
        await ask(client, 3, ahead=True, **under)
        refused = await answer(client, "session.rejected")
        assert (refused["c"], refused["d"]["reason"], refused["d"]["unused"]) == (3, "capacity_exceeded", True)
        await ask(client, 4, **under)
        taken_back = await answer(client, "session.rejected")
        assert (taken_back["c"], taken_back["d"]["unused"]) == (2, True)
        await within(node.hear("channel.close"))
        await let_open(node)
        assert (await answer(client, "session.opened"))["c"] == 4
        # What is used keeps its place.
        await ask(client, 5, **under)
        refused = await answer(client, "session.rejected")
        assert (refused["c"], "unused" in refused["d"]) == (5, False)
        assert hub._services.broker._router.ahead_of("admin") == []


async def test_it_ends_with_its_forward_however_that_ends_and_is_no_session_of_the_audit(
    certificates: Certificates,
) -> None:
    for ends in (
        {"t": "channel.close", "d": {"reason": "client_disconnected"}},
        {"t": "session.detach.request", "d": {}},
        {"t": "", "d": {}},
    ):
        async with permitted(certificates) as (hub, node, client, under):
            await ask(client, 2, ahead=True, **under)
            ahead = (await within(node.hear("node.session.open")))["c"]
            if ends["t"]:
                await client.say(ends["t"], ends["d"], 1)
            else:
                await client.ws.close()
            if ends["t"] == "session.detach.request":
                detach = await within(node.hear("node.session.detach"))
                said = {"sessionId": under["forward"], "shortId": under["forward"][:8]}
                await node.say("node.session.detached", said, detach["c"])
            while (await within(node.hear("channel.close")))["c"] != ahead:
                pass
            await until(lambda: len(hub._services.broker._router) == 0)
            closed = [record.session_id for record in hub.audit if record.action in ("session.close", "session.detach")]
            assert closed == [under["forward"]], ends


async def test_what_takes_the_right_takes_it(certificates: Certificates) -> None:
    nodes_alone = TokenAuthenticator([TokenGrant.parse(grant) for grant in GRANTS if "admin" not in grant])
    for taken in ({"authorizer": Nobody()}, {"authenticator": nodes_alone}):
        async with permitted(certificates) as (hub, node, client, under):
            await ask(client, 2, ahead=True, **under)
            ahead = (await within(node.hear("node.session.open")))["c"]
            hub.reload(replace(hub.config, **taken))
            while (await within(node.hear("channel.close")))["c"] != ahead:
                pass
            assert len(hub._services.broker._router) == 0
            if "authorizer" in taken:
                await client.say("forward.dial", {}, 2)
                await client.still_there()
                await node.still_there()


async def test_a_node_that_is_open_before_it_is_used_is_counted(certificates: Certificates) -> None:
    async with permitted(certificates) as (hub, node, client, under):
        await ask(client, 2, ahead=True, **under)
        await let_open(node)
        assert (await answer(client, "session.opened"))["c"] == 2
        assert await connections(client) == 1
        assert sum(record.action == "forward.connect" for record in hub.audit) == 1
        await client.say("forward.dial", {}, 2)
        await client.send_data(STDIN, 2, b"on")
        assert bytes(await within(node.hear()))[10:] == b"on"
        assert hub._services.broker._router.ahead_of("admin") == []


async def test_a_node_judges_and_counts_again_what_is_used(certificates: Certificates, tmp_path: Path) -> None:
    async with permitted_by_node(certificates, tmp_path) as (_, node, client, target, forward):
        under = forward | {"target": target.to}
        sessions = node._sessions
        policy = sessions._forwards._policy
        for channel, refuses in ((2, "forbidden"), (3, "capacity_exceeded")):
            await ask(client, channel, ahead=True, **under)
            await until(lambda: waiting(node) == 1)
            if refuses == "forbidden":
                sessions._forwards._policy = Nobody()
            else:
                sessions._forwards_now += MOST_FORWARDS
            await client.say("forward.dial", {}, channel)
            refused = (await answer(client, "session.rejected"))["d"]
            assert (refused["reason"], "unused" in refused) == (refuses, False)
            sessions._forwards._policy = policy
        sessions._forwards_now -= MOST_FORWARDS
        assert (target.came, waiting(node), len(sessions._starting)) == (0, 0, 0)
        # Their channels are free again.
        await ask(client, 2, **under)
        assert (await answer(client, "session.opened"))["c"] == 2


async def test_a_node_takes_nothing_but_connections_to_be_used_later_whatever_its_hub_says(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with node_at_raw_hub(certificates, tmp_path, AHEAD) as hub:
        for channel, mode in enumerate(("shell", "exec", "agent", "sftp"), start=1):
            asked = {"sessionId": str(uuid4()), "principal": "p", "mode": mode, "target": "localhost:80", "ahead": True}
            await hub.say("node.session.open", asked, channel)
            refused: Any = await hear_past_heartbeats(hub, "node.session.rejected")
            assert (refused["c"], refused["d"]["reason"]) == (channel, "bad_request"), mode
