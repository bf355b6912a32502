"""Makes the panes of a kept layout again."""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from omnyshell.services.client.client import OmnyShellClient
from omnyshell.tui.keeping.form import Kept, KeptPane, KeptTab, tree_of
from omnyshell.tui.keeping.verdicts import Verdict, Verdicts, judge
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.previews.watch import WatchPane
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.layout import Tab
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.tab import TabPane, one_line
from omnyshell.tui.terminal.wording import with_keys

MOST_NAMED = 5
"""Sessions that are told by name."""


class Makers(NamedTuple):
    """How panes are made."""

    terminal: Callable[[OpenSpec], TerminalPane]
    watch: Callable[[SessionRef], WatchPane]


class Restored(NamedTuple):
    """The tabs, the one that was shown, and what is not there any more."""

    tabs: list[Tab[TabPane]]
    shown: Tab[TabPane] | None
    gone: list[str]


async def restored(client: OmnyShellClient, kept: Kept, makers: Makers, here: Collection[SessionRef]) -> Restored:
    """Return the panes of sessions that go on; those that others have, or that may be away, wait for the user.

    `here` are sessions that this console has already.
    """
    panes = kept.panes
    verdicts = await judge(client, {_ref(pane) for pane in panes if not pane.watched and _ref(pane) not in here})
    made = set(here)

    def make(pane: KeptPane) -> TabPane | None:
        ref = _ref(pane)
        if pane.watched:
            return makers.watch(ref)
        if ref in made or verdicts[ref] is Verdict.GONE:
            return None
        made.add(ref)
        spec = OpenSpec(node_id=ref.node_id, session_ref=ref.session_id, known_as=pane.name, user=pane.user)
        terminal = makers.terminal(spec)
        _hold(terminal, verdicts[ref])
        return terminal

    tabs = [_tab(tab, make) for tab in kept.tabs]
    shown = tabs[kept.tab] if kept.tab < len(tabs) else None
    found = [tab for tab in tabs if tab is not None]
    return Restored(found, shown or (found[0] if found else None), _gone(panes, verdicts))


def _ref(pane: KeptPane) -> SessionRef:
    return SessionRef(pane.node, pane.session)


def _tab(kept: KeptTab, make: Callable[[KeptPane], TabPane | None]) -> Tab[TabPane] | None:
    made: list[TabPane | None] = []

    def noted(pane: KeptPane) -> TabPane | None:
        made.append(make(pane))
        return made[-1]

    tree = tree_of(kept.tree, noted)
    if tree is None:
        return None
    panes = [pane for pane in made if pane is not None]
    active = (made[kept.active] if kept.active < len(made) else None) or panes[0]
    return Tab(tree, active, one_line(kept.name), zoomed=kept.zoomed and len(panes) > 1, recent=[active])


def _gone(panes: Iterable[KeptPane], verdicts: Verdicts) -> list[str]:
    return [
        f"{pane.node}: {pane.name}" if pane.name else pane.node
        for pane in panes
        if verdicts.get(_ref(pane)) is Verdict.GONE
    ]


def words_for(gone: list[str]) -> str:
    """Return one line about sessions that are not there any more."""
    more = f", and {len(gone) - MOST_NAMED} more" if len(gone) > MOST_NAMED else ""
    count = "1 session has" if len(gone) == 1 else f"{len(gone)} sessions have"
    return f"{count} ended since: {', '.join(map(one_line, gone[:MOST_NAMED]))}{more}"


def _hold(pane: TerminalPane, verdict: Verdict) -> None:
    """Have a pane wait for the user where its session is not free."""
    node = one_line(pane.node_id)
    if verdict is Verdict.TAKEN:
        pane.hold(with_keys("The session is attached elsewhere.", "r", "takes it over"))
    elif verdict is Verdict.AWAY:
        words = f"{node} is offline. The session is taken up when it is back."
        pane.hold(with_keys(words, "r", "tries now"), is_away=True)
    elif verdict is Verdict.UNKNOWN:
        pane.hold(with_keys(f"{node} does not say whether the session goes on.", "r", "takes it up"))
    elif verdict is Verdict.GONE:
        pane.spec = OpenSpec(node_id=pane.node_id, user=pane.user)
        pane.hold(with_keys("The session has ended.", "r", "opens a shell there"))


async def take_up(client: OmnyShellClient, panes: Collection[TerminalPane]) -> None:
    """Take up the sessions of panes whose nodes are back."""
    refs = {pane: pane.ref for pane in panes}
    verdicts = await judge(client, {ref for ref in refs.values() if ref is not None})
    for pane, ref in refs.items():
        if ref is None or pane.attachment.phase is not Phase.HELD:
            continue
        if verdicts[ref] is Verdict.FREE:
            pane.restart()
        else:
            _hold(pane, verdicts[ref])
