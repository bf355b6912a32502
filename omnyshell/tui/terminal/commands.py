"""The commands after the leader key in a terminal."""

from typing import Final

from omnyshell.tui.keys import Context, Key, keys_of
from omnyshell.tui.terminal.prompt import Choice

SIGNALS: Final = (
    Choice("i", "INT"),
    Choice("t", "TERM"),
    Choice("h", "HUP"),
    Choice("q", "QUIT"),
    Choice("s", "STOP"),
    Choice("c", "CONT"),
    Choice("1", "USR1"),
    Choice("2", "USR2"),
    Choice("w", "WINCH"),
    Choice("k", "KILL"),
)

_NAMES: Final = {
    "]": "right_square_bracket",
    "\\": "backslash",
    "^": "circumflex_accent",
    "_": "underscore",
}


def leader_name(leader: str) -> str:
    """Return Textual's name of a key as the settings have it: `ctrl+]`."""
    prefix, _, last = leader.rpartition("+")
    return f"{prefix}+{_NAMES.get(last, last)}"


LEADING: Final = (Context.TERMINAL, Context.PANES)
"""The keys after the leader."""


def leader_choices(leader: str) -> list[Choice]:
    """Return what the strip lists: the table, and the leader itself, which is sent through."""
    known = [
        Choice(name, key.text, key.label, is_listed=key.listed and key.footer and not number)
        for key in keys_of(*LEADING)
        for number, name in enumerate(key.keys.split(","))
    ]
    return [*known, Choice(leader_name(leader), "Send it through", leader)]


def command_of(name: str) -> Key | None:
    """Return what a key after the leader stands for."""
    return next((key for key in keys_of(*LEADING) if name in key.keys.split(",")), None)
