"""Options from a TOML file: the keys are the options' names; anything else is refused, with its line.

The line of a key is looked for in the text: neither tomllib nor tomlkit (0.15) says where a key stands.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.options.option import SWITCH, Option
from omnyshell.options.toml_values import instead_of, of_kind
from omnyshell.paths import read_file

_HEADER = re.compile(r"\s*(\[\[?)([^\]]*)\]\]?")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")

Place = Sequence[str | int]
"""Keys from the outermost table inward; a number is the index in an array of tables, from 0."""


class Given(NamedTuple):
    """The values that a file gives, and where each stands."""

    values: dict[str, Any]
    """By the options' keys."""

    origins: dict[str, str]
    """How errors name each option: with file and line."""


class TomlFile:
    """A TOML file, which finds the line of a mistake in it."""

    def __init__(self, path: str | Path) -> None:
        """Read it. Raises `ConfigException` where it cannot be read or is not TOML."""
        self._path = str(path)
        try:
            text = read_file(Path(path)).decode()
            self.data: dict[str, Any] = tomllib.loads(text)
        except OSError as exc:
            raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ConfigException(f"{path} is not TOML: {exc}") from exc
        self._lines = text.splitlines()

    def error(self, keys: Place, text: str) -> ConfigException:
        """The exception for a mistake at the last of `keys`; those before it are the tables that contain it."""
        return ConfigException(f"{self.place(keys)}: {text}")

    @contextmanager
    def at(self, keys: Place) -> Iterator[None]:
        """Add file and line to a `ConfigException` raised within: of `keys`, or of the key below them that it names."""
        try:
            yield
        except ConfigException as exc:
            raise self.error((*keys, *getattr(exc, "keys", ())), str(exc)) from exc

    def place(self, keys: Place) -> str:
        """The file, and the line of the key."""
        line = self._line_of(tuple(keys))
        return f"{self._path}{f', line {line}' if line else ''}"

    def _line_of(self, keys: tuple[str | int, ...]) -> int | None:
        """The line of the key, or of the table or key that it is in."""
        table: tuple[str | int, ...] = ()
        counts: dict[tuple[str, ...], int] = {}
        found: tuple[int, int] = (0, 0)
        for number, line in enumerate(self._lines, 1):
            header = _HEADER.match(line)
            key = _KEY.match(line)
            if header is not None:
                here = table = _table(header.group(1), _parts(header.group(2)), counts)
            elif key is not None:
                here = table + _parts(key.group(1))
            else:
                continue
            common = min(len(here), len(keys))
            common = common if keys[:common] == here[:common] else 0
            found = max(found, (common, -number))
        return -found[1] if found[0] else None


def read_options(path: str | Path, options: Iterable[Option]) -> Given:
    """Return the values that a file gives these options; `config`, which would name another file, is refused in it.

    Raises `ConfigException` naming file, line and key.
    """
    file = TomlFile(path)
    known = {name: option for option in options if option.key != "config" for name in option.toml_keys}
    given = Given({}, {})
    for key, value in file.data.items():
        option = known.get(key)
        if option is None:
            raise file.error((key,), f"there is no option '{key}'{instead_of(key, known)}")
        if option.key in given.values:
            raise file.error((key,), f"'{key}' is the former name of '{option.toml_key}', which is there too")
        given.values[option.key] = read_value(option, value, file, key)
        given.origins[option.key] = f"{file.place((key,))}: '{key}'"
    return given


def read_value(option: Option, value: object, file: TomlFile, key: str) -> object:
    """Return an option's value, which stands at `key` of a file, checked for its type; a text becomes a list of one.

    Raises `ConfigException`.
    """
    if option.kind == "tables":
        assert option.parse is not None, "tables say how they are read"  # noqa: S101
        return option.parse(value, file)
    if option.choices == SWITCH and isinstance(value, bool):
        return str(value).lower()
    with file.at((key,)):
        value = of_kind(option.kind, value, key)
    if value == [] and option.if_empty:
        raise file.error((key,), f"'{key}' is empty: {option.if_empty}")
    if option.choices and value not in option.choices:
        raise file.error((key,), f"'{key}' must be one of {', '.join(option.choices)}")
    return value


def _table(brackets: str, parts: tuple[str, ...], counts: dict[tuple[str, ...], int]) -> tuple[str | int, ...]:
    """The place of a table, from its header; an element of an array of tables has its index behind its name."""
    if brackets == "[[":
        counts[parts] = counts.get(parts, -1) + 1
    place: tuple[str | int, ...] = ()
    for size, part in enumerate(parts, 1):
        place += (part,)
        if parts[:size] in counts:
            place += (counts[parts[:size]],)
    return place


def _parts(text: str) -> tuple[str, ...]:
    return tuple("".join(match.groups(default="")) for match in _PART.finditer(text))
