"""Tabs and panes are there again at the next start, over a real hub."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.stack import Certificates, connected_client, hub_config, running_node, stack, until
from support.terminals import LEADER, burst, console_at, notices, run, shell, shows
from textual.pilot import Pilot

from omnyshell import OmnyShellHub, PtySpec
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.keeping.file import layout_file
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.pane import TerminalPane

FILE = ("test", "admin")


@asynccontextmanager
async def shown(certificates: Certificates, port: int, **more: str) -> AsyncIterator[tuple[ConsoleApp, Pilot[int]]]:
    """The console, at its terminals; what was kept is there."""
    async with console_at(certificates, port, size=(101, 30), **more) as (app, pilot):
        await until(lambda: app.terminals._memory is not None)
        await pilot.pause()
        app.switch_mode("terminals")
        await pilot.pause()
        yield app, pilot


def panes(app: ConsoleApp) -> list[TerminalPane]:
    return app.terminals._terminals()


async def are_live(app: ConsoleApp, count: int) -> list[TerminalPane]:
    await until(lambda: len(panes(app)) == count and all(one.attachment.phase is Phase.LIVE for one in panes(app)))
    return panes(app)


async def test_tabs_panes_names_sizes_and_focus_are_as_they_were(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, client):
        async with shown(certificates, hub.port) as (app, pilot):
            first = await shell(app)
            await run(first, "echo one''-one", "one-one")
            second = await shell(app)
            await run(second, "echo two''-two", "two-two")
            over = await shell(app)
            await run(over, "exit", "")
            await until(lambda: over.attachment.phase is Phase.EXITED)
            await pilot.press("enter", LEADER, "r", *"work", "enter")
            await shell(app)
            await pilot.press(LEADER, "2", LEADER, "m", "2")
            await pilot.press(LEADER, "H", "H", "escape")
            layout = app.terminals._layout
            before = [(tab.name, tab.tree.weights if len(tab.panes) > 1 else None) for tab in layout.tabs]
            ids = [pane.session_id for pane in layout.panes]
            active = layout.active.session_id
            await until(lambda: layout_file(*FILE).exists())
        async with shown(certificates, hub.port) as (app, _):
            await are_live(app, 3)
            layout = app.terminals._layout
            assert [(tab.name, tab.tree.weights if len(tab.panes) > 1 else None) for tab in layout.tabs] == before
            assert [pane.session_id for pane in layout.panes] == ids
            assert layout.active.session_id == active
            assert app.focused is layout.active.target
            # What is not on screen is attached too, with the size that it will have.
            await shows(layout.panes[0], "one-one")
            assert (layout.panes[0].emulator.columns, layout.panes[0].emulator.lines) == (101, 29)
            kept = layout_file(*FILE).read_bytes()
            for pane in layout.panes[1:]:
                pane.typed(b"exit\r")
            await until(lambda: all(pane.attachment.phase is Phase.EXITED for pane in layout.panes[1:]))
        # As if that console had been killed before it could write, and the sessions had ended then.
        layout_file(*FILE).write_bytes(kept)
        async with shown(certificates, hub.port) as (app, _):
            await are_live(app, 1)
            assert panes(app)[0].session_id == ids[0]
            await until(lambda: "2 sessions have ended since: n1" in notices(app))
        assert len(await client.list_sessions("n1")) == 1


async def test_what_others_have_is_not_taken_without_a_word(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _):
        async with shown(certificates, hub.port) as (app, pilot):
            await shell(app)
            await until(lambda: layout_file(*FILE).exists())
            # A second console leaves file and sessions to the first one.
            async with shown(certificates, hub.port) as (other, _):
                assert panes(other) == []
            assert panes(app)[0].is_live
        async with connected_client(certificates, hub.port) as other:
            (info,) = await other.list_sessions("n1")
            held = await other.resume("n1", info.session_id, pty=PtySpec())
            async with shown(certificates, hub.port) as (app, pilot):
                await until(lambda: bool(panes(app)))
                pane = panes(app)[0]
                assert pane.attachment.phase is Phase.HELD
                await pilot.pause()
                assert "attached elsewhere" in str(pane.query_one("#notice").render())
                assert not held.has_ended
                # As `r` does, so does whoever chooses the session elsewhere in the console.
                assert app.terminals.attach("n1", info.session_id) is pane
                await are_live(app, 1)


async def test_what_is_on_a_node_that_is_away_is_taken_up_when_it_is_back(certificates: Certificates, tmp_path: Path):
    async with OmnyShellHub(hub_config(certificates)) as hub:
        async with (
            running_node(certificates, hub.port, tmp_path / "node"),
            shown(certificates, hub.port) as (app, _),
        ):
            await shell(app)
            await until(layout_file(*FILE).exists)
        async with shown(certificates, hub.port) as (app, pilot):
            await until(lambda: bool(panes(app)))
            pane = panes(app)[0]
            await pilot.pause()
            assert "n1 is offline" in str(pane.query_one("#notice").render())
            async with running_node(certificates, hub.port, tmp_path / "node"):
                # The node that ended took its sessions with it; of one that lives the session would be attached.
                await until(lambda: "The session has ended" in str(pane.query_one("#notice").render()))
                await pilot.press("r")
                await are_live(app, 1)


async def test_a_file_that_is_wrong_is_told_and_replaced_and_who_wants_none_has_none(
    certificates: Certificates, tmp_path: Path
):
    kept = layout_file(*FILE)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"no layout")
    kept.chmod(0o600)
    async with stack(certificates, tmp_path) as (hub, _, _):
        async with shown(certificates, hub.port) as (app, _):
            assert "not kept as you left them" in notices(app)
            await shell(app)
            await until(lambda: b'"node":"n1"' in kept.read_bytes())
        async with shown(certificates, hub.port, layout="forgotten") as (app, _):
            await until(lambda: not kept.exists())
            assert panes(app) == []
            await shell(app)
        assert not kept.exists()


async def test_what_follows_f3_is_for_the_terminals_that_come_back(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _):
        async with console_at(certificates, hub.port) as (app, pilot):
            await shell(app)
            await pilot.press(LEADER, "o")
        async with console_at(certificates, hub.port) as (app, _):
            await until(lambda: "A terminal waits: f3" in notices(app))
            burst(app, "f3", LEADER, "s")
            await until(lambda: len(panes(app)) == 2)
            assert len(app.terminals._layout.tabs) == 1
