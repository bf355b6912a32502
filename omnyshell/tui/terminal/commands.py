"""The commands after the leader key in a terminal."""

from typing import Final

from omnyshell.tui.keys import Context, keys_of
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


def leader_choices(leader: str) -> list[Choice]:
    """Return what the strip takes: the table, and the leader itself, which is sent through."""
    known = [Choice(key.keys, key.text, key.label, is_listed=key.listed) for key in keys_of(Context.TERMINAL)]
    return [*known, Choice(leader_name(leader), "Send it through", leader)]
