"""What `top` and `events` show, whatever peers call themselves."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.cli.live.events import event_of, item_of, words_of
from omnyshell.cli.live.feed import size
from omnyshell.cli.live.top_view import clip, screen, shares
from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import LiveHub, LiveNode, LivePeer, LiveSession, LiveTunnel, NodePresence, Part, Scope
from omnyshell.model.live_figures import LiveMetrics
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.protocol.messages.events import EventsSnapshot
from omnyshell.services.client.live.state import Change, HubState, Link
from omnyshell.terminal.text.widths import width_of

AT = datetime(2026, 1, 2, tzinfo=UTC)
HOSTILE = "\x1b[31m\x9b2J\u202eevil\u200d名前\n"


def node(node_id: str, **extra: Any) -> LiveNode:
    return LiveNode(node_id=node_id, **{"state": NodePresence.ONLINE} | extra)


def session(session_id: str, **extra: Any) -> LiveSession:
    settings: dict[str, Any] = {
        "node_id": "n1", "principal": "ann", "mode": SessionMode.SHELL, "state": SessionState.OPEN, "created_at": AT,
    }  # fmt: skip
    return LiveSession(session_id=session_id, **settings | extra)


def tunnel(**extra: Any) -> LiveTunnel:
    settings: dict[str, Any] = {
        "tunnel_id": "tunnel-one", "node_id": "n1", "principal": "ann", "target_host": "db", "target_port": 5432,
        "public_port": 9000, "created_at": AT,
    }  # fmt: skip
    return LiveTunnel(**settings | extra)


def peer(**extra: Any) -> LivePeer:
    return LivePeer(peer_id="p", role="node", principal="b", connected_at=AT, **extra)


def state_of(**content: Any) -> HubState:
    state = HubState()
    parts = tuple(part.value for part in Part)
    state.apply(
        EventsSnapshot(
            subscription_id="s", seq=1, at=AT, scope=Scope.ALL, parts=parts, first=True, last=True, **content
        )
    )
    state.set_link(Link.UP)
    return state


def test_the_busiest_come_first_and_what_has_no_room_is_counted() -> None:
    sessions = tuple(session(f"session-{rate}", rate_out=rate) for rate in (5, 2000, 300))
    state = state_of(sessions=sessions, nodes=(node("idle"), node("n1")), metrics=LiveMetrics(started_at=AT))
    lines = [line.text for line in screen(state, "hub", AT + timedelta(hours=3), 120, None)]
    assert [line.split()[7] for line in lines if line.startswith("session-")] == ["2.0K", "300B", "5B"]
    assert [line.split()[0] for line in lines if "online" in line] == ["n1", "idle"]
    assert "up 3h" in lines[0]
    few = [line.text for line in screen(state, "hub", AT, 120, 13)]
    assert len(few) == 13
    assert any("(+1 more sessions)" in line for line in few)


@in_one_test("columns", [1, 7, 40, 100])
def test_nothing_that_a_peer_chose_reaches_the_terminal_as_control(columns: int) -> None:
    state = state_of(
        nodes=(node("n1", labels={HOSTILE: HOSTILE}, display_name=HOSTILE),),
        sessions=(session("x", command=HOSTILE, cwd=HOSTILE, principal=HOSTILE, node_id=HOSTILE),),
        tunnels=(tunnel(target_host=HOSTILE, principal=HOSTILE, public_host=HOSTILE),),
    )
    state.set_link(Link.LOST, HOSTILE)
    for line in screen(state, "hub", AT, columns, None):
        assert line.text.isprintable()
        assert sum(map(width_of, line.text)) <= columns


def test_where_there_are_several_hubs_each_row_says_its_own_and_how_old_what_is_known_of_one_is() -> None:
    hubs = (LiveHub(hub="a", is_told=True, own=True), LiveHub(hub="b", is_told=False, known_at=AT))
    state = state_of(
        nodes=(node("n1", hub="b"),), sessions=(session("s", hub="b"),), tunnels=(tunnel(hub="a"),), hubs=hubs
    )
    lines = [line.text for line in screen(state, "hub", AT + timedelta(seconds=12), 120, None)]
    assert [line.split()[1] for line in lines if line.startswith(("s ", "n1", "tunnel-o"))] == ["b", "b", "a"]
    assert any("hubs 2" in line for line in lines)
    assert "HUB b DOES NOT TELL WHAT IS THERE: what is shown of it is 12s old" in lines
    (told,) = [words_of(Change(Part.SESSIONS, None, item)) for item in state.sessions.values()]
    assert told.endswith("at b")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=5), st.integers(-5, 100))
def test_rows_are_divided_without_waste(wanted: list[int], room: int) -> None:
    given_rows = shares(wanted, room)
    assert all(0 <= got <= want for got, want in zip(given_rows, wanted, strict=True))
    assert sum(given_rows) == min(sum(wanted), max(0, room))


@given(st.floats(0, 1e18))
def test_sizes_are_short(count: float) -> None:
    assert len(size(count)) <= 5


def test_text_is_cut_by_cells() -> None:
    assert (clip("名前x", 3), clip("名前x", 4), clip("abc", 2)) == ("名", "名前", "ab")


@in_one_test(
    ("part", "before", "after", "event"),
    [
        (Part.NODES, None, node("n"), "online"),
        (Part.NODES, node("n"), node("n", state=NodePresence.OFFLINE), "offline"),
        (Part.NODES, node("n"), node("n", labels={"a": "b"}), "changed"),
        (Part.NODES, node("n"), node("n", gone=True), "gone"),
        (Part.SESSIONS, None, session("s", state=SessionState.OPENING), "opening"),
        (Part.SESSIONS, session("s", state=SessionState.OPENING), session("s"), "open"),
        (Part.SESSIONS, session("s"), session("s", state=SessionState.DETACHED), "detached"),
        (Part.SESSIONS, session("s", state=SessionState.DETACHED), session("s", resumed=True), "resumed"),
        (Part.SESSIONS, session("s"), session("s", command="vi"), "changed"),
        (Part.SESSIONS, session("s"), session("s", gone=True, state=SessionState.CLOSED), "closed"),
        (Part.TUNNELS, None, tunnel(), "opened"),
        (Part.TUNNELS, tunnel(), tunnel(gone=True), "closed"),
        (Part.PEERS, None, peer(), "connected"),
        (Part.PEERS, peer(), peer(gone=True), "disconnected"),
        (Part.AUDIT, None, AuditRecord(at=AT, action="auth.ok", principal="ann"), "auth.ok"),
        (Part.METRICS, None, LiveMetrics(started_at=AT), "sample"),
        (Part.HUBS, None, LiveHub(hub="b", is_told=True), "told"),
        (Part.HUBS, LiveHub(hub="b", is_told=True), LiveHub(hub="b", is_told=False, known_at=AT), "not told"),
        (Part.HUBS, LiveHub(hub="b", is_told=True), LiveHub(hub="b", is_told=True, nodes=2), "changed"),
        (Part.HUBS, LiveHub(hub="b", is_told=True), LiveHub(hub="b", is_told=True, gone=True), "removed"),
    ],
)  # fmt: skip
def test_each_change_has_a_word_of_its_own(part: Part, before: Any, after: Any, event: str) -> None:
    change = Change(part, before, after)
    assert event_of(change) == event
    assert words_of(change)
    assert isinstance(item_of(change), dict)
