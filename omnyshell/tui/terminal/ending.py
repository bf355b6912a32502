"""Ends the session of a pane, after asking."""

from collections.abc import Callable

from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.layout import Tab
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.prompt import Choice, Menu
from omnyshell.tui.terminal.tab import TabPane, one_line


def why_not_now(pane: TerminalPane) -> str:
    """Return what has to be waited for before the session can be ended; "" for nothing."""
    if pane.attachment.phase is not Phase.WAITING:
        return ""
    what = f"{one_line(pane.node_id)} is offline" if pane.attachment.waits_for_node else "The hub is lost"
    return f"{what}: the session can be ended when it is back"


def question_about(pane: TerminalPane, tab: Tab[TabPane] | None, end: Callable[[], None]) -> Menu:
    """Return the question whether to `end` the session."""

    def decide(key: str) -> None:
        if key == "y":
            end()

    name = tab.name if tab is not None and len(tab.panes) == 1 and tab.name else pane.label
    question = f"End '{name}' with everything that runs in it?"
    return Menu(question, [Choice("y", "End it"), Choice("n", "Leave it")], decide, is_question=True)


async def end(pane: TerminalPane, context: ConsoleContext) -> None:
    """End what is attached; closing what was taken over would only leave it. Raises `OmnyShellException`."""
    session = pane.attachment.session
    if session is not None and session.owner:
        await context.client.sessions_of(pane.node_id, session.owner).kill(pane.session_id)
    pane.attachment.kill()
