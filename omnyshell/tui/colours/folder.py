"""Where themes of one's own lie: `themes/NAME.toml` in the configuration directory."""

import re
from pathlib import Path
from typing import Final

from omnyshell.errors import ConfigException
from omnyshell.options.toml_values import instead_of
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


def is_theme_name(name: str) -> bool:
    """Whether a theme may be called so, there or not."""
    return _NAME.fullmatch(name) is not None


def check_theme(name: str) -> None:
    """Raise `ConfigException` for a theme that neither ships nor has a file."""
    if name not in theme_names():
        known = theme_names()
        raise ConfigException(f"there is no theme '{name}', nor a file {theme_file(name)}{instead_of(name, known)}")
