"""Commands of one's own on rows, with an attacker among what the rows say."""

import sys
from pathlib import Path

import pytest
from support.arriving import arrive
from support.console import console, node, snapshot
from support.pictures import check_picture
from support.stack import until
from textual.widgets import Log

from omnyshell.model.live import LiveNode
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.dialogs.copying import CopyDialog
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.own.output import OutputScreen
from omnyshell.tui.preferences.command import OwnCommand, Template
from omnyshell.tui.preferences.own import Own

SHOW = "import os,sys; print(sys.argv[1:], os.environ['OMNYSHELL_ROW_OF'])"


def command(name: str, *argv: str, **more: object) -> OwnCommand:
    of = {"OMNYSHELL_ROW_OF": Template.parse("{label.env}")}
    return OwnCommand(name=name, panel="nodes", argv=tuple(map(Template.parse, argv)), environment=of, **more)


OWN = Own(
    commands=(
        command("show", sys.executable, "-I", "-S", "-c", SHOW, "{host}", "--at={platform}", key="P"),
        command("sure", sys.executable, "-I", "-S", "-c", SHOW, "{node}", confirm=True),
        command("alone", "vim", "{node}", in_terminal=True),
    )
)


def evil(number: int, host: str, env: str = "prod") -> LiveNode:
    machine = node(f"evil-{number}", labels={"env": env})
    machine.platform.hostname = host
    return machine


def output(app: ConsoleApp) -> list[str]:
    return [str(line) for line in app.screen.query_one(Log).lines]


async def test_what_rows_say_is_text_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nodes = [
        evil(1, "web-1.example.org"),
        evil(2, "-oProxyCommand=x"),
        evil(3, "a\ntouch owned"),
        evil(4, "fine", env="x\x1b]52;c;AA\x07"),
        evil(5, ""),
        evil(6, "$(touch owned)"),
        evil(7, "sh"),
    ]
    async with console(snapshot(nodes), own=OWN) as (app, pilot):
        await pilot.press("P")
        await arrive(app, OutputScreen)
        await until(lambda: "exit code 0" in str(app.screen.query_one(Log).border_subtitle))
        assert output(app)[0] == "['web-1.example.org', '--at=linux/x64'] prod"
        await pilot.press("escape")
        said = (
            "begins with a dash",
            "has characters",
            "label.env has characters",
            "has no host",
            "is not one word",
            "names a",
        )
        for words in said:
            await pilot.press("down", "P")
            await until(lambda words=words: words in str([one.message for one in app._notifications][-1:]))
            assert app.screen is app.overview
        # All or nothing, where several are meant.
        told = len(app._notifications)
        await pilot.press("a", "P")
        await until(lambda: len(app._notifications) > told)
        assert app.screen is app.overview
    assert list(tmp_path.iterdir()) == []


async def test_one_asks_another_needs_a_terminal_and_all_are_typed_too() -> None:
    nodes = [node("web-1"), node("web-2")]
    async with console(snapshot(nodes), own=OWN) as (app, pilot):
        assert "show" in [binding.description for _, binding, *_ in app.screen.active_bindings.values()]
        await pilot.press("a", "colon", *"sure", "enter")
        await arrive(app, Question)
        await pilot.press("tab", "enter") if app.focused.id == "cancel" else await pilot.press("enter")
        await arrive(app, OutputScreen)
        await until(lambda: "2 of 2 ended with 0" in str(app.screen.query_one(Log).border_subtitle))
        assert output(app) == ["── web-1 ──", "['web-1'] prod", "── web-2 ──", "['web-2'] prod"]
        await check_picture(app, "own-output")
        await pilot.press("escape", "colon", *"alone", "enter")
        await until(lambda: "needs the terminal" in str([one.message for one in app._notifications]))


async def test_what_a_user_wrote_is_no_markup() -> None:
    own = Own(commands=(command("find", "grep", "[/b", "{node}", key="P", confirm=True),))
    async with console(snapshot([node("web-1", labels={"env": "[/x]"})]), own=own) as (app, pilot):
        await pilot.hover("KeyFooter", offset=(90, 0))
        await pilot.press("colon", *"find", "escape", "P")
        await arrive(app, Question)
        await pilot.press("escape", "slash", *"label:env=", "tab", "enter", "y")
        await arrive(app, CopyDialog)
