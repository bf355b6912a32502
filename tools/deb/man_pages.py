"""The manual pages of both programs, made from what they print themselves for `--help`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from omnyshell.cli.grammar.command import Command
from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.grammar.parsing import build_parser
from omnyshell.version import __version__

WIDTH = "76"
"""Columns of what a page shows as it is, so that it has room in a terminal of 80."""

DOCUMENTS = "/usr/share/doc/omnyshell"


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name of each program, and its page."""
    os.environ["COLUMNS"] = WIDTH
    parts = "".join(f".SS {_plain(command.name)}\n{_as_it_is(_help_of(command))}" for command in COMMANDS)
    yield "omnyshell", _page("omnyshell", "reach your machines through a hub, by name", parts)
    console = _as_it_is(printed_by("omnyshell-console", "--help"))
    yield "omnyshell-console", _page("omnyshell-console", "nodes, sessions and tunnels, live", console)


def printed_by(*words: str) -> str:
    """Return what one of the installed programs prints."""
    program = str(Path(sys.executable).with_name(words[0]))
    return subprocess.run([program, *words[1:]], check=True, capture_output=True, text=True).stdout


def _page(name: str, what: str, body: str) -> str:
    return (
        f'.TH {name.upper()} 1 "" "omnyshell {__version__}"\n'
        f".SH NAME\n{_plain(name)} \\- {_plain(what)}\n"
        f".SH DESCRIPTION\n{body}"
        f".SH SEE ALSO\n{DOCUMENTS}\n"
    )


def _help_of(command: Command) -> str:
    printed = StringIO()
    build_parser(command).print_help(printed)
    return printed.getvalue()


def _as_it_is(text: str) -> str:
    """A text line by line, as a page shows what is printed."""
    lines = map(_plain, text.splitlines())
    return ".nf\n" + "".join(f"\\&{line}\n" if line.startswith((".", "'")) else f"{line}\n" for line in lines) + ".fi\n"


def _plain(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")
