"""A client of another hub that knows more than this one: what waits for that, and what does not."""

import asyncio
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from support.deadline import DEADLINE

from omnyshell import Principal, PrincipalId
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.messages import DetachedSessionsRequest, SessionOpen
from omnyshell.services.hub.cluster.across import visitors
from omnyshell.services.hub.cluster.across.visitors import HereServices, Visitors
from omnyshell.services.hub.cluster.links import words

SESSION = "00000000-0000-0000-0000-00000000000{}"


class Link:
    """A link to hub a, which remembers what is said on it."""

    hub, is_up = "a", True

    def __init__(self) -> None:
        self.channels: dict[int, object] = {}
        self.told: list[Any] = []

    def say(self, word: Any) -> None:
        self.told.append(word)

    def send_in_order(self, text: bytes, _channel: int) -> None:
        self.told.append(text)

    def is_theirs(self, _channel: int) -> bool:
        return True


class Here:
    """A hub that has applied 5 changes, by which ann has a role, and may have a session at n1 alone."""

    def __init__(self) -> None:
        self.applied, self.caught_up = 5, asyncio.Event()
        self.roles: dict[str, set[str]] = {"ann": {"dev"}}
        self.nodes = {"n1"}
        self.opened: list[str] = []
        self.asked: list[str] = []
        self.link: Any = Link()
        self.visitors = Visitors()
        self.visitors.begin(
            HereServices(
                hub="b",
                standing=lambda: self.standing,
                applied=lambda: self.applied,
                catch_up=lambda _seq: self.caught_up.wait(),
                epoch_of=lambda _node_id: 1,
                open=lambda _client, request, _channel, _id: self.opened.append(request.node_id),
                lacks_right=lambda _client, request, _channel: request.node_id not in self.nodes,
                requests={DetachedSessionsRequest: lambda _peer, request, _: self.asked.append(request.node_id)},
                left=lambda _client: None,
                audit=cast("Any", SimpleNamespace(record=lambda *_, **__: None)),
                metrics=cast("Any", SimpleNamespace(frames_dropped=0)),
                codec=FrameCodec(),
            )
        )

    def standing(self, was: Principal, _evidence: object) -> Principal | None:
        roles = self.roles.get(was.id)
        return Principal(PrincipalId(was.id), frozenset(roles)) if roles is not None else None

    def came(self, *roles: str, applied: int = 6, peer: str = "p") -> None:
        now = datetime(2026, 1, 2, tzinfo=UTC)
        self.visitors.came(self.link, words.PeerCame(peer, "ann", roles, "192.0.2.1", (), now, applied))

    def open(self, node_id: str, peer: str = "p") -> None:
        raw = msgspec.Raw(encode_control(SessionOpen(node_id=node_id), 1))
        self.visitors.asked(self.link, words.Open(peer, 1, SESSION.format(1), 1, raw))

    def ask(self, node_id: str) -> None:
        raw = msgspec.Raw(encode_control(DetachedSessionsRequest(request_id="r", node_id=node_id)))
        self.visitors.asked(self.link, words.Ask("p", 1, raw))

    async def catches_up(self) -> None:
        self.caught_up.set()
        async with asyncio.timeout(DEADLINE):
            while self.visitors._arriving:
                await asyncio.sleep(0)


@pytest.fixture
async def here() -> Here:
    return Here()


async def test_what_a_hub_allows_by_what_it_knows_waits_for_nothing(here: Here) -> None:
    here.came("dev")
    here.open("n1")
    assert here.opened == ["n1"]
    await here.catches_up()
    assert (here.opened, len(list(here.visitors))) == (["n1"], 1)


async def test_a_right_that_a_hub_does_not_know_of_yet_is_waited_for(here: Here) -> None:
    here.came("dev")
    here.open("n2")
    here.ask("n2")
    assert (here.opened, here.asked) == ([], [])
    here.nodes.add("n2")
    await here.catches_up()
    assert (here.opened, here.asked) == (["n2"], ["n2"])


async def test_a_role_or_a_client_that_a_hub_does_not_know_of_yet_is_waited_for(here: Here) -> None:
    for roles, known in (({"dev"}, ("dev", "late")), (None, ("dev",))):
        here.visitors.lost(here.link)
        here.opened.clear()
        here.caught_up.clear()
        here.roles = {"ann": roles} if roles else {}
        here.came(*known)
        here.open("n1")
        assert (here.opened, list(here.visitors)) == ([], [])
        here.roles = {"ann": set(known)}
        await here.catches_up()
        assert here.opened == ["n1"]
        assert next(iter(here.visitors)).principal.roles == set(known)


async def test_who_is_not_known_in_the_end_is_refused(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "CATCH_UP", 0.0)
    here.roles.clear()
    here.came("dev")
    here.open("n1")
    async with asyncio.timeout(DEADLINE):
        while here.visitors._arriving:
            await asyncio.sleep(0)
    assert here.opened == []
    assert isinstance(here.link.told[0], words.PeerEnded)


async def test_roles_that_a_client_does_not_claim_are_not_its_own(here: Here) -> None:
    here.roles["ann"] = {"dev", "admin"}
    here.came("dev")
    assert next(iter(here.visitors)).principal.roles == {"dev"}
    await here.catches_up()


async def test_what_waits_of_one_hub_is_bounded_and_what_is_beyond_is_judged_at_once(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "MOST_ARRIVING", 3)
    for number in range(5):
        here.came("late", peer=f"p{number}")
    assert [visitor.their_id for visitor in here.visitors] == ["p3", "p4"]
    size = len(encode_control(SessionOpen(node_id="n2"), 1))
    monkeypatch.setattr(visitors, "MOST_BYTES_HELD", 4 * size)
    for number in range(3):
        for _ in range(2):
            here.open("n2", f"p{number}")
    assert len(here.link.told) == 2
    here.nodes.add("n2")
    await here.catches_up()
    assert (len(here.opened), len(list(here.visitors))) == (4, 5)
    assert not +here.visitors._arriving_over
    assert not +here.visitors._bytes_held


async def test_what_is_told_of_clients_is_bounded_in_bytes_and_forgotten_with_them(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "MOST_TOLD", 3 * visitors.A_CLIENT)
    here.came("dev", applied=5, peer="p0")
    here.came("dev", *(f"{number:255}" for number in range(20)), applied=5, peer="p1")
    here.came("dev", applied=5, peer="p2")
    assert [visitor.their_id for visitor in here.visitors] == ["p0", "p2"]
    assert [word.peer for word in here.link.told] == ["p1"]
    here.visitors.left(here.link, words.PeerLeft("p0"))
    assert here.visitors._bytes_told[here.link] == visitors.A_CLIENT + len("dev")
    here.visitors.lost(here.link)
    assert not here.visitors._bytes_told


async def test_what_waits_keeps_nothing_else_of_its_message(here: Here) -> None:
    here.came("dev")
    padded = b'{"type":"ask","peer":"p","epoch":1,"unknown":"%b","request":{}}' % (b"x" * 1000)
    before = sys.getrefcount(padded)
    word = words.decode(padded)
    assert isinstance(word, words.Ask)
    here.visitors.asked(here.link, word)
    del word
    assert (len(here.visitors._arriving[here.link, "p"].held), sys.getrefcount(padded)) == (1, before)


async def test_a_hub_that_passes_on_what_cannot_be_read_is_told_of_now_and_then(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    here.came("dev", applied=5)
    for _ in range(100):
        here.visitors.asked(here.link, words.Ask("p", 1, msgspec.Raw(b"[]")))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert here.visitors._here.metrics.frames_dropped == 100
