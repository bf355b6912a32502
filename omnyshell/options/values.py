"""Options' values, checked: an error names the option, or the file, line and key that gave it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar, get_type_hints

from omnyshell.durations import parse_duration
from omnyshell.errors import ConfigException
from omnyshell.options.option import Check, Option
from omnyshell.paths import user_path
from omnyshell.printable import printable

T = TypeVar("T")
Values = Mapping[str, Any]
"""The given values by the options' keys. `origins` maps keys of those from a file to the file and line, for errors."""

LONGEST_SHOWN = 80
"""Characters of a refused value that an error repeats."""


def name_of(values: Values, key: str) -> str:
    """Return the name of an option in an error: with file and line, where a configuration file gave its value."""
    origins: dict[str, str] = values.get("origins", {})
    return origins.get(key) or f"--{key.replace('_', '-')}"


def read(values: Values, key: str, parse: Callable[[Any], T]) -> T:
    """Return an option's value as `parse` makes it. Raises `ConfigException` that names the option."""
    try:
        return parse(values[key])
    except ConfigException as exc:
        raise ConfigException(f"{name_of(values, key)}: {exc}") from exc


def check(values: Values, key: str, wanted: Check) -> None:
    """Check an option's value. Raises `ConfigException` that names the option, and says what would be right."""
    value = values[key]
    if not wanted.is_right(value):
        shown = f"'{printable(value, LONGEST_SHOWN)}'" if isinstance(value, str) else value
        raise ConfigException(f"{name_of(values, key)} {shown}: {wanted.rule}")


def settings(values: Values, declared: Iterable[Option], config: type | None = None) -> dict[str, Any]:
    """Return the checked settings, as arguments for `config`.

    Options with a dot in `sets` make one nested setting, of the dataclass that the field of `config` declares. An
    option that has no value sets nothing: the program's own default holds. Raises `ConfigException`.
    """
    result: dict[str, Any] = {}
    for option in declared:
        value = values[option.key]
        if option.check is not None and value is not None:
            check(values, option.key, option.check)
        if value is None or not option.sets:
            continue
        if option.parse is not None and option.kind != "tables":
            value = read(values, option.key, option.parse)
        *parts, name = option.sets.split(".")
        place = result
        for part in parts:
            place = place.setdefault(part, {})
        place[name] = value
    return result if config is None else _nested(result, config)


def _nested(said: dict[str, Any], config: type) -> dict[str, Any]:
    """Return settings of which each one that options made in parts is an object of its field's class."""
    kinds = get_type_hints(config)
    return {
        name: kinds[name](**value) if isinstance(value, dict) and is_dataclass(kinds[name]) else value
        for name, value in said.items()
    }


def file_exists(hint: str = "") -> Check:
    """Return a check that a file exists."""
    return Check(lambda path: user_path(path).exists(), f"there is no such file{hint}")


def at_least(least: int, unit: str = "") -> Check:
    """Return a check that a number is at least `least`."""
    return Check(lambda value: value >= least, f"must be at least {least}{unit and ' ' + unit}")


def parse_pairs(pairs: Iterable[str], option: str = "label") -> dict[str, str]:
    """Read repeated `K=V`. Raises `ConfigException` where one has no key or no `=`."""
    result = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigException(f"{option} '{pair}': write it as KEY=VALUE")
        result[key] = value
    return result


def duration(text: str) -> int:
    """Read a duration, in seconds. Raises `ConfigException`."""
    return parse_duration(text, "duration")
