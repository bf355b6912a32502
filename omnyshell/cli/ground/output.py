"""What the command line prints: one line for a failure, tables for lists."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from omnyshell.cli.ground.advice import advice
from omnyshell.errors import (
    ConfigException,
    OmnyShellException,
    ProtocolException,
    SessionRejectedException,
    TunnelRejectedException,
)
from omnyshell.printable import count_of as count_of, printable as printable

FAILURE = 255
"""Exit code of OmnyShell's own failures, the same as ssh's; a remote program's exit code is passed on."""

BROKEN_PIPE = 141
"""Exit code where the reader of the output has gone: a shell's for a program killed by SIGPIPE."""

REFUSED = 1
"""Exit code of a node whose credential the hub refused."""


LONGEST_CELL = 512
"""Characters of a cell of a table; longer text is cut."""


def say(line: str) -> None:
    """Print a line on stdout. Unprintable characters are replaced, as a peer may have sent them."""
    print(printable(line), flush=True)


def say_json(data: object, *, indent: int | None = 2) -> None:
    """Print JSON on stdout, in ASCII, so that nothing in it affects a terminal."""
    print(json.dumps(data, indent=indent), flush=True)


def fail(message: str) -> int:
    """Print one line on stderr and return the exit code of a failure."""
    complain(f"omnyshell: {message}")
    return FAILURE


def complain(line: str) -> None:
    """Print a line on stderr, as `say` does; drop it if stderr is closed, as Python would print it on stdout."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(printable(line), file=sys.stderr, flush=True)


def announce(line: str) -> None:
    """Print a line; a failure is ignored, so that a service goes on when its starter has closed the pipe."""
    try:
        say(line)
    except OSError:
        sys.stdout = None


_OF_SEVERAL_NODES = ("cp",)
"""The command of which a node's "this node" does not say which one it is."""


def describe(error: OmnyShellException, words: tuple[str, ...] = (), node: str = "") -> str:
    """Return one line that says what went wrong, with the hub's reason if there is one, and what to do.

    `words` are those of the command, `node` is the node that it is about.
    """
    text = str(error) or type(error).__name__
    if isinstance(error, SessionRejectedException | TunnelRejectedException | ProtocolException):
        text = f"{text} [{error.code}]"
    if words[:1] == _OF_SEVERAL_NODES and isinstance(error, SessionRejectedException) and node not in text:
        text = f"{node}: {text}"
    if isinstance(error, ConfigException) and error.option is not None:
        text = f"--{error.option.replace('_', '-')}: {text}"
    hint = advice(error, words, node)
    return f"{text}; {hint}" if hint else text


def say_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, spare: int = 0) -> None:
    """Print rows as aligned columns below a header; the last `spare` of them only where the terminal has room."""
    lines = format_table(header, rows)
    if spare and sys.stdout.isatty() and max(map(len, lines)) > os.get_terminal_size(sys.stdout.fileno()).columns:
        lines = format_table(header[:-spare], [row[:-spare] for row in rows])
    for line in lines:
        print(line)


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table with aligned columns, without anything in them that is not printable."""
    lines = [list(header), *([printable(cell, LONGEST_CELL) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
