"""Options from a TOML file: the keys are the options' names; anything else is refused."""

import tomllib
from pathlib import Path
from typing import Any

from omnyshell.cli.spec import Command, Option
from omnyshell.errors import ConfigException

_EXPECTED: dict[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, "text"),
    "file": (str, "a path"),
    "directory": (str, "a path"),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "flag": (bool, "true or false"),
    "list": (list, "a list of texts"),
}


def read_options(path: str, command: Command) -> dict[str, Any]:
    """Return the options of a file by their keys. Raises `ConfigException` naming the file and what is wrong."""
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigException(f"{path} is not TOML: {exc}") from exc
    known = {option.name.lstrip("-"): option for option in command.options if option.key != "config"}
    values = {}
    for key, value in data.items():
        option = known.get(key)
        if option is None:
            raise ConfigException(f"{path}: there is no option '{key}'; known are {', '.join(sorted(known))}")
        values[option.key] = _checked(option, value, path)
    return values


def _checked(option: Option, value: object, path: str) -> object:
    expected, words = _EXPECTED[option.kind]
    key = option.name.lstrip("-")
    is_bool = isinstance(value, bool)
    if not isinstance(value, expected) or (is_bool and expected is not bool):
        raise ConfigException(f"{path}: '{key}' must be {words}")
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise ConfigException(f"{path}: '{key}' must be {words}")
    if option.choices and value not in option.choices:
        raise ConfigException(f"{path}: '{key}' must be one of {', '.join(option.choices)}")
    return value
