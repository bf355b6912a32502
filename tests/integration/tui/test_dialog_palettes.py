"""Dialogs in each palette: what is wrong, and what is dangerous, can be read in all of them."""

from pathlib import Path

import pytest
from support.console import console, node, snapshot
from support.pictures import check_picture
from support.stack import until
from textual.widgets import Select

from omnyshell.security.key_files import PassphraseException
from omnyshell.tui.dialogs.invite import InviteDialog
from omnyshell.tui.dialogs.lock import LockDialog
from omnyshell.tui.dialogs.passphrase import PassphraseDialog

KEY = Path("/home/ann/.config/omnyshell/ann.key")

each_palette = pytest.mark.parametrize("theme", ["dark", "light", "contrast"])


@each_palette
async def test_several_machines_are_invited(theme: str) -> None:
    async with console(snapshot([node("db-1")]), width=80, height=24, theme=theme) as (app, pilot):
        await pilot.press("i")
        assert isinstance(app.screen, InviteDialog)
        app.screen.query_one("#kind", Select).value = "fleet"
        await pilot.pause()
        app.screen.query_one("#uses").focus()
        await pilot.press(*"10x", "tab", *"web-")
        assert app.screen.query_one("#box").region.contains_region(app.screen.query_one("#do").region)
        await check_picture(app, f"dialog-fleet-{theme}")


@each_palette
async def test_a_lock_that_lacks_its_name(theme: str) -> None:
    async with console(snapshot([node("db-1")]), width=80, height=24, theme=theme) as (app, pilot):
        await pilot.press("L")
        assert isinstance(app.screen, LockDialog)
        app.screen.query_one("#name").value = ""
        await pilot.press(*"stolen disk", "enter")
        await check_picture(app, f"dialog-lock-{theme}")


@each_palette
async def test_a_passphrase_that_is_refused(theme: str) -> None:
    async def use(_passphrase: str) -> None:
        raise PassphraseException(KEY)

    async with console(snapshot([node("db-1")]), width=80, height=24, theme=theme) as (app, pilot):
        app.push_screen(PassphraseDialog(KEY, use))
        await pilot.pause()
        await pilot.press(*"hidden", "enter")
        await until(lambda: app.screen.query_one("#wrong-passphrase").display)
        await check_picture(app, f"dialog-passphrase-refused-{theme}")
