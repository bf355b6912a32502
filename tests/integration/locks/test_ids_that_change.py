"""A node that takes another id over its connection leaves nothing behind that a lock of the old id misses."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import pytest
from support.raw_admin import ADMIN, ask
from support.raw_peer import RawPeer, logged_in, open_session, registered
from support.stack import Certificates, hub_config
from websockets.exceptions import ConnectionClosed

from omnyshell import OmnyShellHub

LOCK, RENAME, BACK, OPEN = range(4)


class Site(NamedTuple):
    hub: OmnyShellHub
    node: RawPeer
    client: RawPeer


@pytest.fixture
async def hub(certificates: Certificates) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(hub_config(certificates, node_ids=100)) as started:
        yield started


@pytest.fixture
async def site(certificates: Certificates, hub: OmnyShellHub) -> AsyncIterator[Site]:
    async with (
        registered(certificates, hub.port, "n1") as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        yield Site(hub, node, client)


async def _register(node: RawPeer, node_id: str, **more: Any) -> None:
    """Register, and wait until the hub has dealt with it, or has closed the connection."""
    with suppress(ConnectionClosed):
        await node.say("node.register", {"nodeId": node_id, "platform": {"os": "linux", "arch": "x64"}, **more})
        await node.still_there()


async def _open(client: RawPeer, node_id: str) -> None:
    """Ask for a session: the hub refuses it, or asks the node, which does not answer."""
    await client.say("session.open", {"nodeId": node_id, "mode": "shell"}, 1)
    await client.still_there()


async def test_nothing_opened_at_an_id_outlives_its_lock_in_any_order(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with logged_in(certificates, hub.port, "client", "admin", (*ADMIN, "locks")) as admin:
        for order in itertools.permutations((LOCK, RENAME, BACK, OPEN)):
            first, second = (f"{name}-{'-'.join(map(str, order))}" for name in ("n1", "n2"))
            async with (
                registered(certificates, hub.port, first) as node,
                logged_in(certificates, hub.port, "client", "admin") as client,
            ):
                steps: list[Callable[[], Awaitable[object]]] = [
                    partial(ask, admin, "admin.lock.add", kind="node", name=first),
                    partial(_register, node, second),
                    partial(_register, node, first),
                    partial(_open, client, first),
                ]
                for step in order:
                    await steps[step]()
                assert list(hub.sessions) == [], order


async def test_what_was_open_at_the_old_id_ends_at_both_ends_and_is_audited(site: Site) -> None:
    channel = await open_session(site.client, site.node, mode="shell")
    await site.client.say("sessions.list.request", {"requestId": "r", "nodeId": "n1"})
    await site.node.hear("node.sessions.list.request")
    await site.node.say("node.register", {"nodeId": "n2", "platform": {"os": "linux", "arch": "x64"}})
    closed = await site.node.hear("channel.close")
    assert (closed["c"], closed["d"]["reason"]) == (channel, "client_closed")
    told = await site.client.hear("channel.close")
    assert (told["d"]["reason"], told["d"]["message"]) == ("node_closed", "The node n1 has another id now")
    await site.client.hear("sessions.list.response")
    assert (await site.node.hear("node.registered"))["d"]["nodeId"] == "n2"
    said = [(found.action, found.node_id) for found in site.hub.audit if found.action.startswith("node.")]
    assert said == [("node.register", "n1"), ("node.offline", "n1"), ("node.register", "n2")]


async def test_the_same_id_again_ends_nothing(site: Site) -> None:
    await open_session(site.client, site.node, mode="shell")
    await _register(site.node, "n1")
    assert [route.session.node_id for route in site.hub.sessions] == ["n1"]
    assert "node.offline" not in [found.action for found in site.hub.audit]


async def test_other_labels_over_the_same_connection_end_what_they_do_not_allow(
    certificates: Certificates, site: Site
) -> None:
    await _register(site.node, "n1", labels={"allow-roles": "developer"})
    async with logged_in(certificates, site.hub.port, "client", "dev") as dev:
        for client in (dev, site.client):
            await open_session(client, site.node, mode="shell")
        await _register(site.node, "n1", labels={"allow-roles": "ops"})
        assert [route.session.principal for route in site.hub.sessions] == ["admin"]
