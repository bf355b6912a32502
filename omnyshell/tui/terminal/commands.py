"""What can follow the leader key in a terminal."""

from typing import Final

from omnyshell.tui.keys import Context, Key
from omnyshell.tui.terminal.prompt import Choice

TERMINAL_KEYS: Final = (
    Key(Context.TERMINAL, "d", "detach", "Detach", "Detach the session; it goes on"),
    Key(Context.TERMINAL, "k", "kill", "Kill", "End the session, after asking"),
    Key(Context.TERMINAL, "n", "next", "Next", "Next terminal"),
    Key(Context.TERMINAL, "p", "previous", "Previous", "Previous terminal"),
    Key(Context.TERMINAL, "o", "overview", "Overview"),
    Key(Context.TERMINAL, "z", "zoom", "Zoom", "One of two terminals alone, and back"),
    Key(Context.TERMINAL, "s", "split", "Split", "Two terminals side by side, and back"),
    Key(Context.TERMINAL, "v", "stack", "Stack", "Two terminals one above the other, and back"),
    Key(Context.TERMINAL, "t", "new_shell", "New shell", "Another shell on the same node"),
    Key(Context.TERMINAL, "c", "copy_mode", "Copy mode", "Move, select and copy with keys"),
    Key(Context.TERMINAL, "slash", "search", "Search", "Search in the screen and what is above it"),
    Key(Context.TERMINAL, "i", "signal", "Signal", "Send a signal to the program"),
    Key(Context.TERMINAL, "r", "rename", "Rename", "Give the tab a name"),
    Key(Context.TERMINAL, "question_mark", "help", "Help"),
)

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
    """Return what the strip lists: the table, and the leader itself, which is sent through."""
    known = [Choice(key.keys, key.text, key.label) for key in TERMINAL_KEYS]
    return [*known, Choice(leader_name(leader), "Send it through", leader)]
