"""Reading filters, columns and commands of one's own from `console.toml`, held against what the panels have."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_tables import Table, read_tables
from omnyshell.options.toml_values import KeyException, instead_of
from omnyshell.tui.commands import OTHER_NAMES, all_commands
from omnyshell.tui.keys import Context, keys_of
from omnyshell.tui.panels.every import PANELS
from omnyshell.tui.panels.fields import Labels, Moment
from omnyshell.tui.panels.filter import Fields, FilterError, parse, predicate, vocabulary
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.preferences.command import EVERY_ROW, OwnCommand, Template
from omnyshell.tui.preferences.own import Own
from omnyshell.tui.preferences.plain import refuse_name

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
"""What filters and commands of one's own are called."""

NAME_RULE: Final = "a letter, and then at most 31 letters, digits, - or _"
_KEYS: Final = ("name", "key", "panel", "argv", "environment", "confirm", "in_terminal")
_KEY: Final = re.compile(r"(?:[A-Za-z]|(?:ctrl\+|alt\+)[a-z0-9]|f(?:[1-9]|1[0-2]))")


def read_own(path: Path) -> Own:
    """Read the file. Raises `ConfigException` with file and line."""
    if not path.exists():
        return Own()
    file = TomlFile(path)
    own = Own()
    for name, text in _entries(file, "filters"):
        with file.at(("filters", name)):
            check_filter(name, text)
            own.filters[name] = text
    for name, wanted in _entries(file, "columns"):
        with file.at(("columns", name)):
            own.columns[name] = columns_of(name, wanted)
    if "commands" in file.data:
        own.commands = read_tables(file.data["commands"], "commands", file, lambda values, _: _command(values))
        _refuse_doubles(own.commands, file)
    return own


def _entries(file: TomlFile, name: str) -> Iterable[tuple[str, Any]]:
    table = file.data.get(name, {})
    if not isinstance(table, dict):
        raise file.error((name,), f"'{name}' is a table: begin it with [{name}]")
    return table.items()


def known_of(panel: type[Panel[Any]]) -> Fields:
    """What a panel's filter may ask for."""
    titles = {column.title: column.field for column in panel.COLUMNS if column.field}
    return vocabulary((*titles.values(), *panel.FIELDS), titles)


def check_filter(name: str, text: object) -> None:
    """Raise `ConfigException` unless the name is one, and some panel knows what the filter asks for."""
    if NAME.fullmatch(name) is None:
        raise ConfigException(f"'{name}' is no name of a filter: {NAME_RULE}")
    if not isinstance(text, str) or not text.strip():
        raise ConfigException(f"'{name}' must be a filter, as \"env=prod\"")
    mistakes = []
    for panel in PANELS.values():
        known = known_of(panel)
        try:
            predicate(parse(text, known), known)
        except FilterError as exc:
            mistakes.append(str(exc))
        else:
            return
    raise ConfigException(f"'{name}' is no filter of any panel: {mistakes[0]}")


def columns_of(panel: str, wanted: object) -> tuple[str, ...]:
    """Return the columns' names, from names or titles. Raises `ConfigException`."""
    if panel not in PANELS:
        raise ConfigException(f"there is no panel '{panel}'{instead_of(panel, PANELS)}")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(name, str) for name in wanted):
        known = ", ".join(f'"{name}"' for name in _columns(panel))
        raise ConfigException(f"'{panel}' must be a list of columns, as [{known}]")
    names = tuple(_column(panel, name) for name in wanted)
    for name in names:
        if names.count(name) > 1:
            raise ConfigException(f"'{panel}' has the column '{name}' twice")
    return names


def _columns(panel: str) -> list[str]:
    return [column.name for column in PANELS[panel].COLUMNS]


def _column(panel: str, wanted: str) -> str:
    for column in PANELS[panel].COLUMNS:
        if wanted.lower() in (column.name, column.title.lower()):
            return column.name
    raise ConfigException(f"there is no column '{wanted}' in '{panel}'{instead_of(wanted, _columns(panel))}")


def _command(values: Mapping[str, object]) -> OwnCommand:
    table = Table(values, _KEYS, "a command")
    panel = table.text("panel", lambda text: "" if text in PANELS else f"is no panel{instead_of(text, PANELS)}")
    for key in ("name", "panel", "argv"):
        if key not in values:
            raise ConfigException(f"a command has a '{key}'")
    with _at("argv"):
        argv = tuple(map(Template.parse, table.texts("argv", if_empty="begin with the program")))
    with _at("environment"):
        environment = {name: Template.parse(text) for name, text in table.text_map("environment").items()}
        for name in environment:
            if not (name.isascii() and name.isidentifier()):
                raise KeyException(f"'{name}' is no name of a variable", "environment", name)
            if environment[name].fields:
                refuse_name(name)
    with _at("argv"):
        command = OwnCommand(
            name=table.text("name", _flaw_of_name),
            panel=panel,
            argv=argv,
            environment=environment,
            key=table.text("key", lambda text: _flaw_of_key(text, panel)),
            confirm=table.flag("confirm"),
            in_terminal=table.flag("in_terminal"),
        )
        for field in command.fields:
            _check_field(field, PANELS[panel])
    return command


@contextmanager
def _at(key: str) -> Iterator[None]:
    """Name the key in a `ConfigException` raised within that names none."""
    try:
        yield
    except KeyException:
        raise
    except ConfigException as exc:
        raise KeyException(f"'{key}': {exc}", key) from exc


def _flaw_of_name(name: str) -> str:
    if NAME.fullmatch(name) is None:
        return f"is no name: {NAME_RULE}"
    return f"is a command of the console, as :{name}" if name in all_commands() or name in OTHER_NAMES else ""


def _flaw_of_key(key: str, panel: str) -> str:
    if _KEY.fullmatch(key) is None:
        return "is no key: a letter, or ctrl+x, alt+x, f5"
    contexts = (Context.EVERYWHERE, Context.OVERVIEW, Context.TABLE, Context(PANELS[panel].NAME))
    taken = next((known for known in keys_of(*contexts) if key in known.keys.split(",")), None)
    return f"is taken: {taken.more or taken.text}. Choose another" if taken is not None else ""


def _check_field(field: str, panel: type[Panel[Any]]) -> None:
    if field in EVERY_ROW or field.startswith("label."):
        return
    known = [name for name, found in known_of(panel).items() if not isinstance(found, Moment | Labels)]
    if field not in known:
        advice = instead_of(field, (*known, *EVERY_ROW))
        raise ConfigException(f"rows of '{panel.NAME.lower()}' have no '{field}'{advice}")


def _refuse_doubles(commands: tuple[OwnCommand, ...], file: TomlFile) -> None:
    seen: dict[tuple[str, str, str], int] = {}
    for at, command in enumerate(commands):
        for key, value in (("name", command.name), ("key", command.key)):
            if value and seen.setdefault((command.panel, key, value), at) != at:
                raise file.error(
                    ("commands", at, key), f"'{command.panel}' has a command with the {key} '{value}' already"
                )
