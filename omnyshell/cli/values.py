"""What options say, checked: a mistake names the option, or the file, line and key that gave it."""

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from omnyshell.errors import ConfigException
from omnyshell.paths import user_path

T = TypeVar("T")

LOOPBACK = ("localhost", "127.0.0.1", "::1")


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


def check_file(options: argparse.Namespace, key: str, hint: str = "") -> None:
    """Check that the file that an option names is there. Raises `ConfigException` that names the option."""
    check(options, key, lambda path: not path or user_path(path).exists(), f"there is no such file{hint}")


def check(options: argparse.Namespace, key: str, is_right: Callable[[Any], bool], rule: str) -> None:
    """Check an option's value; `rule` says what would be right. Raises `ConfigException` that names the option."""
    value = getattr(options, key)
    if not is_right(value):
        shown = f"'{value}'" if isinstance(value, str) else value
        raise ConfigException(f"{name_of(options, key)} {shown}: {rule}")
