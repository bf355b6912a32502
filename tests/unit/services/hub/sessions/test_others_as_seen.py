"""What the owner of a session sees of others who watch it or have it, and they of the owner."""

from collections.abc import Iterator

import pytest
from support.memory_hub import MemoryHub, MemoryPeer
from support.others_sessions import OLD, others_hub, shell, take_over
from support.stack import Certificates

from omnyshell.model.live import LiveSession
from omnyshell.model.sessions import CloseReason, SessionState
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.messages.events import (
    EventsDelta,
    EventsSnapshot,
    EventsSubscribe,
    EventsUnsubscribe,
    EventsUpdate,
)
from omnyshell.protocol.messages.history import (
    NodeSessionHistoryRequest,
    NodeSessionHistoryResponse,
    SessionHistoryRequest,
    SessionHistoryResponse,
)
from omnyshell.services.hub.live.viewer import Viewer


@pytest.fixture
def hub(certificates: Certificates) -> Iterator[MemoryHub]:
    with others_hub(certificates) as made:
        yield made


@pytest.fixture
def node(hub: MemoryHub) -> MemoryPeer:
    node = hub.registers(labels={"allow-roles": "developer"})
    node.says(m.NodeCapabilitiesMessage(features=("exec", "shell", "detach")))
    return node


def subscribes(hub: MemoryHub, features: frozenset[str] = OF_HUB) -> MemoryPeer:
    owner = hub.logs_in("dev", features=features)
    owner.says(EventsSubscribe(subscription_id="s", parts=("sessions",)))
    hub.passes(0.2)
    return owner


def seen(hub: MemoryHub, owner: MemoryPeer) -> LiveSession:
    hub.passes(0.2)
    updates: list[EventsUpdate] = [*owner.heard(EventsSnapshot), *owner.heard(EventsDelta)]
    return [session for update in updates for session in update.sessions][-1]


def look(hub: MemoryHub, who: MemoryPeer, node: MemoryPeer, session_id: str, *, history: bool = False) -> None:
    named = {"request_id": "r", "node_id": "n1", "session_ref": session_id, "owner": "dev"}
    if history:
        who.says(SessionHistoryRequest(**named))
        if asked := node.heard(NodeSessionHistoryRequest):
            node.says(NodeSessionHistoryResponse(request_id=asked[-1].request_id, ok=True, lines="", count=0))
        return
    who.says(m.SessionScreenRequest(**named, etag=""))
    asked = node.hears(m.NodeSessionScreenRequest)
    node.says(m.NodeSessionScreenResponse(request_id=asked.request_id, ok=True, screen="eA==", etag="e"))
    assert who.hears(m.SessionScreenResponse).ok


def test_the_owner_sees_who_watches_and_who_has_it(hub: MemoryHub, node: MemoryPeer) -> None:
    owner, dev, admin, helper = subscribes(hub), hub.logs_in("dev"), hub.logs_in("admin"), hub.logs_in("p-watch-others")
    before, session_id = shell(hub, dev, node)
    look(hub, admin, node, session_id)
    look(hub, helper, node, session_id[:8])
    assert seen(hub, owner).watched_by == ("admin", "p-watch-others")
    told = len(owner.heard(EventsDelta))
    for _ in range(3):
        look(hub, admin, node, session_id)
    hub.passes(3)
    look(hub, admin, node, session_id)
    assert len(owner.heard(EventsDelta)) == told, "who goes on watching is told of once"
    hub.passes(2)
    assert seen(hub, owner).watched_by == ("admin",)
    take_over(hub, admin, node, session_id, before)
    held = seen(hub, owner)
    assert (held.taken_by, held.principal, held.watched_by) == ("admin", "dev", ("admin",))
    admin.vanishes()
    hub.passes(5)
    left = seen(hub, owner)
    assert (left.taken_by, left.state, left.watched_by) == ("", SessionState.DETACHED, ())


def test_the_owner_sees_who_reads_what_was_above_the_screen(hub: MemoryHub, node: MemoryPeer) -> None:
    owner, dev, admin = subscribes(hub), hub.logs_in("dev"), hub.logs_in("admin")
    _, session_id = shell(hub, dev, node)
    look(hub, admin, node, session_id, history=True)
    assert seen(hub, owner).watched_by == ("admin",)


def test_who_watched_before_the_live_state_began_anew_is_seen_all_the_same(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    _, session_id = shell(hub, dev, node)
    admin.says(EventsSubscribe(subscription_id="s", parts=("sessions",)))
    admin.says(EventsUnsubscribe(subscription_id="s"))
    hub.passes(9)
    look(hub, admin, node, session_id)
    hub.passes(2)
    admin.says(EventsSubscribe(subscription_id="t", parts=("sessions",)))
    for _ in range(2):
        look(hub, admin, node, session_id)
        hub.passes(2)
    owner = subscribes(hub)
    look(hub, admin, node, session_id)
    assert seen(hub, owner).watched_by == ("admin",)


def test_whoever_may_not_see_it_any_more_is_told_its_end_and_nothing_new(
    hub: MemoryHub, node: MemoryPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, dev, admin = subscribes(hub), hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    assert seen(hub, owner).session_id == session_id
    monkeypatch.setattr(Viewer, "sees_session", lambda *_: False)
    take_over(hub, admin, node, session_id, before)
    told = seen(hub, owner)
    assert (told.session_id, told.gone) == (session_id, True)
    assert (told.taken_by, told.address, told.command, told.cwd) == ("", "", "", "")


def test_a_subscriber_that_does_not_know_the_words_is_not_told_them(hub: MemoryHub, node: MemoryPeer) -> None:
    owner, dev, admin = subscribes(hub, OLD), hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    look(hub, admin, node, session_id)
    take_over(hub, admin, node, session_id, before)
    told = seen(hub, owner)
    assert (told.taken_by, told.watched_by) == ("", ())


def test_where_whoever_has_it_is_is_not_for_its_owner_and_where_the_owner_is_for_no_helper(
    hub: MemoryHub, node: MemoryPeer
) -> None:
    owner, dev = subscribes(hub), hub.logs_in("dev", address="192.0.2.7")
    helper = hub.logs_in("p-watch-shell-others", address="198.51.100.9")
    helper.says(EventsSubscribe(subscription_id="s", parts=("sessions",)))
    boss = hub.logs_in("admin")
    boss.says(EventsSubscribe(subscription_id="s", parts=("sessions",)))
    before, session_id = shell(hub, dev, node)
    assert [seen(hub, one).address for one in (owner, helper, boss)] == ["192.0.2.7", "", "192.0.2.7"]
    channel = take_over(hub, helper, node, session_id, before)
    assert [seen(hub, one).address for one in (owner, helper, boss)] == ["", "198.51.100.9", "198.51.100.9"]
    node.says(m.ChannelClose(reason=CloseReason.NORMAL), channel)
    ended = [seen(hub, one) for one in (owner, helper, boss)]
    assert [one.gone for one in ended] == [True] * 3
    assert [one.address for one in ended] == ["", "198.51.100.9", "198.51.100.9"]


def test_an_end_tells_no_words_that_the_subscriber_does_not_know(hub: MemoryHub, node: MemoryPeer) -> None:
    owner, dev, admin = subscribes(hub, OLD), hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    look(hub, admin, node, session_id)
    channel = take_over(hub, admin, node, session_id, before)
    node.says(m.ChannelClose(reason=CloseReason.NORMAL), channel)
    told = seen(hub, owner)
    assert (told.gone, told.taken_by, told.watched_by) == (True, "", ())


def test_ones_own_looks_are_no_news(hub: MemoryHub, node: MemoryPeer) -> None:
    owner, dev = subscribes(hub), hub.logs_in("dev")
    _, session_id = shell(hub, dev, node)
    look(hub, dev, node, session_id)
    assert seen(hub, owner).watched_by == ()
    look(hub, dev, node, session_id, history=True)
    assert dev.hears(SessionHistoryResponse).ok
    assert seen(hub, owner).watched_by == ()
