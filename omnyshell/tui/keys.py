"""The keys of the console, in one table: bindings, footer, help screen and documentation all come from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding, BindingType


class Context(StrEnum):
    """Where a key means something; the value is its heading in the help."""

    EVERYWHERE = "Everywhere"
    OVERVIEW = "Overview"
    TABLE = "Tables"
    NODES = "Nodes"
    SESSIONS = "Sessions"
    TUNNELS = "Tunnels"
    AUDIT = "Audit"
    TERMINAL = "Terminals: after ctrl+]"
    WALL = "Wall"
    FORM = "Forms and dialogs"


@dataclass(frozen=True, slots=True)
class Key:
    """What a key does in a context.

    `keys` are Textual's names, several separated by commas. `text` is what the footer says, `more` what the help says
    where that is not enough. `early` keys are seen before the focused widget gets them, unless a terminal has the
    focus.
    """

    context: Context
    keys: str
    action: str
    text: str
    more: str = ""
    shown: str = ""
    footer: bool = True
    early: bool = False

    @property
    def label(self) -> str:
        """How people read the keys."""
        return self.shown or " ".join(_NAMES.get(key, key) for key in self.keys.split(","))


_NAMES = {
    "slash": "/",
    "question_mark": "?",
    "right_square_bracket": "]",
    "ctrl+right_square_bracket": "ctrl+]",
    "left_square_bracket": "[",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "escape": "esc",
}

KEYS: tuple[Key, ...] = (
    Key(Context.EVERYWHERE, "ctrl+q", "quit_console", "Quit", "Quit; live sessions are detached and go on", early=True),
    Key(Context.EVERYWHERE, "f1,question_mark", "show_help", "Help", "This help", shown="?"),
    Key(Context.EVERYWHERE, "f2", "show_overview", "Overview"),
    Key(Context.EVERYWHERE, "f3", "show_terminals", "Terminals"),
    Key(Context.EVERYWHERE, "f4", "show_wall", "Wall", "Previews of all detached sessions"),
    Key(Context.EVERYWHERE, "f9", "show_settings", "Settings", footer=False),
    Key(Context.NODES, "enter", "open", "Shell", "Open a shell on the node"),
)


def keys_of(*contexts: Context) -> list[Key]:
    """Return the keys of these contexts, in the table's order."""
    return [key for key in KEYS if key.context in contexts]


def bindings(*contexts: Context) -> list[BindingType]:
    """Return the keys of these contexts as Textual wants them."""
    return [
        Binding(
            key.keys,
            key.action,
            key.text,
            show=key.footer,
            key_display=key.label,
            priority=key.early,
            tooltip=key.more,
        )
        for key in keys_of(*contexts)
    ]


def sections(keys: Iterable[Key] = KEYS) -> list[tuple[Context, list[Key]]]:
    """Return the keys by context, in the order of `Context`; contexts without keys are left out."""
    found: dict[Context, list[Key]] = {context: [] for context in Context}
    for key in keys:
        found[key.context].append(key)
    return [(context, members) for context, members in found.items() if members]


def as_markdown() -> str:
    """Return the table as a page of documentation."""
    lines: list[str] = []
    for context, members in sections():
        lines += [f"### {context}", "", "| key | what it does |", "| --- | --- |"]
        lines += [f"| `{key.label}` | {key.more or key.text} |" for key in members]
        lines.append("")
    return "\n".join(lines)
