"""Where themes of one's own lie: `themes/NAME.toml` in the configuration directory."""

import re
from pathlib import Path
from typing import Final

from omnyshell.paths import config_dir

SHIPPED: Final = ("dark", "light", "contrast", "ember", "fjord")
"""The names of the themes that ship; a file of one of these names is not looked at."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")


def theme_file(name: str) -> Path:
    """Return where the theme of a name lies."""
    return config_dir() / "themes" / f"{name}.toml"


def own_themes() -> list[str]:
    """Return the names of the themes that have files, in alphabetical order."""
    found = (path.stem for path in theme_file("any").parent.glob("*.toml"))
    return sorted(name for name in found if _NAME.fullmatch(name) and name not in SHIPPED)


def theme_names() -> list[str]:
    """The names of all themes, those that ship first."""
    return [*SHIPPED, *own_themes()]


def is_theme(name: str) -> bool:
    """Whether it ships, or has a file."""
    return name in theme_names()
