"""Values of a TOML file: what they must be, and what was probably meant where they are not."""

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
"""By the kind of an option."""


class KeyException(ConfigException):
    """A mistake at a key of a table, given with the tables inside of that which it is in."""

    def __init__(self, text: str, *keys: str) -> None:
        super().__init__(text)
        self.keys = keys


def of_kind(kind: str, value: object, key: str) -> object:
    """Return a value that has the type of its kind of option; a text is a list of one. Raises `ConfigException`."""
    expected, words = _EXPECTED[kind]
    if kind == "list" and isinstance(value, str):
        value = [value]
    is_number = isinstance(value, bool) and expected is not bool
    texts = value if isinstance(value, list) else ()
    if not isinstance(value, expected) or is_number or not all(isinstance(item, str) for item in texts):
        raise ConfigException(f"'{key}' must be {words}")
    return value


def instead_of(key: str, known: Iterable[str]) -> str:
    """Return what was probably meant by a key, or else all that there is; to be said behind what is wrong."""
    # Only who made a mistake waits for the import.
    import difflib

    near = difflib.get_close_matches(key.lower().replace("_", "-"), known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(sorted(known))}"
