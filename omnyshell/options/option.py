"""What an option is."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import msgspec

LIST_KINDS = ("list", "tables")
"""Kinds whose value is empty where nothing was given."""


SWITCH = ("true", "false")
"""The choices of an option whose value in a file may be TOML's `true` or `false`."""


class Check(msgspec.Struct, frozen=True):
    """What a value must be, and the words for it in an error."""

    is_right: Callable[[Any], bool]
    rule: str


class Option(msgspec.Struct, frozen=True):
    """One option or argument: all that the command line, a configuration file and the documents know of it.

    A program's settings come from its options by `values.settings`.
    """

    name: str
    """As it is typed: `--port`. Arguments and tables of a file have no dashes."""

    help: str
    metavar: str | None = None
    kind: str = "text"
    """`text`, `int`, `float`, `flag`, `list` (may be repeated), `file` or `directory` (text that is a path), `tables`.

    `tables` can only be given in a configuration file.
    """

    default: object = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether this argument (a name without dashes) may be left out."""

    required: bool = False
    sets: str = ""
    """The setting that the value becomes; `retention.max_age` is a nested one. Empty where several options make one
    setting."""

    parse: Callable[..., Any] | None = None
    """Makes the setting from the value. Raises `ConfigException`, whose text does not name the option.

    For `tables` it is called with the value and the `TomlFile` as the file is read, and its errors name the place.
    """

    check: Check | None = None
    short: str = ""
    """A second name, of one dash and a letter."""

    formerly: str = ""
    """The name that it had in earlier versions, which goes on working, also in files."""

    restart: bool = False
    """Whether a running program goes on with the value that it was started with."""

    in_file_only: bool = False
    if_empty: str = ""
    """Advice for an error on an empty list in a file; set for options whose list restricts, where no list would allow
    all."""

    title: str = ""
    """Its label in a form."""

    @property
    def is_argument(self) -> bool:
        """Whether it is a positional argument."""
        return not self.name.startswith("-") and not self.is_in_file_only

    @property
    def is_in_file_only(self) -> bool:
        """Whether it can only be given in a configuration file."""
        return self.in_file_only or self.kind == "tables"

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is typed as."""
        return tuple(filter(None, (self.name, self.short, self.formerly)))

    @property
    def key(self) -> str:
        """Its name as an attribute."""
        return self.toml_key.replace("-", "_")

    @property
    def toml_key(self) -> str:
        """Its name in a configuration file."""
        return self.name.lstrip("-")

    @property
    def toml_keys(self) -> tuple[str, ...]:
        """Its names in a configuration file, the former one included."""
        return (self.toml_key, self.formerly.lstrip("-")) if self.formerly else (self.toml_key,)

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
