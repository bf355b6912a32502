"""What can be brought into a tab: panes of others, and sessions that are attached nowhere."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from omnyshell.model.live import LiveSession
from omnyshell.tui.terminal.layout import Layout
from omnyshell.tui.terminal.prompt import Choice
from omnyshell.tui.terminal.tab import TabPane, one_line

KEYS: Final = "123456789abcdefghijklmnopqrstuvwxyz"


class Offer(NamedTuple):
    """A choice, and what it brings."""

    choice: Choice
    brings: TabPane | LiveSession


def offers(layout: Layout[TabPane], detached: Iterable[LiveSession]) -> dict[str, Offer]:
    """Return what can be brought into the tab that is shown, as many as there are keys, by key."""
    here = layout.tab.panes if layout.tab is not None else []
    found: list[tuple[str, TabPane | LiveSession]] = [(pane.label, pane) for pane in layout.panes if pane not in here]
    found += [(f"{live.node_id}: {live.command or live.short_id}, detached", live) for live in detached]
    return {key: Offer(Choice(key, one_line(name)), brings) for key, (name, brings) in zip(KEYS, found, strict=False)}
