"""Options as a parser of `argparse`."""

from argparse import ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from omnyshell.options.option import Option


def _number(text: str) -> float:
    """Read a number. Raises `ArgumentTypeError` where it is none."""
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"'{text}' is no number") from None


def _whole_number(text: str) -> int:
    """Read a whole number. Raises `ArgumentTypeError` where it is none."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"'{text}' is no whole number") from None


def _some(text: str) -> str:
    """Return the value of an option. Raises `ArgumentTypeError` for an empty one.

    It is a script's variable that was not set, most likely: no default is taken in its place.
    """
    if not text:
        raise ArgumentTypeError("it is empty")
    return text


_TYPES: dict[str, Any] = {"int": _whole_number, "float": _number, "list": str}


def add_options(parser: Any, options: Iterable[Option]) -> list[tuple[Option, Any]]:
    """Add options to a parser or to a group of one; returns the action of each.

    The defaults are not set here: `fill_defaults` sets them after the values of a configuration file.
    """
    return [(option, _add(parser, option)) for option in options if not option.is_in_file_only]


def fill_defaults(values: dict[str, Any], options: Iterable[Option]) -> None:
    """Set the default of each option that has no value yet; `values` has the options' keys."""
    for option in options:
        if values.get(option.key) is None:
            values[option.key] = option.empty


def _add(parser: Any, option: Option) -> Any:
    text = f"{option.help} (default: {option.shown_default})" if option.shown_default else option.help
    text = text.replace("%", "%%")
    if option.kind == "flag":
        return parser.add_argument(*option.names, action="store_true", default=None, dest=option.key, help=text)
    settings: dict[str, Any] = {"help": text, "metavar": option.metavar, "type": _TYPES.get(option.kind, _some)}
    if option.choices:
        settings["choices"] = option.choices
    if option.kind == "list" and option.is_argument:
        settings["nargs"] = "*"
    elif option.kind == "list":
        settings["action"] = "append"
    elif option.optional:
        settings["nargs"] = "?"
    if not option.is_argument:
        settings["dest"] = option.key
    return parser.add_argument(*option.names, **settings)
