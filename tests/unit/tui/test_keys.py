"""The table of keys is sound, and everything that shows keys comes from it."""

from collections import Counter

from support.in_one_test import in_one_test
from textual.binding import Binding

from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.keys import KEYS, Context, as_markdown, bindings, keys_of, sections
from omnyshell.tui.panels.audit import AuditPanel
from omnyshell.tui.panels.nodes import NodesPanel
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.tunnels import TunnelsPanel
from omnyshell.tui.screens.access import AccessScreen
from omnyshell.tui.screens.help import HelpScreen
from omnyshell.tui.screens.hubs import HubsScreen
from omnyshell.tui.screens.overview import OverviewScreen
from omnyshell.tui.screens.settings import SettingsScreen

OWNERS = {
    Context.EVERYWHERE: ConsoleApp,
    Context.OVERVIEW: OverviewScreen,
    Context.NODES: NodesPanel,
    Context.SESSIONS: SessionsPanel,
    Context.TUNNELS: TunnelsPanel,
    Context.AUDIT: AuditPanel,
    Context.TABLE: NodesPanel,
    Context.FORM: SettingsScreen,
    Context.HELP: HelpScreen,
    Context.ACCESS: AccessScreen,
    Context.HUBS: HubsScreen,
}
TOGETHER = [
    (Context.EVERYWHERE, Context.OVERVIEW, Context.TABLE, panel)
    for panel in (Context.NODES, Context.SESSIONS, Context.TUNNELS, Context.AUDIT)
]


@in_one_test("contexts", TOGETHER, ids=lambda contexts: contexts[-1])
def test_no_key_means_two_things_at_once(contexts: tuple[Context, ...]) -> None:
    counted = Counter(key for entry in keys_of(*contexts) for key in entry.keys.split(","))
    assert [key for key, count in counted.items() if count > 1] == []


@in_one_test("context", OWNERS)
def test_every_key_does_something(context: Context) -> None:
    for entry in keys_of(context):
        assert hasattr(OWNERS[context], f"action_{entry.action.partition('(')[0]}"), entry


def test_bindings_help_and_documentation_have_all_keys() -> None:
    made = [binding for binding in bindings(*Context) if isinstance(binding, Binding)]
    assert [(binding.key, binding.action) for binding in made] == [(key.keys, key.action) for key in keys_of(*Context)]
    listed = [key for key in KEYS if key.listed]
    assert sum(len(members) for _, members in sections()) == len(listed)
    assert all(f"`{key.label}`" in as_markdown() for key in listed)


def test_only_what_quits_comes_before_the_focused_widget() -> None:
    assert {key.keys for key in KEYS if key.early} <= {"ctrl+q", "ctrl+p"}
