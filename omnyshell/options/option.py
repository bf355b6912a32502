"""What an option is."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import msgspec

LIST_KINDS = ("list", "tables")
"""Kinds whose value is empty where nothing was given."""


SWITCH = ("true", "false")
"""Choices of an option that a file gives as TOML's own `true` or `false`."""


class Check(msgspec.Struct, frozen=True):
    """What a value must be, and how that is said."""

    is_right: Callable[[Any], bool]
    rule: str


class Option(msgspec.Struct, frozen=True):
    """One option or argument: all that the command line, a configuration file and the documents know of it.

    A program's settings come from its options by `values.settings`.
    """

    name: str
    """As it is typed: `--port`; an argument, and a table of a file, without dashes."""

    help: str
    metavar: str | None = None
    kind: str = "text"
    """`text`, `int`, `float`, `flag`, `list` (may be repeated), `file` or `directory` (text that is a path), `tables`.

    `tables` stand in a configuration file alone.
    """

    default: object = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether an argument (a name without dashes) may be left out."""

    required: bool = False
    sets: str = ""
    """The setting that the value becomes; `retention.max_age` is a setting of a part. Empty where several make one."""

    parse: Callable[..., Any] | None = None
    """Makes the setting from the value. Raises `ConfigException`, whose text does not name the option.

    That of `tables` is given the value and the `TomlFile`, as soon as the file is read, and raises errors of the file.
    """

    check: Check | None = None
    restart: bool = False
    """Whether a running program goes on with the value that it was started with."""

    in_file_only: bool = False
    if_empty: str = ""
    """What to do instead of an empty list in a file: not empty where a list restricts, and none lets everything."""

    title: str = ""
    """What a form calls it."""

    @property
    def is_argument(self) -> bool:
        """Whether it stands by position."""
        return not self.name.startswith("-") and not self.is_in_file_only

    @property
    def is_in_file_only(self) -> bool:
        """Whether a command line cannot give it."""
        return self.in_file_only or self.kind == "tables"

    @property
    def key(self) -> str:
        """Its name as an attribute."""
        return self.toml_key.replace("-", "_")

    @property
    def toml_key(self) -> str:
        """Its name in a configuration file."""
        return self.name.lstrip("-")

    @property
    def shown_default(self) -> str:
        """Its default as people write it; empty where there is none to show."""
        if isinstance(self.default, float):
            return f"{self.default:g}"
        return "" if self.default in (None, {}, ()) else str(self.default)

    @property
    def empty(self) -> object:
        """Its value where none is given."""
        if self.kind in LIST_KINDS and self.default is None:
            return []
        return False if self.kind == "flag" else self.default


def default_of(settings: type, name: str) -> Any:
    """Return the default that a dataclass of settings has for a field, so that an option need not repeat it."""
    return next(field.default for field in fields(settings) if field.name == name)
