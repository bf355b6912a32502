"""Keys of one's own, from `keys.toml` in the configuration directory: the table of keys with others in their places."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from textual.keys import KEY_NAME_REPLACEMENTS

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_values import instead_of
from omnyshell.paths import config_dir
from omnyshell.tui.keys import KEYS, Context, Key
from omnyshell.tui.settings import SAME_AS

FIXED: Final = (Context.COPY, Context.FORM, Context.LINE)
"""Contexts whose keys are those of all forms and of vi, and stay."""

_PANELS: Final = (Context.NODES, Context.SESSIONS, Context.TUNNELS, Context.AUDIT, Context.PROCESSES)
_TABLES: Final = (Context.OVERVIEW, Context.TABLE)
_AFTER_LEADER: Final = (Context.TERMINAL, Context.PANES)

_ALIASES: Final = {
    "esc": "escape",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "del": "delete",
    "ins": "insert",
}
_NAMED: Final = (
    *("escape", "enter", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown"),
    *("up", "down", "left", "right", *(f"f{number}" for number in range(1, 13))),
)
_KEY: Final = re.compile(r"((?:(?:ctrl|alt|shift)\+)*)(.+)", re.DOTALL)
_RULE: Final = "a character, or enter, esc, tab, space, f1 to f12, up, pgdn and the like, with ctrl+, alt+, shift+"

Map = Mapping[tuple[Context, str], Sequence[str]]
"""Keys as people write them, by context and action."""


def key_map_file() -> Path:
    """Return where keys of one's own lie."""
    return config_dir() / "keys.toml"


def read_keys(path: Path, keys: Sequence[Key] = KEYS) -> tuple[Key, ...]:
    """Return the table with the keys of the file. Raises `ConfigException` with file, line and key."""
    if not path.exists():
        return tuple(keys)
    file = TomlFile(path)
    found: dict[tuple[Context, str], list[str]] = {}
    for name, values in file.data.items():
        context = _context(file, name)
        if not isinstance(values, dict):
            raise file.error((name,), f"'{name}' is a table: begin it with [{name}]")
        for action, value in values.items():
            with file.at((name, action)):
                found[context, action] = _read(context, action, value, keys)
    mapped = tuple(_mapped(keys, found))
    _refuse_doubles(file, mapped, found)
    return mapped


def _context(file: TomlFile, name: str) -> Context:
    known = {context.slug: context for context in Context if context not in FIXED}
    if name not in known:
        raise file.error((name,), f"there are no keys for '{name}'{instead_of(name, known)}")
    return known[name]


def _read(context: Context, action: str, value: object, keys: Iterable[Key]) -> list[str]:
    known = [key.name for key in keys if key.context is context]
    if action not in known:
        raise ConfigException(f"[{context.slug}] has nothing named '{action}'{instead_of(action, known)}")
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(key, str) for key in given):
        raise ConfigException(f'\'{action}\' must be a key or a list of keys, as ["x", "ctrl+x"]')
    for key in given:
        textual_name(key)
    return given


def textual_name(key: str) -> str:
    """Return Textual's name of a key as people write it. Raises `ConfigException`."""
    match = _KEY.fullmatch(key)
    base = _ALIASES.get(match[2], match[2]) if match is not None else ""
    if match is None or not (base in _NAMED or (len(base) == 1 and base.isprintable() and base != " ")):
        raise ConfigException(f"'{key}' is no key: {_RULE}")
    modifiers = match[1].split("+")[:-1]
    if "shift" in modifiers and len(base) == 1 and base.isalpha():
        modifiers.remove("shift")
        base = base.upper()
    full = "+".join((*modifiers, base if base in _NAMED or base.isalnum() else _name_of_sign(base)))
    if full in SAME_AS:
        raise ConfigException(f"'{key}' is no key: terminals send it for {SAME_AS[full]}")
    return full


def _name_of_sign(character: str) -> str:
    name = re.sub(r"[- ]", "_", unicodedata.name(character, character).lower())
    return KEY_NAME_REPLACEMENTS.get(name, name)


def _mapped(keys: Iterable[Key], found: Map) -> Iterable[Key]:
    for key in keys:
        wanted = found.get((key.context, key.name))
        if wanted is None:
            yield key
        elif wanted:
            yield replace(key, keys=",".join(map(textual_name, wanted)), shown=" ".join(wanted), listed=True)


def _refuse_doubles(file: TomlFile, keys: Sequence[Key], found: Map) -> None:
    """Raise `ConfigException` where a key of the file means something else too, where both are heard."""
    for number, key in enumerate(keys):
        if (key.context, key.name) not in found:
            continue
        for other in (*keys[:number], *keys[number + 1 :]):
            both = set(key.keys.split(",")) & set(other.keys.split(",")) - {""}
            if both and _are_heard_together(key.context, other.context):
                what = f"'{min(both)}' is for '{other.name}' in [{other.context.slug}] already"
                raise file.error((key.context.slug, key.name), f"{what}; give that another key too, or [] for none")


def _are_heard_together(one: Context, other: Context) -> bool:
    if one is other or {one, other} <= set(_AFTER_LEADER):
        return True
    if {one, other} & {*_AFTER_LEADER, Context.COPY}:
        return False
    if Context.EVERYWHERE in (one, other):
        return True
    return {one, other} <= {*_TABLES, *_PANELS} and not {one, other} <= set(_PANELS)
