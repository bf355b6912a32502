"""Rules from the tables `[[commands]]` of a configuration file; what is not understood is an error."""

from typing import Any, Protocol

from omnyshell.errors import ConfigException
from omnyshell.services.node.restriction.paths import path_flaw
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.variables import variable_flaw

COMMANDS = "commands"
"""The key of the tables."""

KEYS = ("program", "arguments", "rest", "environment", "directory", "pty")


class RulesFile(Protocol):
    """A file of settings, and where in it a mistake is."""

    def error(self, keys: tuple[str | int, ...], text: str) -> ConfigException:
        """The exception for a mistake at the key, given with the tables that it is in and their numbers, from 0 on."""

    def place(self, keys: tuple[str | int, ...]) -> str:
        """The file, and the line of the key."""


def rules_from_tables(value: object, file: RulesFile) -> tuple[CommandRule, ...]:
    """Return the rules that the tables are. Raises `ConfigException` that names file, line and key."""
    if not isinstance(value, list) or not value or not all(isinstance(table, dict) for table in value):
        raise file.error((COMMANDS,), f"'{COMMANDS}' are tables, one a rule: [[{COMMANDS}]]")
    return tuple(_Table(table, number, file).rule() for number, table in enumerate(value))


class _Table:
    """A table that is read."""

    def __init__(self, table: dict[str, Any], number: int, file: RulesFile) -> None:
        self._table = table
        self._file = file
        self._place: tuple[str | int, ...] = (COMMANDS, number)

    def rule(self) -> CommandRule:
        """The rule that it is."""
        for key in self._table:
            if key not in KEYS:
                raise self._error(key, f"a rule has no '{key}'; it has {', '.join(KEYS)}")
        return CommandRule(
            program=self._path("program") or self._missing("program"),
            arguments=self._texts("arguments"),
            rest=self._texts("rest"),
            environment=self._variables(),
            directory=self._path("directory"),
            pty=self._flag("pty"),
            origin=f"[[{COMMANDS}]] at {self._file.place(self._place)}",
        )

    def _path(self, key: str) -> str | None:
        if key not in self._table:
            return None
        path = self._table[key]
        if not isinstance(path, str):
            raise self._error(key, f"'{key}' must be text")
        if flaw := path_flaw(path):
            raise self._error(key, f"'{key}': {path!r} {flaw}; write the plain absolute path")
        return path

    def _texts(self, key: str) -> tuple[str, ...]:
        texts = self._table.get(key, [])
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise self._error(key, f"'{key}' must be a list of texts")
        return tuple(texts)

    def _variables(self) -> tuple[str, ...]:
        names = self._texts("environment")
        for name in names:
            if flaw := variable_flaw(name):
                raise self._error("environment", f"'environment': {name!r} {flaw}")
        return names

    def _flag(self, key: str) -> bool:
        flag = self._table.get(key, False)
        if not isinstance(flag, bool):
            raise self._error(key, f"'{key}' must be true or false")
        return flag

    def _missing(self, key: str) -> str:
        raise self._file.error(self._place, f"a rule must say '{key}'")

    def _error(self, key: str, text: str) -> ConfigException:
        return self._file.error((*self._place, key), text)
