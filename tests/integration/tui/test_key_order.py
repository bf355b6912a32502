"""Keys that come in one burst, as from a script, a paste or a fast hand on a slow line."""

import pytest
from support.console import console, node, snapshot
from support.scripted import ScriptedClient, ScriptedSession
from support.stack import until
from support.terminals import LEADER, burst

from omnyshell.model.sessions import PtySpec
from omnyshell.tui.dialogs.invite import InviteDialog
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.widgets.field import Field


@pytest.fixture(name="session")
def _session(monkeypatch: pytest.MonkeyPatch) -> ScriptedSession:
    session = ScriptedSession()

    async def open_(_spec: OpenSpec, _client: object, _size: PtySpec) -> ScriptedSession:
        return session

    monkeypatch.setattr(OpenSpec, "open", open_)
    return session


async def test_what_follows_enter_is_for_the_shell_that_it_opens(session: ScriptedSession):
    async with console(snapshot([node("web-1")])) as (app, _):
        app.hub._client = ScriptedClient()
        burst(app, "enter", "enter", *"ls", "enter")
        await until(lambda: session.input == b"ls\r")
        burst(app, *"vi", LEADER, "o", "escape", "2", "slash", *"state:open")
        await until(lambda: app.overview.sessions._filter.value == "state:open")
        assert app.current_mode == "overview"
        assert session.input == b"ls\rvi"


async def test_what_follows_a_key_is_for_the_form_that_it_opens():
    async with console(snapshot([node("web-1")])) as (app, _):
        given = ["db-7", "role=db"]
        burst(app, "i", *"db-7", "tab", *"role=db")
        await until(lambda: isinstance(app.screen, InviteDialog))
        await until(lambda: [field.value for field in app.screen.query("#name, #labels").results(Field)] == given)
