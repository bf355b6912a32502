"""Reads a theme of one's own, strictly: what it leaves out is as in the theme that it is like."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_tables import Table
from omnyshell.options.toml_values import instead_of
from omnyshell.tui.colours.folder import SHIPPED
from omnyshell.tui.colours.reduction import FIRST_OF_CUBE, NAMES, Rgb, indexed, rgb_of
from omnyshell.tui.colours.shades import ROLES, Colour, Shades
from omnyshell.tui.colours.shipped import FAMILIES, Family, mixed

_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")
_BASIC: Final = (
    *("background", "surface", "panel", "foreground", "muted", "primary", "secondary", "accent"),
    *("success", "warning", "error"),
)
"""The roles from which `mixed` makes the others."""

_KEYS: Final = ("like", "title", "true", "256", "16")


def read_theme(path: Path) -> Family:
    """Return the theme of a file. Raises `ConfigException` with file, line and key."""
    file = TomlFile(path)
    with file.at(()):
        table = Table(file.data, _KEYS, "a theme")
        like = FAMILIES[table.text("like", _flaw_of_like) or "dark"]
        title = table.text("title", _flaw_of_title) or path.stem
    true = _colours(file, "true", _true)
    given = {role: indexed(_rgb(colour)) for role, colour in true.items()} | _colours(file, "256", _number)
    return like._replace(
        title=title,
        true=_true_shades(like.true, true),
        indexed=_with(like.indexed, given),
        named=_with(like.named, _colours(file, "16", _name)),
    )


def _true_shades(base: Shades, given: Mapping[str, Colour]) -> Shades:
    basic = {role: getattr(base, role) for role in _BASIC}
    return mixed(**{**basic, **given})


def _with(base: Shades, given: Mapping[str, Any]) -> Shades:
    return base._replace(**given)


def _colours(file: TomlFile, name: str, read: Callable[[object], Colour]) -> dict[str, Any]:
    """Return the colours of one depth, by their roles."""
    values = file.data.get(name, {})
    if not isinstance(values, dict):
        raise file.error((name,), f"'{name}' is a table: begin it with [{name}]")
    roles = [role.replace("_", "-") for role in ROLES]
    found: dict[str, Any] = {}
    for key, value in values.items():
        with file.at((name, key)):
            if key not in roles:
                raise ConfigException(f"there is no colour '{key}' in a theme{instead_of(key, roles)}")
            try:
                found[key.replace("-", "_")] = read(value)
            except ValueError as exc:
                raise ConfigException(f"'{key}' must be {exc}") from exc
    return found


def _true(value: object) -> str:
    if not isinstance(value, str) or _HEX.fullmatch(value) is None:
        raise ValueError('a colour, as "#7aa2f7"')
    return value


def _number(value: object) -> int:
    if type(value) is not int or not FIRST_OF_CUBE <= value <= 255:
        raise ValueError("a number from 16 to 255")
    return value


def _name(value: object) -> str:
    names = [name.replace("_", "-") for name in NAMES]
    if value not in names:
        raise ValueError(f"one of {', '.join(names)}")
    return str(value).replace("-", "_")


def _rgb(colour: str | int) -> Rgb:
    if isinstance(colour, int):
        return rgb_of(colour)
    red, green, blue = bytes.fromhex(colour[1:])
    return (red, green, blue)


def _flaw_of_like(name: str) -> str:
    return "" if name in SHIPPED else f"does not ship; one of {', '.join(SHIPPED)}"


def _flaw_of_title(title: str) -> str:
    return "" if title.isprintable() and len(title) <= 40 else "is not up to 40 printable characters"
