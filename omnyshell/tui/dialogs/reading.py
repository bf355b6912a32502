"""Reading a form field by field, so that all errors are shown at once."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from omnyshell.ids import NODE_ID_RULE, is_node_id

T = TypeVar("T")


class MissingError(ValueError):
    """Something has not been filled in yet."""


class FormError(ValueError):
    """Some fields are wrong, or not filled in yet. Both are texts by the field's name."""

    def __init__(self, wrong: Mapping[str, str], missing: Mapping[str, str]) -> None:
        super().__init__("; ".join([*wrong.values(), *missing.values()]))
        self.wrong = dict(wrong)
        self.missing = dict(missing)


class Reading:
    """Reads fields one after another, and collects their errors until `check`."""

    def __init__(self, value: Callable[[str], str]) -> None:
        self._value = value
        self._wrong: dict[str, str] = {}
        self._missing: dict[str, str] = {}

    def take(self, name: str, reader: Callable[[str], T], default: T) -> T:
        """Return the result of `reader` for a field; if it raises `ValueError`, note the error and return `default`."""
        try:
            return reader(self._value(name))
        except MissingError as exc:
            self._missing[name] = str(exc)
        except ValueError as exc:
            self._wrong[name] = str(exc)
        return default

    def check(self) -> None:
        """Raise `FormError` if there were errors."""
        if self._wrong or self._missing:
            raise FormError(self._wrong, self._missing)


def node_id(text: str) -> str:
    """Read a node id, or nothing. Raises `ValueError` that says what is wrong."""
    if text and not is_node_id(text):
        raise ValueError(f"No node id: use {NODE_ID_RULE}.")
    return text


def filled(question: str) -> Callable[[str], str]:
    """Return a reader for a field that must not be empty; `question` is the error's text."""

    def read(text: str) -> str:
        if not text:
            raise MissingError(question)
        return text

    return read
