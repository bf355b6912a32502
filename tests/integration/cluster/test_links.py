"""Links between hubs over loopback, and who is refused; the hubs around them are none."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from errno import ENOSPC
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from support.deadline import DEADLINE
from support.ports import free_ports

from omnyshell.errors import TransportException
from omnyshell.model.targets import Target
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.services.hub.cluster.links import certificates, door, links as links_of_hubs
from omnyshell.services.hub.cluster.links.certificates import LinkCertificates
from omnyshell.services.hub.cluster.links.hello import Hello
from omnyshell.services.hub.cluster.links.links import HubLinks
from omnyshell.transport.backoff import BackoffTimes
from omnyshell.transport.client_link import ClientLink
from omnyshell.transport.tls_client import connect_tls

KEYS = {hub: Ed25519PrivateKey.generate() for hub in ("a", "b", "c", "stranger")}
HOST = "127.0.0.1"


_UNDER_WAY = {"HubLinks._dial", "WsServerEndpoint._admit"}


def _name_of(task: "asyncio.Task[object]") -> str:
    return getattr(task.get_coro(), "__qualname__", "")


class Members:
    """Who is a member, as a test says."""

    def __init__(self, *hubs: str) -> None:
        self.keys = {hub: KEYS[hub].public_key for hub in hubs}

    def hubs(self) -> tuple[str, ...]:
        return tuple(self.keys)

    def key_of(self, hub: str) -> Ed25519PublicKey | None:
        return self.keys.get(hub)


class World:
    """The links of some hubs, which know where the others listen."""

    def __init__(self) -> None:
        self.members = Members("a", "b", "c")
        self.ports = dict(zip("abc", free_ports(3), strict=True))
        self.silent: set[str] = set()
        self.links: dict[str, HubLinks] = {}
        self.refused: list[tuple[str, str, str]] = []
        self.written: dict[str, set[str]] = {}
        self._closing = AsyncExitStack()

    def places(self) -> dict[str, str]:
        return {hub: f"{HOST}:{port}" for hub, port in self.ports.items() if hub not in self.silent}

    async def start(self, hub: str, *, key: str = "", generation: str = "g", says: str = "") -> HubLinks:
        def refused(other: str, why: str) -> None:
            self.refused.append((hub, other, why))

        def changed(up: dict[str, datetime], _places: dict[str, str]) -> None:
            self.written[hub] = set(up)

        own = Hello("cluster", generation, hub)
        links = HubLinks(own, KEYS[key or hub], self.members, self.places, refused, changed)
        links.hello = Hello("cluster", generation, says or hub)
        self._closing.push_async_callback(links.aclose)
        listens = hub in self.ports and hub not in self.silent
        await links.start(Target(HOST, self.ports[hub]) if listens else None)
        self.links[hub] = links
        return links

    async def aclose(self) -> None:
        # aiofastnet 1.2 warns of a socket whose handshake is under way when its loop ends.
        self.silent.update(self.ports)
        await until(lambda: not _UNDER_WAY & {_name_of(task) for task in asyncio.all_tasks()})
        await self._closing.aclose()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(links_of_hubs, "TICK", 0.02)
    monkeypatch.setattr(links_of_hubs, "TIMES", BackoffTimes(0.01, 0.02, 0.02, 1.0, 0.02))
    made = World()
    yield made
    await made.aclose()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not what():
            await asyncio.sleep(0.02)


async def test_hubs_have_one_link_for_each_pair_and_dial_again(world: World) -> None:
    world.silent.add("a")
    a, b = await world.start("a"), await world.start("b")
    await until(lambda: set(a.up()) == {"b"} and set(b.up()) == {"a"})
    await until(lambda: world.written == {"a": {"b"}, "b": {"a"}})
    await b.aclose()
    assert world.written["b"] == set()
    await until(lambda: not a.up())
    b = await world.start("b")
    await until(lambda: set(a.up()) == {"b"} and set(b.up()) == {"a"})
    assert not world.refused


async def test_members_are_followed_though_temporary_files_were_not_to_be_had(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the disk for them is full: who is none any more is left at once, and new ones are believed later."""
    a, b = await world.start("a"), await world.start("b")
    await until(lambda: bool(a.up() and b.up()))
    with monkeypatch.context() as patch:
        tried: list[object] = []

        def fails(*how: object) -> NoReturn:
            tried.append(how)
            raise OSError(ENOSPC, "No space left on device")

        patch.setattr(certificates, "tempfile", SimpleNamespace(NamedTemporaryFile=fails))
        del world.members.keys["b"]
        await until(lambda: not a.up() and not b.up() and len(tried) > 4)
    await until(lambda: "b" not in a._believed)
    world.members.keys["b"] = KEYS["b"].public_key
    await until(lambda: set(a.up()) == {"b"} and set(b.up()) == {"a"})


async def test_a_hub_that_is_no_member_any_more_loses_its_link_and_gets_none(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    await until(lambda: bool(a.up() and b.up()))
    del world.members.keys["b"]
    await until(lambda: not a.up() and not b.up())
    tls = LinkCertificates("b", KEYS["b"]).contexts({"a": KEYS["a"].public_key})[1]
    assert await _ends(world, tls)
    assert not a.up()


async def test_a_hub_that_joins_before_another_knows_of_it_is_refused_until_then_and_not_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_b, world.members = world.members, Members("a")
    turned_away = asyncio.Event()
    before = HubLinks._turned_away

    def turn_away(*about: Any) -> None:
        before(*about)
        turned_away.set()

    monkeypatch.setattr(HubLinks, "_turned_away", turn_away)
    a, of_a = await world.start("a"), world.members
    world.members = of_b
    world.silent.add("b")
    b = await world.start("b")
    async with asyncio.timeout(DEADLINE):
        await turned_away.wait()
    of_a.keys.update(of_b.keys)
    await until(lambda: bool(a.up() and b.up()))
    monkeypatch.setattr(door, "GRACE", 0.0)
    await a.aclose()
    assert not world.refused


async def test_who_claims_to_be_a_hub_without_its_key_has_no_link(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = await world.start("a")
    others = {"a": KEYS["a"].public_key}
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    for name, key in (("b", "stranger"), ("stranger", "stranger"), ("b", "c")):
        assert await _ends(world, LinkCertificates(name, KEYS[key]).contexts(others)[1]), (name, key)
    assert await _ends(world, bare)
    assert not a.up()
    # It is told once of an address, however often that tries, and only after a while.
    assert not world.refused
    monkeypatch.setattr(door, "GRACE", 0.0)
    await until(lambda: bool(world.refused))
    assert world.refused == [("a", "", f"no link: {HOST} shows no certificate of a member")]
    # And where a hub dials: who listens in its place is none either.
    await world.start("b", key="stranger")
    await until(lambda: any(by == "a" and hub == "b" for by, hub, _ in world.refused))
    assert not a.up()


async def test_a_member_that_says_it_is_another_or_goes_by_another_log_is_refused_and_told(world: World) -> None:
    a = await world.start("a")
    await world.start("b", says="c")
    await world.start("c", generation="older")
    whys = {"b": "says that it is 'c'", "c": "another log"}

    def is_told(hub: str, why: str) -> bool:
        return any(by == "a" and of == hub and why in told for by, of, told in world.refused)

    await until(lambda: all(is_told(*each) for each in whys.items()))
    assert not a.up()


async def test_a_port_that_is_taken_is_told_at_the_start(world: World) -> None:
    await world.start("a")
    world.ports["b"] = world.ports["a"]
    with pytest.raises(TransportException, match="in use"):
        await world.start("b")


class _Dialler:
    """A peer that says nothing."""

    def __init__(self) -> None:
        self.opened, self.ended = asyncio.Event(), asyncio.Event()

    def link_opened(self) -> None:
        self.opened.set()

    def text_received(self, data: bytes) -> None: ...

    def binary_received(self, data: bytes | memoryview) -> None: ...

    def channel_flooded(self, channel: int) -> None: ...

    def link_closed(self, code: int, reason: str) -> None:
        self.ended.set()


async def _ends(world: World, tls: ssl.SSLContext) -> bool:
    """Dial hub `a`, and tell whether it ends the connection before a WebSocket is open."""
    dialler = _Dialler()
    link = ClientLink(dialler, HOST, world.ports["a"], "/")
    async with asyncio.timeout(DEADLINE):
        try:
            await connect_tls(link, HOST, world.ports["a"], tls)
        except OSError:
            return True
        await dialler.ended.wait()
    return not dialler.opened.is_set()
