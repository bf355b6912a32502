"""Tables of a TOML file with keys of their own, such as `[[grants]]`, read strictly: unknown keys are errors.

Readers of tables raise `ConfigException` naming the key; `read_tables` adds file and line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_values import KeyException, instead_of, of_kind

T = TypeVar("T")

Flaw = Callable[[str], str]
"""Returns what is wrong with a text, worded to follow it in an error; empty if nothing is wrong."""


def no_flaw(_text: str) -> str:
    """Accept any text."""
    return ""


class Table:
    """One table, whose values are asked for by key; a key that is not given has the empty value of its kind."""

    def __init__(self, values: Mapping[str, object], keys: Sequence[str], noun: str) -> None:
        """`noun` is what messages call it: `a grant`. Raises `ConfigException` for any other key than `keys`."""
        self._values = values
        for key in values:
            if key not in keys:
                raise self.error(key, f"there is no key '{key}' in {noun}{instead_of(key, keys)}")

    def text(self, key: str, flaw: Flaw = no_flaw) -> str:
        """A text. Raises `ConfigException`."""
        return self._read(key, lambda value: self._without_flaw(key, str(of_kind("text", value, key)), flaw), "")

    def texts(self, key: str, flaw: Flaw = no_flaw, *, if_empty: str = "") -> tuple[str, ...]:
        """A list of texts, or one text for a list of one. Raises `ConfigException`.

        `if_empty` is advice for the error on an empty list; set it where an empty list would not mean what it seems to.
        """

        def read(value: object) -> tuple[str, ...]:
            texts = of_kind("list", value, key)
            assert isinstance(texts, list)  # noqa: S101
            if not texts and if_empty:
                raise ConfigException(f"'{key}' is empty: {if_empty}")
            return tuple(self._without_flaw(key, text, flaw) for text in texts)

        return self._read(key, read, ())

    def flag(self, key: str) -> bool:
        """True or false. Raises `ConfigException`."""
        return self._read(key, lambda value: bool(of_kind("flag", value, key)), False)

    def whole_number(self, key: str, least: int) -> int:
        """A whole number. Raises `ConfigException`, also for one that is less than `least`."""

        def read(value: object) -> int:
            number = of_kind("int", value, key)
            assert isinstance(number, int)  # noqa: S101
            if number < least:
                raise ConfigException(f"'{key}' must be at least {least}")
            return number

        return self._read(key, read, 0)

    def text_map(self, key: str, *, if_empty: str = "") -> dict[str, str]:
        """A table of texts. Raises `ConfigException`."""

        def read(value: object) -> dict[str, str]:
            if not isinstance(value, dict):
                raise ConfigException(f"'{key}' must be a table of texts, as {{ env = \"prod\" }}")
            if not value and if_empty:
                raise ConfigException(f"'{key}' is empty: {if_empty}")
            for name, text in value.items():
                if not isinstance(text, str):
                    raise KeyException(f"'{name}' in '{key}' must be text", key, name)
            return dict(value)

        return self._read(key, read, {})

    @staticmethod
    def error(key: str, text: str) -> ConfigException:
        """The exception for a mistake at a key."""
        return KeyException(text, key)

    def _read(self, key: str, read: Callable[[object], T], empty: T) -> T:
        if key not in self._values:
            return empty
        try:
            return read(self._values[key])
        except KeyException:
            raise
        except ConfigException as exc:
            raise self.error(key, str(exc)) from exc

    @staticmethod
    def _without_flaw(key: str, text: str, flaw: Flaw) -> str:
        if wrong := flaw(text):
            raise ConfigException(f"'{key}': '{text}' {wrong}")
        return text


def read_tables(
    value: object, name: str, file: TomlFile, read: Callable[[Mapping[str, object], int], T], *, if_empty: str = ""
) -> tuple[T, ...]:
    """Read an array of tables: `read` is given each, and its number from 0 on.

    Raises `ConfigException` with file and line, also for what `read` raises; `if_empty` as for `Table.texts`.
    """
    if not isinstance(value, list) or not all(isinstance(values, dict) for values in value):
        raise file.error((name,), f"'{name}' are tables: begin each with [[{name}]], in two pairs of brackets")
    if not value and if_empty:
        raise file.error((name,), f"'{name}' is empty: {if_empty}")
    result = []
    for number, values in enumerate(value):
        with file.at((name, number)):
            result.append(read(values, number))
    return tuple(result)
