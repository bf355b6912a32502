"""Values of a TOML file: checks of their types, and suggestions for misspelt keys."""

from collections.abc import Iterable

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
"""The wording of each kind of option in an error."""


class KeyException(ConfigException):
    """A mistake at a key, given as a path relative to the table that is read."""

    def __init__(self, text: str, *keys: str) -> None:
        super().__init__(text)
        self.keys = keys


def of_kind(kind: str, value: object, key: str) -> object:
    """Return the value, checked for the type of its option's kind; a text becomes a list of one.

    Raises `ConfigException`.
    """
    expected, words = _EXPECTED[kind]
    if kind == "list" and isinstance(value, str):
        value = [value]
    is_number = isinstance(value, bool) and expected is not bool
    texts = value if isinstance(value, list) else ()
    if not isinstance(value, expected) or is_number or not all(isinstance(item, str) for item in texts):
        raise ConfigException(f"'{key}' must be {words}")
    return value


def instead_of(key: str, known: Iterable[str]) -> str:
    """Return advice that follows the error on an unknown key: the closest known key, or else all of them."""
    # Imported late: only an error needs it.
    import difflib

    near = difflib.get_close_matches(key.lower().replace("_", "-"), known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(sorted(known))}"
