"""What tabs and panes say of themselves: names, marks, states, and where keys go."""

from typing import NamedTuple

from omnyshell.tui.keys import Context, label_of
from omnyshell.tui.terminal.heading import Words
from omnyshell.tui.terminal.layout import Tab
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.tab import TabMark, TabPane, one_line
from omnyshell.tui.terminal.tabs import TabLabel


class Hint(NamedTuple):
    """What stands at the end of the line of tabs."""

    text: str
    is_loud: bool = False


def getting_keys(tab: Tab[TabPane]) -> list[TerminalPane]:
    """The panes that keys go to while they go to all."""
    panes = tab.panes if tab.all_keys else []
    return [pane for pane in panes if isinstance(pane, TerminalPane) and pane.gets_keys]


def hint(tab: Tab[TabPane] | None, leader: str) -> Hint:
    """Return how commands are given; where keys go to all panes, that and how it ends."""
    if tab is None or not tab.all_keys:
        return Hint(f"{leader} commands")
    key = label_of(Context.PANES, "all-keys")
    return Hint(f"KEYS GO TO ALL {len(getting_keys(tab))} PANES: {leader} {key} ends it", is_loud=True)


def label(tab: Tab[TabPane], *, is_active: bool) -> TabLabel:
    """Return a tab as the line of tabs shows it."""
    marks = [pane.mark for pane in tab.panes]
    name = tab.name or tab.active.label
    if len(marks) > 1:
        name = f"{name} [{len(marks)}{' zoomed' if tab.zoomed else ''}{' ALL' if tab.all_keys else ''}]"
    name = " ".join(filter(None, (name, tab.active.watchers)))
    return TabLabel(name, max(marks, key=list(TabMark).index).value, is_active=is_active)


def headings(tab: Tab[TabPane], hidden: int) -> dict[TabPane, Words | None]:
    """Return what stands above each pane of a tab; a single one needs no line of its own."""
    if len(tab.panes) == 1:
        return {tab.active: None}
    getting = getting_keys(tab)
    return {
        pane: Words(
            one_line(pane.node_id),
            one_line(pane.what),
            _state(tab, pane, getting, hidden),
            is_active=pane is tab.active,
            is_loud=pane in getting,
        )
        for pane in tab.panes
    }


def _state(tab: Tab[TabPane], pane: TabPane, getting: list[TerminalPane], hidden: int) -> str:
    state = "  ".join(filter(None, (pane.watchers, pane.state)))
    if tab.all_keys:
        state = f"KEYS GO TO ALL {len(getting)}" if pane in getting else f"{state}, gets no keys"
    if hidden:
        state = f"{'zoomed' if tab.zoomed else 'no room'}, {hidden} more hidden  {state}"
    return state
