"""The extension `wide-window` spoken with peers that know docs/extensions.md alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.raw_peer import STDOUT, RawPeer, logged_in, registered
from support.stack import Certificates, connected_client, hub_config, running_node, within

from omnyshell import OmnyShellClient, OmnyShellHub, RemoteSession
from omnyshell.protocol.messages import SessionOpen

WIDE = ("wide-window",)
KIB = 1024
MIB = 1024 * KIB
FLOWS = 32 * KIB
"""As much as our client hears before it opens the window."""


async def opened_by(node: RawPeer, **said: Any) -> int:
    """Have the node open what it is asked for, and say so much more; returns its channel."""
    asked = await node.hear("node.session.open")
    await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"], **said}, asked["c"])
    return int(asked["c"])


async def send(node: RawPeer, channel: int, size: int) -> None:
    for start in range(0, size, 64 * KIB):
        await node.send_data(STDOUT, channel, bytes(min(64 * KIB, size - start)))


@pytest.mark.parametrize(("of_client", "of_node"), [(WIDE, WIDE), (WIDE, ()), ((), WIDE), ((), ())])
async def test_the_window_is_named_between_peers_that_announced_it(
    certificates: Certificates, of_client: tuple[str, ...], of_node: tuple[str, ...]
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port, features=of_node) as node,
        logged_in(certificates, hub.port, "client", "admin", of_client) as client,
    ):
        await client.say("session.open", {"nodeId": "n1"}, 1)
        await opened_by(node, maxWindow=2 * MIB)
        opened = await client.hear("session.opened")
        assert opened["d"].get("maxWindow") == (2 * MIB if of_client and of_node else None)


async def test_our_node_sends_as_much_as_it_allows_and_no_more(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", WIDE) as client,
    ):
        await client.say("session.open", {"nodeId": "n1", "command": "head -c 8000000 /dev/zero"}, 1)
        opened = await client.hear("session.opened")
        assert opened["d"]["maxWindow"] == 4 * MIB
        await client.say("channel.window", {"stream": "stdout", "credit": 4 * MIB - 256 * KIB}, 1)
        arrived = 0
        while arrived < 4 * MIB:
            arrived += len(await within(client.hear())) - 10
        assert arrived == 4 * MIB
        await client.still_there()
        await client.say("channel.window", {"stream": "stdout", "credit": 4 * MIB}, 1)
        while arrived < 8_000_000:
            arrived += len(await within(client.hear())) - 10
        assert (await client.hear("channel.exit"))["d"]["exitCode"] == 0


async def test_our_node_allows_nothing_of_a_shell(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", WIDE) as client,
    ):
        await client.say("session.open", {"nodeId": "n1", "mode": "shell", "command": "cat"}, 1)
        assert "maxWindow" not in (await client.hear("session.opened"))["d"]


@asynccontextmanager
async def wide_node(certificates: Certificates) -> AsyncIterator[tuple[RawPeer, OmnyShellClient]]:
    """A node with wide windows, and our client at its hub."""
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port, features=WIDE) as node,
        connected_client(certificates, hub.port) as client,
    ):
        yield node, client


async def wide_session(client: OmnyShellClient, node: RawPeer, **said: Any) -> tuple[RemoteSession, int]:
    """A session whose output is taken at once, with the widest window that it may have, and the node's channel."""
    opening = asyncio.create_task(client.open_session("n1", command="x"))
    channel = await opened_by(node, **said)
    session = await within(opening)
    session.take_at_once = lambda _, data: len(data)
    session.widen()
    await send(node, channel, FLOWS)
    return session, channel


@pytest.mark.parametrize(
    ("allowed", "extra"),
    [
        (2 * MIB, 2 * MIB - 256 * KIB),
        (2**62, 4 * MIB - 256 * KIB),
        (0, 768 * KIB),
        (-1, 768 * KIB),
        (64 * KIB, 768 * KIB),
        (None, 768 * KIB),
    ],
)
async def test_our_client_opens_the_window_as_far_as_it_may(
    certificates: Certificates, allowed: int | None, extra: int
) -> None:
    async with wide_node(certificates) as (node, client):
        said = {} if allowed is None else {"maxWindow": allowed}
        await wide_session(client, node, **said)
        assert await within(node.granted()) == extra + FLOWS


async def test_our_client_opens_it_as_far_where_it_wished_for_it_before_the_node_said_how_far(
    certificates: Certificates,
) -> None:
    async with wide_node(certificates) as (node, client):
        session = client.ask_to_open(SessionOpen(node_id="n1", command="x"))
        session.take_at_once = lambda _, data: len(data)
        session.widen()
        channel = await opened_by(node, maxWindow=4 * MIB)
        await within(client.until_open(session))
        await send(node, channel, FLOWS)
        assert await within(node.granted()) == 4 * MIB - 256 * KIB + FLOWS


async def test_our_client_returns_a_quarter_of_a_wide_window_or_what_came_before_a_pause(
    certificates: Certificates,
) -> None:
    async with wide_node(certificates) as (node, client):
        session, channel = await wide_session(client, node, maxWindow=4 * MIB)
        assert await within(node.granted()) == 4 * MIB - 256 * KIB + FLOWS
        # What a sender that gives way to somebody who types may have under way.
        await send(node, channel, 256 * KIB)
        returned = 0
        while returned < 256 * KIB:
            returned += await within(node.granted())
        assert returned == 256 * KIB
        await send(node, channel, 4 * MIB)
        grants = []
        while sum(grants) < 4 * MIB:
            grants.append(await within(node.granted()))
        assert sum(grants) == 4 * MIB
        await node.say("channel.exit", {"exitCode": 0}, channel)
        await node.say("channel.close", {}, channel)
        assert (await within(session.wait())).code == 0
