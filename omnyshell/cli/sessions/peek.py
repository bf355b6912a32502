"""Prints a session's screen as lines, without any other effect on the user's terminal."""

import base64
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from itertools import groupby

from omnyshell.cli.ground.output import complain, say_json
from omnyshell.model.sessions import describe_exit
from omnyshell.services.client.node_sessions import SessionScreen
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.follower import draw_for
from omnyshell.terminal.painting.snapshot import plain_text
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.sgr import sgr_of
from omnyshell.terminal.screen.style import DEFAULT_STYLE

MAX_COLS, MAX_ROWS = 500, 200
"""The size of the emulator that draws a screen: a painting does not tell its own size."""

MOST_SECONDS = 2.0
"""Limit of processor time in seconds: several times what a screen of that size in true colour takes."""


def print_screen(screen: SessionScreen, above: Sequence[Row] = (), *, as_json: bool) -> None:
    """Print a screen, and the rows above it: with colours on a terminal, else as text."""
    emulator = Emulator(MAX_COLS, MAX_ROWS)
    deque(draw_for(emulator, screen.data, time.thread_time, MOST_SECONDS), maxlen=0)
    if as_json:
        say_json(_plain(screen, plain_text(emulator)) | ({"history": _text_of(above)} if above else {}))
    elif sys.stdout.isatty():
        columns = os.get_terminal_size(1).columns
        print("".join(_line(row, columns) for row in above) + coloured_text(emulator, columns), end="")
    else:
        print("\n".join(map(_seen, (_text_of(above) + plain_text(emulator)).split("\n"))), end="")
    if screen.exit_code is not None and not as_json:
        complain(f"this session {describe_exit(screen.exit_code)}")


def _text_of(rows: Sequence[Row]) -> str:
    """Return the text of rows; those that were wrapped are one line."""
    texts = ("".join(row.cells) for row in rows)
    return "".join(text if row.goes_on else f"{text.rstrip()}\n" for row, text in zip(rows, texts, strict=True))


def coloured_text(emulator: Emulator, columns: int) -> str:
    """Return the visible lines, cut at `columns`, with colours and attributes but no other sequences."""
    count = plain_text(emulator).count("\n")
    return "".join(_line(row, columns) for row in list(emulator.rows)[:count])


def _seen(text: str) -> str:
    """Remove invisible characters: those that join others, or change the direction of text."""
    return text if text.isprintable() else "".join(char for char in text if char.isprintable())


def _line(row: Row, columns: int) -> str:
    cells, styles = row.settle()
    end = min(columns, row.width)
    while end and cells[end - 1] == " " and styles[end - 1] == DEFAULT_STYLE:
        end -= 1
    parts = []
    column = 0
    for style, group in groupby(styles[:end]):
        after = column + sum(1 for _ in group)
        parts += [sgr_of(style.look), *map(_seen, cells[column:after])]
        column = after
    return "".join([*parts, "\x1b[0m\n"])


def _plain(screen: SessionScreen, text: str) -> dict[str, object]:
    return {
        "text": text,
        "screen": base64.b64encode(screen.data).decode(),
        "altScreen": screen.alt_screen,
        "exitCode": screen.exit_code,
    }
