"""What is drawn of the last values of a number."""

from support.console import NOW, StillClock, node, session, vitals
from support.in_one_test import in_one_test

from omnyshell.protocol.messages.events import EventsDelta
from omnyshell.services.client.live.state import HubState
from omnyshell.tui.formats import LOAD_FLOOR, RATE_FLOOR, spark
from omnyshell.tui.panels.columns import LONGEST_TREND, Placed, place
from omnyshell.tui.panels.nodes import NodesPanel
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.trends import KEPT, Trends


@in_one_test(
    ("values", "floor", "drawn"),
    [
        ([], 2.0, ""),
        ([0.0, 0.07, 0.2, 0.12], LOAD_FLOOR, "▁▁▁▁"),
        ([0.0, 1.0, 2.0], LOAD_FLOOR, "▁▅█"),
        ([0.0, 4.0, 8.0, 2.0], LOAD_FLOOR, "▁▅█▃"),
        ([80.0, 1_200.0], RATE_FLOOR, "▁▁"),
        ([-1.0, 1e300], 1.0, "▁█"),
        (list(map(float, range(8))), 1.0, "▁▂▃▄▅▆▇█"),
    ],
)
def test_the_full_height_is_the_greatest_value_or_the_floor(values: list[float], floor: float, drawn: str) -> None:
    assert spark(values, floor) == drawn


def test_values_are_bounded_and_go_with_their_item() -> None:
    trends = Trends()
    for number in range(500):
        trends.note("a", number)
        trends.note_or_drop("b", 0.0)
    assert (len(trends.values("a")), trends.values("a")[-1], trends.values("b")) == (KEPT, 499, ())
    trends.keep({"b"})
    assert trends.values("a") == ()


def test_a_session_at_rest_costs_nothing_once_its_trend_is_flat() -> None:
    trends = Trends()
    trends.note_or_drop("s", 5.0)
    for _ in range(KEPT):
        trends.note_or_drop("s", 0.0)
    assert trends.values("s") == ()


def delta(**content: object) -> EventsDelta:
    return EventsDelta(subscription_id="s", seq=1, at=NOW, **content)


def test_a_node_has_one_value_for_each_report_however_often_it_is_looked_at() -> None:
    state = HubState()
    panel = NodesPanel(state, StillClock())
    for load in (0, 400, 800):
        state.apply(delta(nodes=(node("n1", vitals=vitals(load)),)))
        for _ in range(3):
            panel.sample()
    (trend,) = [column for column in panel.columns if column.title == "TREND"]
    assert trend.cell(state.nodes["n1"], NOW).text == "▁▅█"
    state.apply(delta(nodes=(node("n1", gone=True),)))
    panel.sample()
    assert panel.trends.values("n1") == ()


def test_rates_are_noted_once_a_second() -> None:
    state = HubState()
    panel = SessionsPanel(state, StillClock())
    for rate in (0, 8_192, 32_768, 0):
        state.apply(delta(sessions=(session(1, rate_out=rate),)))
        panel.sample()
    (trend,) = [column for column in panel.columns if column.title == "TREND"]
    assert trend.cell(session(1), NOW).text == "▃█▁"


def test_a_trend_is_as_long_as_its_column_is_wide() -> None:
    state = HubState()
    panel = SessionsPanel(state, StillClock())
    for rate in range(1, 61):
        state.apply(delta(sessions=(session(1, rate_out=rate * 1_024),)))
        panel.sample()
    (trend,) = [column for column in panel.columns if column.title == "TREND"]
    drawn = [Placed(trend, width).cell(session(1), NOW).text for width in (10, 25, 40)]
    assert [len(text) for text in drawn] == [10, 25, 40]
    assert drawn[2].endswith(drawn[1])
    by_room = [dict(place([trend], width))[trend] for width in (10, 25, 200)]
    assert by_room == [10, 25, LONGEST_TREND]
