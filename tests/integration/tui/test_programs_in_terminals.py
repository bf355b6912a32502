"""Programs as people use them, in a terminal of the console. One that is not installed is left out."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.stack import Certificates, stack, until
from support.terminals import console_at, shell, shows, text, type_line
from textual.pilot import Pilot

from omnyshell.tui.terminal.pane import TerminalPane


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


async def vim(pane: TerminalPane, pilot: Pilot[int], directory: Path) -> None:
    pane.typed(b"vim -u NONE -N file\r")
    await shows(pane, "file")
    await until(lambda: pane.emulator.on_alternate_screen)
    # Escape is followed at once by a letter, which must not make it Alt and that letter.
    await pilot.press("i", *"one", "enter", *"two", "escape", "k", "A", "full_stop", "escape")
    await shows(pane, "\none.\ntwo")
    await pilot.press("colon", "w", "q", "enter")
    await until(lambda: not pane.emulator.on_alternate_screen)
    assert (directory / "file").read_text() == "one.\ntwo\n"


async def less(pane: TerminalPane, pilot: Pilot[int], directory: Path) -> None:
    pane.typed(b"seq 1 500 > numbers; less numbers\r")
    await shows(pane, "\n20")
    await pilot.press("slash", *"333", "enter")
    await until(lambda: text(pane).startswith("\n333"))
    await pilot.press("pagedown")
    await shows(pane, "\n370")
    await pilot.press("q")
    await until(lambda: not pane.emulator.on_alternate_screen)


async def htop(pane: TerminalPane, pilot: Pilot[int], directory: Path) -> None:
    pane.typed(b"htop\r")
    await shows(pane, "F10Quit")
    await pilot.press("f5")
    await shows(pane, "F5List")
    await pilot.press("f10")
    await until(lambda: not pane.emulator.on_alternate_screen)


async def python(pane: TerminalPane, pilot: Pilot[int], directory: Path) -> None:
    pane.typed(b"python3 -q\r")
    await shows(pane, ">>>")
    await type_line(pilot, "6*7")
    await shows(pane, "\n42")
    await pilot.press("up", "backspace", "8", "enter")
    await shows(pane, "\n48")
    await pilot.press("ctrl+d")


async def mc(pane: TerminalPane, pilot: Pilot[int], directory: Path) -> None:
    pane.typed(b"mc\r")
    await shows(pane, "10Quit")
    await pilot.press("f9")
    await pilot.press("escape", "escape")
    await pilot.press("f10")
    await until(lambda: "10Quit" not in text(pane))


async def fzf(pane: TerminalPane, pilot: Pilot[int], directory: Path) -> None:
    pane.typed(b"seq 1 900 | fzf\r")
    await shows(pane, "900/900")
    await pilot.press(*"777")
    await shows(pane, " 1/900")
    await pilot.press("enter")
    await shows(pane, "777\nready>")


async def tmux(pane: TerminalPane, pilot: Pilot[int], directory: Path) -> None:
    pane.typed(b"env -u TMUX tmux -f /dev/null -S ./socket new-session sh\r")
    await shows(pane, "[0] 0:sh")
    await pilot.press("ctrl+b", "percent_sign")
    await shows(pane, "\N{BOX DRAWINGS LIGHT VERTICAL}")
    await type_line(pilot, "tmux kill-server")
    await until(lambda: "[server exited]" in text(pane))


@pytest.mark.parametrize(
    "program",
    [pytest.param(used, marks=needs(used.__name__), id=used.__name__) for used in (vim, less, htop, mc, fzf, tmux)]
    + [pytest.param(python, id="python")],
)
async def test_a_program_works(certificates: Certificates, tmp_path: Path, program: Callable[..., Awaitable[None]]):
    async with stack(certificates, tmp_path / "n") as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        pane = await shell(app)
        pane.typed(f"cd {tmp_path}; export HOME=$PWD; clear\r".encode())
        await program(pane, pilot, tmp_path)
        await shows(pane, "ready>")
