"""The extension `forward` spoken with peers that know docs/extensions.md alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.raw_peer import STDERR, STDIN, STDOUT, RawPeer, logged_in, registered
from support.stack import Certificates, connected_client, hub_config, running_node, within

from omnyshell import OmnyShellHub
from omnyshell.model.targets import Target
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward, Place

FORWARD = ("forward", "resume-offset", "rights")


async def echo_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say one thing back, finish, and answer nothing that comes then."""
    writer.write((await reader.read(5)).upper())
    writer.write_eof()
    await reader.read()
    writer.close()


@asynccontextmanager
async def target() -> AsyncIterator[str]:
    async with await asyncio.start_server(echo_once, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def asked(client: RawPeer, channel: int, **said: Any) -> dict[str, Any]:
    """What comes back for a request, whatever windows come before."""
    await client.say("session.open", {"nodeId": "n1", "mode": "forward", **said}, channel)
    return await answer(client, "session.opened", "session.rejected")


async def answer(client: RawPeer, *kinds: str) -> dict[str, Any]:
    while (message := await within(client.hear()))["t"] not in kinds:
        assert message["t"] == "channel.window"
    return dict(message)


async def data(client: RawPeer) -> tuple[int, bytes]:
    while isinstance(frame := await within(client.hear()), dict):
        assert frame["t"] == "channel.window"
    return frame[1], bytes(frame[10:])


async def test_a_connection_is_two_streams_that_end_each_by_itself(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        target() as to,
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", FORWARD) as client,
    ):
        permission = (await asked(client, 1, args=[to]))["d"]["sessionId"]
        opened = await asked(client, 2, target=to, forward=permission, offsets=True)
        assert opened["d"]["outputOffset"] == 0
        await client.send_data(STDIN, 2, b"hello")
        assert await data(client) == (STDOUT, b"HELLO")
        assert await data(client) == (STDERR, b"\x04")
        await client.say("channel.eof", {}, 2)
        assert (await answer(client, "channel.exit"))["d"]["exitCode"] == 0
        await client.say("channel.close", {}, 2)
        refused = await asked(client, 3, target="127.0.0.1:1", forward=permission)
        assert refused["d"]["reason"] == "dial_failed"
        refused = await asked(client, 4, target="192.0.2.1:1", forward=permission)
        assert refused["d"]["reason"] == "forbidden"
        refused = await asked(client, 5, target="nonsense", forward=permission)
        assert refused["d"]["reason"] == "bad_request"


async def test_input_may_come_before_the_target_has_answered(certificates: Certificates) -> None:
    """A hub passes it on in its order, to a connection alone."""
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port, features=FORWARD) as node,
        logged_in(certificates, hub.port, "client", "admin", FORWARD) as client,
    ):
        await client.say("session.open", {"nodeId": "n1", "mode": "forward"}, 1)
        permission = await within(node.hear("node.session.open"))
        await node.say("node.session.opened", {"sessionId": permission["d"]["sessionId"]}, permission["c"])
        forward = (await within(client.hear("session.opened")))["d"]["sessionId"]
        said = {"nodeId": "n1", "mode": "forward", "target": "localhost:80", "forward": forward}
        await client.say("session.open", said, 2)
        await client.send_data(STDIN, 2, b"early")
        await client.say("channel.eof", {}, 2)
        asked_for = await within(node.hear("node.session.open"))
        assert bytes(await within(node.hear()))[10:] == b"early"
        assert (await within(node.hear("channel.eof")))["c"] == asked_for["c"]
        await client.say("session.open", {"nodeId": "n1", "mode": "exec", "command": "x"}, 3)
        await client.send_data(STDIN, 3, b"too early")
        await client.still_there()
        await within(node.hear("node.session.open"))
        await node.say("ping", {"id": "next", "ts": "2026-01-02T03:04:05.678Z"})
        assert (await within(node.hear("pong")))["d"]["id"] == "next"


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ((), {}),
        (FORWARD, {"target": "localhost:80"}),
        (FORWARD, {"target": "localhost:80", "forward": "no such"}),
        (FORWARD, {"forward": "no such"}),
        (FORWARD, {"mode": "exec", "target": "localhost:80", "forward": "no such"}),
        (FORWARD, {"mode": "shell", "forward": "no such"}),
    ],
)
async def test_a_hub_refuses_what_is_no_forward(
    certificates: Certificates, features: tuple[str, ...], said: dict[str, Any]
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port, features=FORWARD),
        logged_in(certificates, hub.port, "client", "admin", features) as client,
    ):
        assert (await asked(client, 1, **said))["d"]["reason"] == "bad_request"


async def test_forwards_are_listed_and_closed_by_their_owner_alone(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", FORWARD) as first,
        logged_in(certificates, hub.port, "client", "admin", FORWARD) as second,
        logged_in(certificates, hub.port, "client", "dev", FORWARD) as other,
    ):
        forward = (await asked(first, 1, command="8080 -> web:80", args=["localhost:80"]))["d"]["sessionId"]

        async def listed(who: RawPeer) -> list[dict[str, Any]]:
            await who.say("forwards.list.request", {"requestId": "r"})
            return list((await within(who.hear("forwards.list.response")))["d"]["forwards"])

        async def closed(who: RawPeer, ref: str) -> bool:
            await who.say("forwards.close.request", {"requestId": "r", "forwardRef": ref})
            return bool((await within(who.hear("forwards.close.response")))["d"]["ok"])

        (found,) = await listed(second)
        assert (found["sessionId"], found["places"], found["connections"]) == (forward, "8080 -> web:80", 0)
        assert await listed(other) == []
        for who, ref in ((other, forward), (second, ""), (second, "no such")):
            assert not await closed(who, ref)
        assert await closed(second, forward[:8])
        assert (await within(first.hear("channel.close")))["d"]["reason"] == "error"
        assert await listed(first) == []


async def test_a_permission_takes_its_connections_along_however_it_ends(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        target() as to,
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", FORWARD) as client,
    ):
        for number, end in enumerate(({"reason": "client_closed"}, {}), start=1):
            permission = (await asked(client, 10 * number, args=[to]))["d"]["sessionId"]
            await asked(client, 10 * number + 1, target=to, forward=permission)
            await client.say("channel.close", end, 10 * number)
            closed = await answer(client, "channel.close")
            assert (closed["c"], closed["d"]["reason"]) == (10 * number + 1, "error")
        # A resume says nothing of a target, and under one that is refused nothing stays open.
        refused = await asked(client, 50, resumeSessionId="no such", target=to, offsets=True)
        assert refused["d"]["reason"] == "bad_request"
        await client.say(
            "session.open", {"nodeId": "n1", "mode": "forward", "resumeSessionId": "x", "offsets": True}, 51
        )
        await client.say("session.open", {"nodeId": "n1", "mode": "forward", "target": to, "forward": "x"}, 52)
        answers = [await answer(client, "session.opened", "session.rejected", "channel.close") for _ in range(2)]
        if answers[-1]["t"] == "session.opened":
            answers.append(await answer(client, "channel.close"))
        assert {message["c"] for message in answers if message["t"] != "session.opened"} == {51, 52}


async def test_connections_that_are_being_made_take_no_place_of_sessions(
    certificates: Certificates, tmp_path: Path
) -> None:
    """They wait for a target that does not answer, whose backlog is full."""
    with socket.socket() as full, ExitStack() as held:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        to = f"127.0.0.1:{full.getsockname()[1]}"
        for _ in range(3):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with (
            OmnyShellHub(hub_config(certificates)) as hub,
            running_node(certificates, hub.port, tmp_path, max_sessions=1),
            logged_in(certificates, hub.port, "client", "admin", FORWARD) as client,
        ):
            permission = (await asked(client, 1, args=[to]))["d"]["sessionId"]
            for channel in range(2, 6):
                said = {"nodeId": "n1", "mode": "forward", "target": to, "forward": permission}
                await client.say("session.open", said, channel)
            assert (await asked(client, 9, mode="exec", command="true"))["t"] == "session.opened"


async def test_a_node_that_would_take_it_for_a_command_is_not_asked(certificates: Certificates) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port, features=("resume-offset", "rights")) as node,
        logged_in(certificates, hub.port, "client", "admin", FORWARD) as client,
    ):
        refused = await asked(client, 1)
        assert (refused["d"]["reason"], "too old" in refused["d"]["message"]) == ("bad_request", True)
        await node.still_there()


async def test_what_takes_another_right_is_not_taken_up_as_something_else(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        target() as to,
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", FORWARD) as second,
    ):
        async with logged_in(certificates, hub.port, "client", "admin", FORWARD) as first:
            permission = (await asked(first, 1, args=[to], offsets=True))["d"]["sessionId"]
            connection = (await asked(first, 2, target=to, forward=permission, offsets=True))["d"]["sessionId"]
            command = (await asked(first, 3, mode="exec", command="cat", offsets=True))["d"]["sessionId"]
        taken = {"offsets": True, "outputOffset": 0}
        tries = [("exec", connection), ("shell", connection), ("exec", permission), ("forward", command)]
        for channel, (mode, session) in enumerate(tries, start=1):
            refused = await asked(second, channel, mode=mode, resumeSessionId=session, **taken)
            assert refused["d"]["reason"] == "not_found"
        opened = await asked(second, 10, resumeSessionId=connection, forward=permission, **taken)
        assert opened["d"]["sessionId"] == connection


async def test_a_hostile_node_can_end_a_connection_and_no_more(certificates: Certificates) -> None:
    """It says an end twice, things on the wrong stream, and more than one byte of it."""
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port, features=FORWARD) as node,
        connected_client(certificates, hub.port) as client,
    ):

        async def opened() -> int:
            request = await within(node.hear("node.session.open"))
            said = {"sessionId": request["d"]["sessionId"], "offsets": True, "outputOffset": 0, "inputOffset": 0}
            await node.say("node.session.opened", said, request["c"])
            return int(request["c"])

        forward = Forward(Place("127.0.0.1", 0), Target("localhost", 80))
        making = asyncio.create_task(Forwarder(client, "n1", [forward]).__aenter__())
        await opened()
        forwarder = await within(making)
        reader, writer = await asyncio.open_connection("127.0.0.1", forwarder.listening[0][0].port)
        channel = await opened()
        for stream, text in ((STDERR, b"noise"), (STDERR, b"\x04\x04"), (STDOUT, b"out"), (STDERR, b"\x04")):
            await node.send_data(stream, channel, text)
        assert await within(reader.read()) == b"out"
        for _ in range(2):
            await node.send_data(STDERR, channel, b"\x04")
            await node.send_data(STDOUT, channel, b"late")
        await node.say("channel.exit", {"exitCode": 0}, channel)
        writer.write_eof()
        assert await within(reader.read()) == b""
        writer.close()
        await within(forwarder.close())
