"""Reading a form: each field by itself, so that all that is wrong is said at once."""

from collections.abc import Callable, Mapping
from typing import TypeVar

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
    """Reads fields one after the other, and keeps what is wrong with each until `check`."""

    def __init__(self, value: Callable[[str], str]) -> None:
        self._value = value
        self._wrong: dict[str, str] = {}
        self._missing: dict[str, str] = {}

    def take(self, name: str, reader: Callable[[str], T], default: T) -> T:
        """Return what `reader` makes of a field; `default`, and a problem, where it raises `ValueError`."""
        try:
            return reader(self._value(name))
        except MissingError as exc:
            self._missing[name] = str(exc)
        except ValueError as exc:
            self._wrong[name] = str(exc)
        return default

    def check(self) -> None:
        """Raise `FormError` where anything was wrong."""
        if self._wrong or self._missing:
            raise FormError(self._wrong, self._missing)


def filled(question: str) -> Callable[[str], str]:
    """Return a reader of a field that must not be empty; `question` is what is missing then."""

    def read(text: str) -> str:
        if not text:
            raise MissingError(question)
        return text

    return read
