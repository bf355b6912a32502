"""The hub's picture of sessions: from what it carries, and from what nodes say waits in them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from omnyshell import DetachedSessionInfo, SessionMode, SessionState
from omnyshell.ids import PrincipalId
from omnyshell.model.live import LiveSession, Part
from omnyshell.model.principals import Principal
from omnyshell.protocol.extensions import SESSION_USAGE
from omnyshell.services.hub.ground.event_bus import KillEvent, SessionEvent
from omnyshell.services.hub.live.sessions import AWAY_AT_MOST, LONGEST_ID, LiveSessions
from omnyshell.services.hub.live.viewer import Viewer
from omnyshell.services.hub.sessions.route import RouteCounters, Session, SessionRoute

AT = datetime(2026, 1, 2, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        self.seconds += 1
        return self.seconds


class Address:
    """All that is asked of a client's connection here."""

    address = "192.0.2.1"
    principal = Principal(PrincipalId("ann"))


class Hub:
    """Sessions that a test has the hub carry, detach and end."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.clock = Clock()
        self.marks: list[tuple[str, LiveSession | None]] = []
        self.routes: dict[str, SessionRoute] = {}
        self.is_connected = True
        self.live = LiveSessions(self._mark, self.clock, self._carried, lambda _: keeps, lambda _: self.is_connected)

    def _carried(self, route_id: str) -> RouteCounters | None:
        route = self.routes.get(route_id)
        return route.counters if route is not None else None

    def _mark(self, part: Part, key: str, owner: str, final: LiveSession | None) -> None:
        assert part is Part.SESSIONS
        self.marks.append((key, final))

    def route(self, id_: str, **extra: Any) -> SessionRoute:
        mode = extra.pop("mode", SessionMode.SHELL)
        session = Session(id_, "n1", "ann", mode, AT)
        client: Any = Address()
        asked_id = f"{id_}-{len(self.routes)}" if "resumes" in extra else id_
        route = self.routes[asked_id] = SessionRoute(session, client, 1, client, 2, asked_id, 0.0, **extra)
        return route

    def state(self, route: SessionRoute, state: SessionState, reason: str = "", **extra: Any) -> None:
        route.session.state = state
        if state in (SessionState.DETACHED, SessionState.CLOSED):
            self.routes.pop(route.asked_id, None)
        self.live.receive(SessionEvent(route.describe(), route.asked_id, reason, **extra))

    def opened(self, id_: str, **extra: Any) -> SessionRoute:
        route = self.route(id_, **extra)
        self.state(route, SessionState.OPENING)
        self.state(route, SessionState.OPEN)
        return route

    def resumed(self, id_: str) -> SessionRoute:
        route = self.route("fresh", resumes=id_)
        self.state(route, SessionState.OPENING)
        route.session.id = id_
        self.state(route, SessionState.OPEN)
        return route

    def item(self, id_: str) -> LiveSession | None:
        entry = self.live.find(f"n1/{id_}")
        return entry.describe() if entry is not None else None

    def report(self, *infos: DetachedSessionInfo, asked_at: float | None = None, principal: str | None = None) -> None:
        self.live.report("n1", infos, self.clock.monotonic() if asked_at is None else asked_at, principal)


def info(id_: str, state: SessionState = SessionState.DETACHED, **extra: Any) -> DetachedSessionInfo:
    settings: dict[str, Any] = {"current_command": "vi", "current_cwd": "/srv", "expires_at": AT}
    return DetachedSessionInfo(
        session_id=id_, short_id=id_[:8], node_id="n9", owner_user_id="ann", created_at=AT, state=state,
        **settings | extra,
    )  # fmt: skip


def test_a_detached_shell_is_kept_resumed_and_its_bytes_count_anew() -> None:
    hub = Hub()
    route = hub.opened("a")
    route.bytes_out = 50
    hub.live.sample(0.5, lambda _key, _owner: None)
    item = hub.item("a")
    assert item is not None
    assert (item.bytes_out, item.rate_out, item.address) == (50, 100, "192.0.2.1")
    hub.state(route, SessionState.DETACHED, expires_at=AT)
    hub.report(info("a"))
    item = hub.item("a")
    assert item is not None
    assert (item.state, item.address, item.expires_at, item.command) == (SessionState.DETACHED, "", AT, "vi")
    assert hub.live.unsure == {"n1"}
    hub.resumed("a")
    item = hub.item("a")
    assert item is not None
    assert (item.state, item.resumed, item.bytes_out, item.cwd) == (SessionState.OPEN, True, 0, "/srv")
    assert hub.item("fresh") is None


def test_what_a_session_takes_is_marked_when_it_changes_and_shown_to_who_knows_of_it() -> None:
    hub = Hub()
    for memory in (4096, 4096, 8192):
        hub.report(info("a", memory=memory, cpu_millis=30, processes=2))
    item = hub.item("a")
    assert item is not None
    assert (item.memory, item.cpu_millis, item.processes) == (8192, 30, 2)
    assert len(hub.marks) == 2
    for features, shown in ((frozenset({SESSION_USAGE}), (8192, 30, 2)), (frozenset(), (None, None, None))):
        told = Viewer("ann", features=features).shown(item)
        assert isinstance(told, LiveSession)
        assert (told.memory, told.cpu_millis, told.processes) == shown
    # A node that was replaced by one that does not tell.
    hub.report(info("a"))
    item = hub.item("a")
    assert item is not None
    assert item.memory is None


def test_a_takeover_leaves_one_session_and_the_old_route_ends_nothing() -> None:
    hub = Hub()
    old = hub.opened("a")
    hub.state(old, SessionState.DETACHED)
    new = hub.resumed("a")
    hub.state(old, SessionState.CLOSED, "normal")
    assert len(hub.live) == 1
    hub.state(new, SessionState.CLOSED, "normal")
    assert (len(hub.live), hub.marks[-1][1] and hub.marks[-1][1].reason) == (0, "normal")


def test_a_client_that_vanishes_leaves_a_shell_where_the_node_keeps_it_and_nothing_else() -> None:
    for keeps, mode, left in ((True, SessionMode.SHELL, 1), (False, SessionMode.SHELL, 0), (True, SessionMode.EXEC, 0)):
        hub = Hub(keeps=keeps)
        hub.state(hub.opened("a", mode=mode), SessionState.CLOSED, "client_disconnected")
        assert len(hub.live) == left
        asked_before = hub.clock.seconds - 10
        hub.report(asked_at=asked_before)
        assert len(hub.live) == left
        hub.report()
        assert len(hub.live) == 0


def test_a_report_is_about_its_node_and_its_principal_and_what_is_attached_comes_from_the_hub() -> None:
    hub = Hub()
    hub.opened("attached")
    hub.report(info("waiting"), info("attached", SessionState.ATTACHED), info("unknown", SessionState.ATTACHED))
    assert set(hub.live) == {"n1/attached", "n1/waiting"}
    hub.report(principal="bob")
    assert len(hub.live) == 2
    hub.report(principal="ann")
    assert set(hub.live) == {"n1/attached"}
    hub.report(info("x" * (LONGEST_ID + 1)), info(""))
    assert set(hub.live) == {"n1/attached"}


def states(hub: Hub) -> dict[str, tuple[SessionState, bool]]:
    entries = {key: hub.live.find(key) for key in hub.live}
    return {key: (entry.item.state, entry.item.away) for key, entry in entries.items() if entry is not None}


@pytest.mark.parametrize("is_told_first", [True, False])
def test_what_waits_in_a_node_is_away_with_it_and_then_what_the_node_says(is_told_first: bool) -> None:
    hub = Hub()
    route, command = hub.opened("attached"), hub.opened("command", mode=SessionMode.EXEC)
    hub.report(info("waiting"))
    hub.live.node_gone("n2")
    assert not any(away for _, away in states(hub).values())
    hub.is_connected = False
    for step in (0, 1) if is_told_first else (1, 0):
        if step:
            hub.live.node_gone("n1")
        else:
            hub.state(route, SessionState.CLOSED, "node_closed")
            hub.state(command, SessionState.CLOSED, "node_closed")
    away = (SessionState.DETACHED, True)
    assert states(hub) == {"n1/attached": away, "n1/waiting": away}
    hub.is_connected = True
    hub.report(info("waiting"))
    assert states(hub) == {"n1/waiting": (SessionState.DETACHED, False)}


def test_what_was_killed_there_is_not_away() -> None:
    hub = Hub()
    hub.report(info("waiting"))
    hub.live.killed(KillEvent("n1", PrincipalId("ann"), "waiting"))
    hub.live.node_gone("n1")
    assert len(hub.live) == 0


@pytest.mark.parametrize(("lasts", "seconds"), [(100, 100), (None, AWAY_AT_MOST)])
def test_what_must_have_ended_meanwhile_is_away_no_more(lasts: int | None, seconds: float) -> None:
    hub = Hub()
    ends = hub.clock.now() + timedelta(seconds=lasts) if lasts is not None else None
    hub.report(info("waiting", expires_at=ends))
    hub.live.node_gone("n1")
    hub.clock.seconds += seconds - 50
    hub.live.sample(1.0, lambda _key, _owner: None)
    assert len(hub.live) == 1
    hub.clock.seconds += 60
    hub.live.sample(1.0, lambda _key, _owner: None)
    assert len(hub.live) == 0


def test_no_more_than_so_many_are_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.services.hub.live.away.MAX_AWAY_OF_NODE", 2)
    hub = Hub()
    hub.report(*(info(str(number)) for number in range(4)))
    hub.live.node_gone("n1")
    assert set(hub.live) == {"n1/2", "n1/3"}


def test_a_session_of_nobody_is_none() -> None:
    hub = Hub()
    hub.report(structs.replace(info("waiting"), owner_user_id=""))
    assert len(hub.live) == 0


def test_a_far_end_that_a_node_tells_keeps_nothing_longer_than_a_day() -> None:
    hub = Hub()
    hub.report(info("waiting", expires_at=datetime(9999, 12, 31, tzinfo=UTC)))
    hub.live.node_gone("n1")
    hub.clock.seconds += AWAY_AT_MOST + 10
    hub.live.sample(1.0, lambda _key, _owner: None)
    assert len(hub.live) == 0


class World:
    """What hub and node really have, whatever the hub's picture is."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.carried: dict[str, SessionRoute] = {}
        self.waiting: set[str] = set()

    def open(self, id_: str) -> None:
        if id_ not in self.carried and id_ not in self.waiting:
            self.carried[id_] = self.hub.opened(id_)

    def detach(self, id_: str) -> None:
        if id_ in self.carried:
            self.hub.state(self.carried.pop(id_), SessionState.DETACHED)
            self.waiting.add(id_)

    def vanish(self, id_: str) -> None:
        if id_ in self.carried:
            self.hub.state(self.carried.pop(id_), SessionState.CLOSED, "client_disconnected")
            self.waiting.add(id_)

    def close(self, id_: str) -> None:
        if id_ in self.carried:
            self.hub.state(self.carried.pop(id_), SessionState.CLOSED, "normal")

    def resume(self, id_: str) -> None:
        self.detach(id_)
        if id_ in self.waiting:
            self.waiting.discard(id_)
            self.carried[id_] = self.hub.resumed(id_)

    def end_in_node(self, id_: str) -> None:
        self.waiting.discard(id_)

    def node_gone(self, _: str) -> None:
        self.hub.live.node_gone("n1")
        for route in self.carried.values():
            self.hub.state(route, SessionState.CLOSED, "node_closed")
        self.waiting |= set(self.carried)
        self.carried.clear()

    def report(self, _: str = "") -> None:
        attached = [info(id_, SessionState.ATTACHED) for id_ in sorted(self.carried)]
        self.hub.report(*map(info, sorted(self.waiting)), *attached)


STEPS = ("open", "detach", "vanish", "close", "resume", "end_in_node", "node_gone", "report")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from("abc")), max_size=40))
def test_after_a_report_the_picture_equals_what_hub_and_node_have(history: list[tuple[str, str]]) -> None:
    world = World()
    for step, id_ in history:
        getattr(world, step)(id_)
    world.report()
    live = world.hub.live
    seen = {key: entry.describe().state for key in live if (entry := live.find(key)) is not None}
    carried = dict.fromkeys((f"n1/{id_}" for id_ in world.carried), SessionState.OPEN)
    assert seen == carried | dict.fromkeys((f"n1/{id_}" for id_ in world.waiting), SessionState.DETACHED)
