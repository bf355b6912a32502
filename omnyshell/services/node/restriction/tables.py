"""Rules from the tables `[[commands]]` of a configuration file; unknown keys and values are errors."""

from collections.abc import Mapping

from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_tables import Table, read_tables
from omnyshell.services.node.restriction.paths import path_flaw
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.variables import variable_flaw
from omnyshell.services.node.restriction.wildcards import pattern_flaw

COMMANDS = "commands"
"""The key of the tables."""

KEYS = ("program", "arguments", "rest", "environment", "directory", "pty")

IF_EMPTY = "write one [[commands]] for each rule, or leave it out to let everything run that users of the node ask for"


def rules_from_tables(value: object, file: TomlFile) -> tuple[CommandRule, ...]:
    """Read the tables as rules. Raises `ConfigException` that names file, line and key."""

    def read(values: Mapping[str, object], number: int) -> CommandRule:
        return _rule(Table(values, KEYS, "a rule"), f"[[{COMMANDS}]] at {file.place((COMMANDS, number))}")

    return read_tables(value, COMMANDS, file, read, if_empty=IF_EMPTY)


def _rule(table: Table, origin: str) -> CommandRule:
    return CommandRule(
        program=table.text("program", _path_flaw) or _missing(table),
        arguments=table.texts("arguments", pattern_flaw),
        rest=table.texts("rest", pattern_flaw),
        environment=table.texts("environment", variable_flaw),
        directory=table.text("directory", _path_flaw) or None,
        pty=table.flag("pty"),
        origin=origin,
    )


def _path_flaw(path: str) -> str:
    flaw = path_flaw(path)
    return f"{flaw}; write the plain absolute path" if flaw else ""


def _missing(table: Table) -> str:
    raise table.error("program", "a rule must say 'program'")
