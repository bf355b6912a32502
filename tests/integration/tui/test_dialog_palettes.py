"""Dialogs in each palette: what is wrong, and what is dangerous, can be read in all of them."""

from pathlib import Path

import pytest
from support.console import console, node, snapshot
from support.looks import check_palettes
from support.stack import until
from textual.widgets import Select

from omnyshell.security.key_files import PassphraseException
from omnyshell.services.client.files.ports import Entry, Kind
from omnyshell.tui.dialogs.invite import InviteDialog
from omnyshell.tui.dialogs.lock import LockDialog
from omnyshell.tui.dialogs.passphrase import PassphraseDialog
from omnyshell.tui.files.machines import NodeFiles
from omnyshell.tui.files.queue import Copy, CopyQueue, CopyState
from omnyshell.tui.files.screen import FilesScreen

KEY = Path("/home/ann/.config/omnyshell/ann.key")


async def test_several_machines_are_invited() -> None:
    async with console(snapshot([node("db-1")]), width=80, height=24) as (app, pilot):
        await pilot.press("i")
        assert isinstance(app.screen, InviteDialog)
        app.screen.query_one("#kind", Select).value = "fleet"
        await pilot.pause()
        app.screen.query_one("#uses").focus()
        await pilot.press(*"10x", "tab", *"web-")
        assert app.screen.query_one("#box").region.contains_region(app.screen.query_one("#do").region)
        await check_palettes(app, pilot, "dialog-fleet")


async def test_a_lock_that_lacks_its_name() -> None:
    async with console(snapshot([node("db-1")]), width=80, height=24) as (app, pilot):
        await pilot.press("L")
        assert isinstance(app.screen, LockDialog)
        app.screen.query_one("#name").value = ""
        await pilot.press(*"stolen disk", "enter")
        await check_palettes(app, pilot, "dialog-lock")


async def test_a_passphrase_that_is_refused() -> None:
    async def use(_passphrase: str) -> None:
        raise PassphraseException(KEY)

    async with console(snapshot([node("db-1")]), width=80, height=24) as (app, pilot):
        app.push_screen(PassphraseDialog(KEY, use))
        await pilot.pause()
        await pilot.press(*"hidden", "enter")
        await until(lambda: app.screen.query_one("#wrong-passphrase").display)
        await check_palettes(app, pilot, "dialog-passphrase-refused")


async def test_files_beside_each_other_and_what_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shows_what_is_put(*_: object) -> None:
        """Nothing is read."""

    monkeypatch.setattr(FilesScreen, "_show", shows_what_is_put)
    monkeypatch.setattr(FilesScreen, "_use_node", shows_what_is_put)
    async with console(snapshot([node("db-1")]), width=100, height=24) as (app, pilot):
        machines = NodeFiles(app.hub, lambda _: None)
        queue = CopyQueue(machines, lambda _: None)
        screen = FilesScreen(app.hub.state, "ann@db-1", machines, queue, queue.copies.append, {})
        app.push_screen(screen)
        await pilot.pause()
        ours = [
            Entry(b"src", Kind.FOLDER, 4096, 0o755, 0, 1_700_000_000),
            Entry(b"notes.md", Kind.FILE, 5_000, 0o644, 0, 1_700_000_000),
            Entry(b"of-\xff\x1b[31mno text", Kind.FILE, 3_000_000_000, 0o600, 0, 1_600_000_000),
            Entry(b".hidden", Kind.FILE),
        ]
        theirs = [
            Entry(b"latest", Kind.LINK, 9, 0o777, 0, 1_700_000_000),
            Entry(b"socket", Kind.OTHER, 0, 0o660, 0, 1_700_000_000),
        ]
        screen.here.put(b"/home/ann", ours, is_cut=False)
        screen.there.put(b"/srv/a-directory/with-a-long/path-to-it/whose-end/matters", theirs, is_cut=True)
        for state in CopyState:
            copy = Copy("ann@db-1", True, b"/home/ann", ours[:1], b"/srv", state)
            copy.problems = ["notes.md: No space left on device"] * (state is CopyState.FAILED)
            queue.copies.append(copy)
        screen._tick()
        await pilot.press("tab", "down", "space")
        await check_palettes(app, pilot, "files")
