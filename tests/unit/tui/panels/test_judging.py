"""What keys of a panel do where there is no row: nothing that nobody is told of."""

from support.console import StillClock, a_day_at_work, say, snapshot
from support.in_one_test import in_one_test
from support.panels import PANELS

from omnyshell.services.client.live.state import HubState
from omnyshell.tui.keys import Context, keys_of
from omnyshell.tui.needs import NEEDS, WITHOUT_ROW, takes_row
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.processes import ProcessesPanel


def panel_of(name: str, told: object) -> Panel:
    state = HubState(StillClock())
    say(state, told)
    more = ("web-1",) if PANELS[name] is ProcessesPanel else ()
    panel = PANELS[name](state, StillClock(), *more)
    panel.rows.put(panel.items())
    return panel


def actions_of(name: str) -> list[str]:
    return [key.action for key in keys_of(Context(name), Context.TABLE)]


@in_one_test("name", PANELS)
def test_a_key_that_takes_a_row_says_why_there_is_none(name: str) -> None:
    panel = panel_of(name, snapshot())
    refused = {action for action in actions_of(name) if panel.refusal(action)}
    assert refused >= {"copy", "select", "select_all", "open"}
    assert {panel.refusal(action) for action in refused} == {panel.why_empty()}
    assert not refused & {"filter", "columns", "invite", "pause"}
    if name == "Tunnels":
        assert "open_tunnel" not in refused
    panel.rows.show_none()
    assert all(panel.refusal(action) for action in refused)


@in_one_test("name", [name for name in PANELS if name != "Processes"])
def test_with_a_row_nothing_is_against_it(name: str) -> None:
    panel = panel_of(name, a_day_at_work())
    assert not any(panel.refusal(action) for action in actions_of(name))


def test_what_needs_no_row_is_an_action_there() -> None:
    assert all(actions <= NEEDS[context].keys() for context, actions in WITHOUT_ROW.items())
    assert not takes_row(Context.NODES, "invite")
    assert not takes_row(Context.NODES, "filter")
    assert takes_row(Context.NODES, "open")
    assert not takes_row(Context.OVERVIEW, "zoom")
