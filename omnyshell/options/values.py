"""What options say, checked: a mistake names the option, or the file, line and key that gave it."""

import argparse
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from omnyshell.durations import parse_duration
from omnyshell.errors import ConfigException
from omnyshell.options.option import Check, Option
from omnyshell.paths import user_path

T = TypeVar("T")


def name_of(options: argparse.Namespace, key: str) -> str:
    """Return how a message names an option: with file and line, where a configuration file gave it."""
    origins: dict[str, str] = getattr(options, "origins", {})
    return origins.get(key) or f"--{key.replace('_', '-')}"


def read(options: argparse.Namespace, key: str, parse: Callable[[Any], T]) -> T:
    """Return an option's value as `parse` makes it. Raises `ConfigException` that names the option."""
    try:
        return parse(getattr(options, key))
    except ConfigException as exc:
        raise ConfigException(f"{name_of(options, key)}: {exc}") from exc


def check(options: argparse.Namespace, key: str, wanted: Check) -> None:
    """Check an option's value. Raises `ConfigException` that names the option, and says what would be right."""
    value = getattr(options, key)
    if not wanted.is_right(value):
        shown = f"'{value}'" if isinstance(value, str) else value
        raise ConfigException(f"{name_of(options, key)} {shown}: {wanted.rule}")


def settings(options: argparse.Namespace, declared: Iterable[Option]) -> dict[str, Any]:
    """Return the settings that the options say, checked; those of a part in a dictionary of its own.

    An option that has no value sets nothing: the program's own default holds. Raises `ConfigException`.
    """
    result: dict[str, Any] = {}
    for option in declared:
        value = getattr(options, option.key)
        if option.check is not None and value is not None:
            check(options, option.key, option.check)
        if value is None or not option.sets:
            continue
        if option.parse is not None and option.kind != "tables":
            value = read(options, option.key, option.parse)
        *parts, name = option.sets.split(".")
        place = result
        for part in parts:
            place = place.setdefault(part, {})
        place[name] = value
    return result


def file_exists(hint: str = "") -> Check:
    """Return the check that a file that is named is there."""
    return Check(lambda path: user_path(path).exists(), f"there is no such file{hint}")


def at_least(least: int, unit: str = "") -> Check:
    """Return the check that a number is not too small."""
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
