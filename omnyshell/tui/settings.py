"""The console's settings, and their file `console.toml`."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from omnyshell.errors import ConfigException
from omnyshell.options.option import Check, Option, default_of
from omnyshell.options.parser import fill_defaults
from omnyshell.options.toml_file import read_options
from omnyshell.options.values import settings
from omnyshell.paths import config_dir
from omnyshell.services.local.console_options import COLOURS
from omnyshell.tui.colours.folder import SHIPPED, is_theme_name
from omnyshell.tui.keys import USUAL_LEADER
from omnyshell.tui.preferences.file import edited
from omnyshell.tui.preferences.own import Own

USUAL_THEME = "dark"
KEPT = "kept"
LAYOUTS = (KEPT, "forgotten")

SAME_AS = {"ctrl+i": "Tab", "ctrl+m": "Enter", "ctrl+h": "Backspace"}
"""Keys for which terminals send the same byte as for another key."""


@dataclass(slots=True)
class ConsoleSettings:
    """The user's settings of the console. Raises `ConfigException` for an invalid value."""

    theme: str = USUAL_THEME
    colors: str = "auto"
    """How many colours the terminal has."""

    leader: str = USUAL_LEADER
    """The key that precedes a command while a terminal has the focus."""

    scrollback: int = 10_000
    """Lines that a terminal keeps above its screen."""

    paste_asks_for: str = "env=prod"
    """Pasting several lines into a node with this label asks first; empty for never."""

    copy_limit: int = 100_000
    """The most bytes that a remote program may put on the clipboard at a time; 0 forbids it."""

    layout: str = KEPT
    """Whether tabs and panes are kept for the next start."""

    own: Own = field(default_factory=Own)
    """What `own.reading` reads from the same file, once the panels are there that it is held against."""

    def __post_init__(self) -> None:
        for option in SETTINGS:
            try:
                check(option, getattr(self, option.key))
            except ConfigException as exc:
                raise ConfigException(f"{option.name}: {exc}") from exc

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; missing keys have their defaults. Raises `ConfigException` with file, line and key."""
        if not path.exists():
            return cls()
        given = read_options(path, (*SETTINGS, *OWN))
        values = {**given.values, "origins": given.origins}
        fill_defaults(values, SETTINGS)
        return cls(**settings(values, SETTINGS))

    def save(self, path: Path) -> None:
        """Write what is not as by default or in the file already. Raises `ConfigException`."""
        with edited(path) as edit:
            for option in SETTINGS:
                value = getattr(self, option.key)
                if edit.document.get(option.toml_key, option.default) != value:
                    edit.put(option.toml_key, value)


def check(option: Option, value: Any) -> None:
    """Raise `ConfigException` for a value that is not right, without the setting's name."""
    if option.check is not None and not option.check.is_right(value):
        raise ConfigException(option.check.rule)
    if option.parse is not None:
        option.parse(value)


def settings_file() -> Path:
    """The file of the console's settings."""
    return config_dir() / "console.toml"


def _read_leader(key: str) -> str:
    if key in SAME_AS:
        text = f"terminals send {key} for {SAME_AS[key]}, so that it cannot be told from it"
        raise ConfigException(f"{text}; choose another, as ctrl+] or ctrl+a")
    return key


def _setting(name: str, title: str, text: str, kind: str, wanted: Check, **more: Any) -> Option:
    default = default_of(ConsoleSettings, name)
    return Option(
        name, text, kind=kind, default=default, sets=name, check=wanted, title=title, in_file_only=True, **more
    )


SETTINGS = (
    _setting(
        "theme",
        "Theme",
        f"how it looks: {', '.join(f'`{name}`' for name in SHIPPED)}, or [a theme of your own](#themes-of-your-own)",
        "text",
        Check(is_theme_name, f"one of {', '.join(SHIPPED)}, or the name of a file in themes/"),
    ),
    _setting(
        "colors",
        "Colours",
        "how many colours the terminal has: `auto` goes by NO_COLOR, COLORTERM and TERM; from the next start on",
        "text",
        Check(lambda number: number in COLOURS, f"one of {', '.join(COLOURS)}"),
        choices=COLOURS,
    ),
    _setting(
        "leader",
        "Leader key in terminals",
        "the key that comes before a command while a terminal has the keyboard; not `ctrl+i`, `ctrl+m` or `ctrl+h`, "
        "which terminals send for Tab, Enter and Backspace",
        "text",
        Check(lambda key: re.fullmatch(r"ctrl\+[a-z\]\\^_@]", key) is not None, "a key with ctrl, as ctrl+] or ctrl+a"),
        parse=_read_leader,
    ),
    _setting(
        "scrollback",
        "Lines of scrollback",
        "lines that a terminal keeps above its screen",
        "int",
        Check(lambda lines: 0 <= lines <= 1_000_000, "0 to 1000000 lines"),
    ),
    _setting(
        "paste_asks_for",
        "Paste asks at label",
        "pasting several lines into a node with this label asks first; empty for never",
        "text",
        Check(lambda label: not label or "=" in label, "a label, as env=prod"),
    ),
    _setting(
        "copy_limit",
        "Clipboard limit, bytes",
        "bytes that a remote program may put on the clipboard at once; 0 for none",
        "int",
        Check(lambda size: 0 <= size <= 1_000_000, "0 to 1000000 bytes"),
    ),
    _setting(
        "layout",
        "Tabs and panes",
        "whether they are there again at the next start: or `forgotten`, with those that were kept before",
        "text",
        Check(lambda name: name in LAYOUTS, f"one of {', '.join(LAYOUTS)}"),
        choices=LAYOUTS,
    ),
)

OWN = tuple(
    Option(name, text, kind="tables", parse=lambda _value, _file: None)
    for name, text in (
        ("filters", "`[filters]`: filters by name, see below"),
        ("columns", "`[columns]`: which columns a panel has, in which order, see below"),
        ("commands", "`[[commands]]`: programs of this machine, to run on a row, see below"),
    )
)
"""Tables that `own.reading` reads from the file."""
