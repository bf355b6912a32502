"""Options from a TOML file: the keys are the options' names; anything else is refused, with its line."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omnyshell.cli.spec import NODE_LABELS, Command, Option
from omnyshell.errors import ConfigException
from omnyshell.ids import is_node_id

_EXPECTED: dict[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, "text"),
    "file": (str, "a path"),
    "directory": (str, "a path"),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "flag": (bool, "true or false"),
    "list": (list, "a list of texts"),
}
_HEADER = re.compile(r"\s*\[\[?([^\]]*)\]\]?")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")


def read_options(path: str, command: Command) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the options of a file by their keys, and how messages name each of them, with its line.

    Raises `ConfigException` naming file, line and key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as exc:
        raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigException(f"{path} is not TOML: {exc}") from exc
    file = _File(path, text)
    known = {option.name.lstrip("-"): option for option in command.options if option.key != "config"}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key, value in data.items():
        option = known.get(key)
        if option is not None:
            values[option.key] = _checked(option, value, file)
            origins[option.key] = f"{file.place((key,))}: '{key}'"
        elif key == NODE_LABELS and command.has_node_labels:
            values["node_labels"] = _node_labels(value, file)
        else:
            raise file.error((key,), f"there is no option '{key}'; known are {', '.join(sorted(known))}")
    return values, origins


class _File:
    """A file's name and text, to say where a mistake is."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def error(self, keys: Sequence[str], text: str) -> ConfigException:
        """The exception for a mistake at the key, given with the tables it is in."""
        return ConfigException(f"{self.place(keys)}: {text}")

    def place(self, keys: Sequence[str]) -> str:
        """The file, and the line of the key."""
        line = self._line_of(tuple(keys))
        return f"{self._path}{f', line {line}' if line else ''}"

    def _line_of(self, keys: tuple[str, ...]) -> int | None:
        """The line of the key, or of the table or key that it is in."""
        table: tuple[str, ...] = ()
        found: tuple[int, int] = (0, 0)
        for number, line in enumerate(self._lines, 1):
            header = _HEADER.match(line)
            key = _KEY.match(line)
            if header is not None:
                here = table = _parts(header.group(1))
            elif key is not None:
                here = table + _parts(key.group(1))
            else:
                continue
            common = min(len(here), len(keys))
            common = common if keys[:common] == here[:common] else 0
            found = max(found, (common, -number))
        return -found[1] if found[0] else None


def _parts(text: str) -> tuple[str, ...]:
    return tuple("".join(match.groups(default="")) for match in _PART.finditer(text))


def _checked(option: Option, value: object, file: _File) -> object:
    expected, words = _EXPECTED[option.kind]
    key = option.name.lstrip("-")
    is_bool = isinstance(value, bool)
    if not isinstance(value, expected) or (is_bool and expected is not bool):
        raise file.error((key,), f"'{key}' must be {words}")
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise file.error((key,), f"'{key}' must be {words}")
    if option.choices and value not in option.choices:
        raise file.error((key,), f"'{key}' must be one of {', '.join(option.choices)}")
    return value


def _node_labels(value: object, file: _File) -> dict[str, dict[str, str]]:
    """Read `[nodes.ID.labels]`, the ceilings that the hub sets."""
    if not isinstance(value, dict):
        raise file.error((NODE_LABELS,), f"'{NODE_LABELS}' must hold tables, as [{NODE_LABELS}.ID.labels]")
    result = {}
    for node_id, settings in value.items():
        where = (NODE_LABELS, node_id)
        if not is_node_id(node_id):
            raise file.error(where, f"'{node_id}' is no node id: use letters, digits, '_', '.' and '-'")
        if not isinstance(settings, dict) or not isinstance(settings.get("labels", {}), dict):
            raise file.error(where, f"a node's labels are a table: [{NODE_LABELS}.{node_id}.labels]")
        for key in settings:
            if key != "labels":
                raise file.error((*where, key), f"there is no setting '{key}' for a node; known is labels")
        labels = settings.get("labels", {})
        for key, label in labels.items():
            if not isinstance(label, str):
                raise file.error((*where, "labels", key), f"the label '{key}' must be text")
        result[node_id] = labels
    return result
