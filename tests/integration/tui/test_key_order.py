"""Keys that come in one burst, as from a script, a paste or a fast hand on a slow line."""

from collections.abc import Callable

import pytest
from support.arriving import arrive
from support.console import console, node, snapshot
from support.scripted import ScriptedClient, ScriptedSession
from support.stack import until
from support.terminals import LEADER, bottom, burst
from textual.events import Paste
from textual.widgets import Input

from omnyshell.model.sessions import PtySpec
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.dialogs.invite import InviteDialog
from omnyshell.tui.keys import Context, Key, keys_of
from omnyshell.tui.screens.help import HelpScreen
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.widgets.field import Field


@pytest.fixture(name="opened")
def _opened(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedSession]:
    """The sessions that were opened."""
    opened: list[ScriptedSession] = []

    async def open_(_spec: OpenSpec, _client: object, _size: PtySpec) -> ScriptedSession:
        opened.append(ScriptedSession())
        return opened[-1]

    monkeypatch.setattr(OpenSpec, "open", open_)
    return opened


async def test_what_follows_enter_is_for_the_shell_that_it_opens(opened: list[ScriptedSession]):
    async with console(snapshot([node("web-1")])) as (app, _):
        app.hub._client = ScriptedClient()
        burst(app, "enter", "enter", *"ls", "enter")
        await until(lambda: [session.input for session in opened] == [b"ls\r"])
        burst(app, *"vi", LEADER, "o", "escape", "2", "slash", *"state:open")
        await until(lambda: app.overview.sessions._filter.value == "state:open")
        assert app.current_mode == "overview"
        assert opened[0].input == b"ls\rvi"


async def test_what_follows_a_key_is_for_the_form_that_it_opens():
    async with console(snapshot([node("web-1")])) as (app, _):
        given = ["db-7", "role=db"]
        burst(app, "i", *"db-7", "tab", *"role=db")
        await arrive(app, InviteDialog)
        await until(lambda: [field.value for field in app.screen.query("#name, #labels").results(Field)] == given)


def typed(app: ConsoleApp) -> bytes:
    """What the session of the active pane got."""
    pane = app.terminals._layout.active
    assert isinstance(pane, TerminalPane)
    session = pane.attachment.session
    return session.input if isinstance(session, ScriptedSession) else b""


def in_line(app: ConsoleApp) -> list[str]:
    """What stands in the `:` line, where it is open."""
    return [line.value for line in app.screen.query("#typed").results(Input)]


PLACES: dict[str, Callable[[ConsoleApp], bool]] = {
    "rename": lambda app: "Name of the tab /ab" in bottom(app),
    "search": lambda app: "Search for /ab" in bottom(app),
    "copy_mode": lambda app: "Search for ab" in bottom(app),
    "command_line": lambda app: in_line(app) == ["/ab"],
    "overview": lambda app: app.overview.panel._filter.value == "ab",
    "help": lambda app: isinstance(app.screen, HelpScreen),
    "signal": lambda app: typed(app) == b"ab",
    "bring": lambda app: typed(app) == b"ab",
    "kill": lambda app: typed(app) == b"ab",
}
"""Where `/ab` goes after a command, other than to the program in the active pane."""


async def test_what_follows_a_command_after_the_leader_is_for_what_it_leads_to(opened: list[ScriptedSession]):
    """Each of them in a console with three terminals, two of them in one tab."""
    async with console(snapshot([node("web-1")]), width=160, height=50) as (app, pilot):
        app.hub._client = ScriptedClient()
        for key in filter(lambda key: key.listed, keys_of(Context.TERMINAL, Context.PANES)):
            await _three_terminals(app)
            await _leads_on(app, key, opened)
            while app.screen not in (app.terminals, app.overview) or bottom(app):
                await pilot.press("escape")


async def _three_terminals(app: ConsoleApp) -> None:
    """A tab with one terminal, and one with two, which is shown."""
    terminals = app.terminals
    app.switch_mode("terminals")
    tabs = terminals._layout.tabs
    if [len(tab.panes) for tab in tabs] == [1, 2] and not tabs[1].zoomed | tabs[1].all_keys:
        terminals._activate(tabs[1].active)
        terminals._active_terminal().terminal.leave_copy_mode()
        return
    for pane in terminals._layout.panes:
        pane.post_message(pane.Finished(pane))
    await until(lambda: not terminals.has_tabs)
    app.switch_mode("terminals")
    for open_ in (terminals.open_shell, terminals.open_shell, lambda _: terminals.action_split("beside")):
        open_("web-1")
        await until(lambda: all(pane.attachment.phase is Phase.LIVE for pane in terminals._terminals()))


async def _leads_on(app: ConsoleApp, key: Key, opened: list[ScriptedSession]) -> None:
    for session in opened:
        session.input = b""
    burst(app, LEADER, key.keys.split(",")[0], "slash", *"ab")
    arrives = PLACES.get(key.action.partition("(")[0], lambda app: typed(app) == b"/ab")
    await until(lambda: arrives(app))
    programs = {session.input for session in opened} - {b""}
    assert programs <= ({typed(app)} if app.current_mode == "terminals" else set())


async def test_a_paste_goes_into_the_line_that_is_asked_for_and_answers_no_question(opened: list[ScriptedSession]):
    async with console(snapshot([node("web-1")])) as (app, pilot):
        app.hub._client = ScriptedClient()
        burst(app, "enter", "enter", LEADER, "r", "x")
        app.post_message(Paste("-name\nand more"))
        burst(app, "enter", LEADER, "x")
        app.post_message(Paste("yes"))
        await until(lambda: [session.input for session in opened] == [b"yes"])
        assert [tab.name for tab in app.terminals._layout.tabs] == ["x-name"]
        assert bottom(app) == ""
        # Whatever takes the keyboard from a terminal: what is typed is for the one that is shown.
        app.terminals.set_focus(None)
        await pilot.press("a")
        await until(lambda: opened[0].input == b"yesa")
