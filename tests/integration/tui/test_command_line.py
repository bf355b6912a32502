"""The `:` line over states that are made up: what it completes, says and does, and how it looks."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.arriving import arrive
from support.console import a_day_at_work, console, delta, node
from support.looks import in_sizes
from support.overview import text_of
from support.pictures import check_picture
from support.stack import until
from support.terminals import notices
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input, Static

from omnyshell.model.tunnels import TunnelProtocol
from omnyshell.tui import messages
from omnyshell.tui.active_keys import active_keys
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.command_line.completing import Completer
from omnyshell.tui.command_line.doing import CommandError, Doing
from omnyshell.tui.command_line.screen import LEFT_FREE, CommandLine
from omnyshell.tui.commands import all_commands
from omnyshell.tui.dialogs.columns import ColumnsDialog
from omnyshell.tui.dialogs.copying import CopyDialog
from omnyshell.tui.dialogs.tunnel import TunnelSpec
from omnyshell.tui.own.reading import read_own
from omnyshell.tui.screens.access import AccessScreen


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path))


@pytest.fixture
async def opened() -> AsyncIterator[tuple[ConsoleApp, Pilot[int]]]:
    async with console(a_day_at_work()) as found:
        yield found


def of(app: ConsoleApp) -> tuple[Doing, Completer]:
    commands = all_commands()
    doing = Doing(app, commands, active_keys(app.screen))
    return doing, Completer(app, commands, doing.usable)


def posted(app: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    usual = app.post_message
    kinds = tuple(
        kind for kind in vars(messages).values() if isinstance(kind, type) and kind.__module__.endswith("tui.messages")
    )
    monkeypatch.setattr(
        app, "post_message", lambda one: found.append(one) or True if isinstance(one, kinds) else usual(one)
    )
    return found


COMPLETED = [
    ("no", ["nodes", "node "]),
    ("kil", ["kill"]),
    ("shell w", ["shell web-1", "shell web-2", "shell web-10"]),
    ("exec db", ["exec db-1 "]),
    ("exec db-1 psql", []),
    ("shell postg", ["shell postgres@db-1"]),
    ("exec postgres@w", ["exec postgres@web-1 ", "exec postgres@web-2 ", "exec postgres@web-10 "]),
    ("attach 00000004", ["attach 00000004"]),
    ("kill 00000001 00000002", ["kill 00000001 00000002"]),
    ("close 2000", ["close 20001", "close 20002", "close 20007"]),
    ("theme li", ["theme light"]),
    ("nodes state:off", ["nodes state:offline"]),
    ("sessions who", []),
    ("audit who:e", ["audit who:eve"]),
    ("nodes env=prod la", ["nodes env=prod label:", "nodes env=prod latency:", "nodes env=prod labels:"]),
    ("columns heard sta", ["columns heard state"]),
    ("sort -la", ["sort -label", "sort -latency"]),
    ("hub lo", ["hub local"]),
    ("revoke b", ["revoke bob"]),
    ("quit now", []),
    ("unheard of", []),
]
MISTAKES = [
    ("kil 00000001", "There is no command 'kil'; did you mean 'kill'?"),
    ("shell wbe-1", "There is no node 'wbe-1'; did you mean 'web-1'?"),
    ("shell web-10", "web-10 is offline"),
    ("exec web-1", "Write it as :exec [USER@]NODE COMMAND"),
    ("shell a b@web-1", "'a b' is no user's name"),
    ("shell @web-1", "'' is no user's name"),
    ("exec ann@wbe-1 id", "There is no node 'wbe-1'; did you mean 'web-1'?"),
    ("attach 7", "There is no session '7'; known are 00000001"),
    ("attach 0000000", "More than one may be meant"),
    ("nodes nod:x", 'no field "nod"; did you mean \'node\'?'),
    ("nodes since:never", "is no time"),
    ("filter @mine", 'no saved filter "mine"'),
    ("save mine", "No filter is set"),
    ("forget mine", "There is no saved filter 'mine'"),
    ("columns stat", "did you mean 'state'?"),
    ("sort height", "there is no column 'height'"),
    ("theme pink", "there is no theme 'pink', nor a file"),
    ("tunnel web-1 x", "No port"),
    ("tunnel web-1 80 99999", "No port"),
    ("tunnel web-1 80 81 82", "Write it as :tunnel"),
    ("tunnel web-1 http", "No port"),
    ("invite me", "Write it as :invite"),
    ("quit now", ":quit takes nothing after it"),
    ("pause", ":pause is of the audit: go there first"),
    ("beside", ":beside is of terminals: go there first"),
]  # fmt: skip


async def test_completion_and_mistakes_are_of_what_there_is(opened: tuple[ConsoleApp, Pilot[int]]) -> None:
    app, _ = opened
    doing, completer = of(app)
    for line, lines in COMPLETED:
        start, found = completer.complete(line)
        assert [line[:start] + one.text for one in found] == lines, line
    for line, words in MISTAKES:
        with pytest.raises(CommandError) as caught:
            doing.prepare(line)
        assert words in str(caught.value), line


async def test_a_tunnel_is_tcp_or_http(opened: tuple[ConsoleApp, Pilot[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = opened
    doing, _ = of(app)
    wanted: list[TunnelSpec] = []
    monkeypatch.setattr(app, "open_tunnel", wanted.append)
    for line in ("web-1 [::1]:80", "web-1 80 http 20005", "web-1 db:80 20005 tls http"):
        doing.prepare(f"tunnel {line}")()
    assert wanted == [
        TunnelSpec("web-1", "::1", 80, None, TunnelProtocol.TCP, secure=False),
        TunnelSpec("web-1", "localhost", 80, 20005, TunnelProtocol.HTTP, secure=False),
        TunnelSpec("web-1", "db", 80, 20005, TunnelProtocol.HTTP, secure=True),
    ]


async def test_what_commands_ask_for(opened: tuple[ConsoleApp, Pilot[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    app, pilot = opened
    doing, _ = of(app)
    asked = posted(app, monkeypatch)
    for line in (
        "shell web-1",
        "shell postgres@web-1",
        "attach 00000004",
        "kill 00000001 00000002",
        "close 20001",
        "tunnel web-1",
        "revoke bob",
    ):
        doing.prepare(line)()
    shell, as_user, attach, kill, close, tunnel, revoke = asked
    assert (as_user.node_id, as_user.user, shell.user) == ("web-1", "postgres", "")
    assert (shell.node_id, attach.session.node_id, tunnel.node_id, revoke.principal) == (
        "web-1",
        "db-1",
        "web-1",
        "bob",
    )
    assert [ref.session_id[:8] for ref in kill.sessions] == ["00000001", "00000002"]
    assert close.tunnel_ids == ("tunnel-20001",)
    asked.clear()
    # The one under the cursor, then what the filter shows and is online, then what is selected.
    doing.prepare("run uptime")()
    doing.prepare("nodes env=prod")()
    doing.prepare("run uptime")()
    await pilot.press("space")
    doing.prepare("run df -h | sort")()
    ran = [one for one in asked if isinstance(one, messages.FanOut)]
    assert [(one.node_ids, one.command) for one in ran] == [
        (("build-mac",), "uptime"),
        (("db-1", "web-1", "web-2"), "uptime"),
        (("db-1",), "df -h | sort"),
    ]


async def test_the_line_completes_recalls_says_what_is_wrong_and_does(
    opened: tuple[ConsoleApp, Pilot[int]], tmp_path: Path
) -> None:
    app, pilot = opened
    await pilot.press("colon", *"nodes sta", "tab", *"onl", "tab")
    assert app.focused.value == "nodes state:online"
    await pilot.press(*" x:y", "enter")
    line = await arrive(app, CommandLine)
    assert 'no field "x"' in str(line.query_one("#said").render())
    await pilot.press(*["backspace"] * 4, "enter")
    assert app.screen is app.overview
    assert [one.node_id for one in app.overview.nodes.rows.shown] == ["build-mac", "db-1", "web-1", "web-2"]
    await pilot.press("colon", *"save on", "enter")
    assert read_own(tmp_path / "config" / "console.toml").filters == {"on": "state:online"}
    assert "Saved: @on is state:online" in notices(app)
    await pilot.press("colon", *"sort -heard", "enter", "colon", *"columns node heard", "enter")
    assert app.overview.nodes.table.render_line(0).text.split() == ["NODE", "HEARD↓"]
    await pilot.press("colon", "up", "up")
    assert app.focused.value == "sort -heard"
    await pilot.press("down", "escape", "colon", *"aud", "tab", "enter")
    assert app.overview.panel is app.overview.audit
    await pilot.press("colon", *"theme light", "enter", "colon", *"wall", "enter")
    assert app.current_theme.name == "omnyshell-light"
    assert app.current_mode == "wall"
    await pilot.press("colon", *"node web-2", "enter")
    assert app.overview.nodes.rows.current.node_id == "web-2"
    await pilot.press("colon", *"terminals", "enter", "colon")
    kept = (tmp_path / "state" / "console-history").read_text().splitlines()
    assert kept[:2] == ["nodes state:online", "save on"]


async def test_the_line_is_over_the_list_of_users_too(opened: tuple[ConsoleApp, Pilot[int]]) -> None:
    app, pilot = opened
    await pilot.press("u")
    assert isinstance(app.screen, AccessScreen)
    await pilot.press("colon", *"close", "enter")
    assert app.screen is app.overview


async def test_how_it_looks() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await pilot.press("colon", *"s")
        async for size in in_sizes(pilot):
            await check_picture(app, f"command-line-{size}")
        async for size in in_sizes(pilot):
            # Which columns there are depends on the size.
            await pilot.press("escape", "C", "down", "space")
            await arrive(app, ColumnsDialog)
            await check_picture(app, f"columns-{size}")


async def test_a_wrong_command_looks_so(opened: tuple[ConsoleApp, Pilot[int]]) -> None:
    app, pilot = opened
    await pilot.press("colon", *"shell wbe-1", "enter")
    await check_picture(app, "command-line-wrong")


async def test_an_empty_line_lists_what_can_be_typed_and_first_what_was() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        await pilot.press("colon", *"nodes env=prod", "enter", "colon")
        line = await arrive(app, CommandLine)
        shown = str(line.query_one("#offered", Static).render()).splitlines()
        assert shown[0].split("  ")[0] == "nodes env=prod"
        assert shown[1].startswith("nodes ")
        assert "Go to the nodes" in shown[1]
        assert shown[-1].startswith("… and ")
        assert len(shown) == 24 - LEFT_FREE
        assert line.query_one("#typed").region.bottom < 24
        await check_picture(app, "command-line-empty-80x24")
        await pilot.press(*"no")
        assert len(str(line.query_one("#offered", Static).render()).splitlines()) == 2


async def test_the_palette_begins_in_the_line_what_takes_an_argument() -> None:
    async with console(a_day_at_work(), width=100, height=30) as (app, pilot):
        await pilot.press("ctrl+p", *"exec")
        palette = await arrive(app, CommandPalette)
        await until(lambda: bool(palette.query_one(CommandList).option_count))
        assert "Run a command in a terminal on a node   :exec [USER@]NODE COMMAND" in text_of(app)
        await pilot.press("down", "enter", "enter")
        await arrive(app, CommandLine)
        await until(lambda: app.screen.query_one("#typed", Input).value == "exec ")
        await pilot.press(*"db")
        assert app.screen.query_one("#typed", Input).value == "exec db"


async def test_columns_are_chosen_moved_and_left(opened: tuple[ConsoleApp, Pilot[int]], tmp_path: Path) -> None:
    app, pilot = opened
    table = app.overview.nodes.table
    usual = table.chosen
    await pilot.press("C", "space", "J", "escape")
    assert table.chosen == usual
    await pilot.press("C", "J", "down", "space", "enter")
    assert table.chosen == [usual[1], usual[0], *usual[3:]]
    assert read_own(tmp_path / "config" / "console.toml").columns == {"nodes": tuple(table.chosen)}
    await pilot.press("C", "a", "enter")
    assert table.chosen == usual


async def test_a_field_of_the_row_is_copied_printable(opened: tuple[ConsoleApp, Pilot[int]]) -> None:
    app, pilot = opened
    copied: list[str] = []
    app.copy_to_clipboard = copied.append
    await pilot.press("down", "y", "y", "y", "3", "2", "y", "2", "y", "j", "j", "enter", "y", "escape")
    assert copied == ["db-1", "linux/x64", "detached", "db-1"]
    assert "Kept 4 characters for pasting within the console" in [one.message for one in app._notifications]
    hostile = node("evil", labels={"a": "$(id)\nrm -rf /"}, display_name="x\x1b]52;c;AA\x07")
    app.hub.state.apply(delta(nodes=(hostile,)))
    app.overview._look()
    await pilot.press("1")
    app.overview.go_to("nodes", "evil")
    await pilot.press("y")
    assert isinstance(app.screen, CopyDialog)
    texts = [text for _, text in app.screen._fields]
    assert "a=$(id)\N{REPLACEMENT CHARACTER}rm -rf /" in texts
    assert all(text.isprintable() for text in texts)


async def test_the_palette_finds_words_of_descriptions_panels_and_themes(opened: tuple[ConsoleApp, Pilot[int]]) -> None:
    app, pilot = opened
    await pilot.press("ctrl+p", *"records filter", "down", "enter")
    assert app.overview.panel is app.overview.audit
    await pilot.press("ctrl+p", *"contrast theme", "down", "enter")
    assert app.current_theme.name == "omnyshell-contrast"
