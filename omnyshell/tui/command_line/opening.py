"""Opening the `:` line."""

from collections.abc import Awaitable
from functools import cache
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.tui.active_keys import active_keys
from omnyshell.tui.command_line.completing import Completer
from omnyshell.tui.command_line.console import Console
from omnyshell.tui.command_line.doing import CommandError, Doing, Prepared
from omnyshell.tui.command_line.history import History, history_file
from omnyshell.tui.command_line.screen import CommandLine
from omnyshell.tui.commands import all_commands

__all__ = ["CommandLine", "Prepared", "command_line", "do", "do_line"]


@cache
def _history(path: Path) -> History:
    """One for all lines, as the file may not be writable."""
    return History(path)


def command_line(console: Console, begun: str = "") -> CommandLine:
    """Return the line for what is shown now, with what is typed already."""
    doing = _doing(console)
    completer = Completer(console, doing.commands, doing.usable)
    return CommandLine(doing, completer, _history(history_file()), begun)


async def do_line(console: Console, line: str) -> None:
    """Do what a line says. Raises `ConfigException` for what is wrong with it, and what doing it raises."""
    try:
        prepared = _doing(console).prepare(line)
    except CommandError as exc:
        raise ConfigException(str(exc)) from exc
    await do(prepared)


def _doing(console: Console) -> Doing:
    return Doing(console, all_commands(), active_keys(console.screen))


async def do(prepared: Prepared) -> None:
    """Do what was entered. Raises what it raises."""
    result = prepared()
    if isinstance(result, Awaitable):
        await result
