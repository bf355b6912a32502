"""What a client knows of its hub: snapshots, deltas, polls, and who is told."""

from datetime import UTC, datetime
from typing import Any

from omnyshell.model.admin import AuditEntry
from omnyshell.model.live import LiveNode, LiveSession, NodePresence, Part, Scope
from omnyshell.model.live_figures import SessionTraffic
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.model.vitals import MachineVitals, NodeVitals
from omnyshell.protocol.messages.events import EventsDelta, EventsSnapshot
from omnyshell.services.client.live.state import Change, HubState, Link, Source

AT = datetime(2026, 1, 2, tzinfo=UTC)


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return self.seconds


def node(node_id: str, **extra: Any) -> LiveNode:
    return LiveNode(node_id=node_id, state=NodePresence.ONLINE, **extra)


def session(session_id: str, **extra: Any) -> LiveSession:
    settings: dict[str, Any] = {
        "node_id": "n1",
        "principal": "ann",
        "mode": SessionMode.SHELL,
        "state": SessionState.OPEN,
        "created_at": AT,
    }
    return LiveSession(session_id=session_id, **settings | extra)


def snapshot(**content: Any) -> EventsSnapshot:
    settings: dict[str, Any] = {"scope": Scope.ALL, "parts": ("nodes", "sessions"), "first": True, "last": True}
    return EventsSnapshot(subscription_id="s", seq=1, at=AT, **settings | content)


def delta(**content: Any) -> EventsDelta:
    return EventsDelta(subscription_id="s", seq=2, at=AT, **content)


def test_a_snapshot_in_pieces_replaces_what_it_does_not_name_at_its_end() -> None:
    state = HubState()
    state.apply(snapshot(nodes=(node("old"), node("n1"))))
    state.apply(snapshot(nodes=(node("n1"),), last=False))
    assert set(state.nodes) == {"old", "n1"}
    state.apply(snapshot(nodes=(node("n2"),), first=False))
    assert set(state.nodes) == {"n1", "n2"}
    assert (state.scope, state.source(Part.NODES), state.source(Part.METRICS)) == (
        Scope.ALL,
        Source.LIVE,
        Source.UNKNOWN,
    )


def test_items_come_change_are_counted_and_go() -> None:
    state, changes = HubState(), list[Change]()
    state.watch(changes.append)
    state.apply(snapshot(sessions=(session("a"),)))
    first = state.sessions["n1/a"]
    state.apply(delta(session_traffic=(SessionTraffic(node_id="n1", session_id="a", bytes_in=5, rate_in=5),)))
    assert (first.bytes_in, state.sessions["n1/a"].bytes_in, state.sessions["n1/a"].rate_in) == (0, 5, 5)
    version = state.version(Part.SESSIONS)
    state.apply(delta(sessions=(session("a", state=SessionState.CLOSED, gone=True, reason="normal"),)))
    assert (dict(state.sessions), state.version(Part.SESSIONS) > version) == ({}, True)
    assert [(change.part, change.before is None) for change in changes] == [
        (Part.SESSIONS, True),
        (Part.SESSIONS, False),
    ]


def test_vitals_take_the_place_of_those_before_until_they_are_forgotten() -> None:
    state, changes = HubState(), list[Change]()
    state.apply(snapshot(nodes=(node("n1"),)))
    state.watch(changes.append)
    for load in (1, 2):
        told = NodeVitals(node_id="n1", vitals=MachineVitals(load1=load))
        state.apply(delta(node_vitals=(told, NodeVitals(node_id="n2", vitals=MachineVitals()))))
    assert [change.after.vitals.load for change in changes] == [0.01, 0.02]  # type: ignore[union-attr]
    assert list(state.nodes) == ["n1"]
    version = state.version(Part.NODES)
    state.forget_vitals()
    assert (state.nodes["n1"].vitals, state.version(Part.NODES) > version) == (None, True)


def test_records_of_a_second_snapshot_are_taken_once() -> None:
    state = HubState()
    one, two = (AuditEntry(at=AT, action=action) for action in ("auth.ok", "auth.fail"))
    state.apply(snapshot(parts=("audit",), records=(one,)))
    state.apply(snapshot(parts=("audit",), records=(one, two)))
    assert [record.action for record in state.audit] == ["auth.ok", "auth.fail"]


def test_what_is_known_grows_old_when_the_link_is_lost() -> None:
    clock = FakeClock()
    state, told = HubState(clock), list[frozenset[Part]]()
    end = state.subscribe(told.append)
    assert (state.link, state.age(Part.NODES)) == (Link.CONNECTING, None)
    state.set_link(Link.UP)
    state.apply(snapshot(nodes=(node("n1"),)))
    clock.seconds += 50
    assert state.age(Part.NODES) == 0
    state.set_link(Link.LOST, "gone")
    clock.seconds += 5
    assert (state.age(Part.NODES), set(state.nodes), state.link_error) == (5, {"n1"}, "gone")
    end()
    state.set_link(Link.UP)
    assert told == [frozenset(), frozenset({Part.NODES}), frozenset()]


def test_a_polled_part_says_so_and_when() -> None:
    clock = FakeClock()
    state = HubState(clock)
    state.set_link(Link.UP)
    state.set_polled(Part.NODES, [node("n1"), node("n2")])
    state.set_polled(Part.NODES, [node("n2")])
    clock.seconds += 3
    assert (set(state.nodes), state.source(Part.NODES), state.age(Part.NODES)) == ({"n2"}, Source.POLLED, 3)
