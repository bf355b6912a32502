"""From words to options: finds the command, and builds the parser of that command alone."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from omnyshell.cli.output import FAILURE, complain, printable
from omnyshell.cli.spec import COMMANDS, Command, Option
from omnyshell.errors import ConfigException

_TYPES: dict[str, Any] = {"int": int, "float": float}


class CommandParser(argparse.ArgumentParser):
    """A parser that reports a mistake as one line and OmnyShell's own exit code."""

    advice = ""
    """What to do about words that the command does not take."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        advice = f"{self.advice}; " if self.advice and message.startswith("unrecognized arguments") else ""
        complain(printable(f"{self.prog}: {message} ({advice}see {self.prog} --help)"))
        raise SystemExit(FAILURE)

    def print_help(self, file: Any = None) -> None:
        """Print the help. Raises `OSError` where argparse would keep to itself that it was not written."""
        print(self.format_help(), end="", file=file)


def find_command(words: Sequence[str]) -> tuple[Command | None, list[str]]:
    """Return the command that the words begin with, and the words behind it."""
    for command in COMMANDS:
        size = len(command.words)
        if tuple(words[:size]) == command.words:
            return command, list(words[size:])
    return None, list(words)


def parse(command: Command, words: list[str]) -> argparse.Namespace:
    """Read a command's options; they may stand before and after its arguments.

    Exits for `--help` and for a mistake. Raises `ConfigException` for a configuration file that is wrong.
    """
    rest: list[str] = []
    if command.takes_rest and "--" in words:
        split = words.index("--")
        words, rest = words[:split], words[split + 1 :]
    parser = build_parser(command)
    options = parser.parse_intermixed_args(words)
    options.rest = rest
    options.words = words
    options.node_labels = None
    options.origins = {}
    if command.configurable and options.config is not None:
        _fill_from_file(command, options)
    _fill_defaults(command, options)
    for option in command.options:
        if option.required and getattr(options, option.key) is None:
            parser.error(f"{option.name} is missing")
    return options


def build_parser(command: Command) -> CommandParser:
    """Return the parser of one command. Defaults come later, behind a configuration file's values."""
    usage_rest = " [-- COMMAND...]" if command.takes_rest else ""
    parser = CommandParser(
        prog=f"omnyshell {command.name}", description=f"{_sentence(command.help)}", allow_abbrev=False
    )
    parser.advice = command.advice
    for option in command.options:
        _add(parser, option)
    if usage_rest:
        parser.usage = parser.format_usage().removeprefix("usage: ").rstrip() + usage_rest
    return parser


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    text = option.help if option.default is None else f"{option.help} (default: {option.default})"
    text = text.replace("%", "%%")
    if option.kind == "flag":
        parser.add_argument(option.name, action="store_true", default=None, help=text)
        return
    settings: dict[str, Any] = {"help": text, "metavar": option.metavar, "type": _TYPES.get(option.kind, str)}
    if option.choices:
        settings["choices"] = option.choices
    if option.kind == "list":
        settings["action"] = "append"
    if option.optional:
        settings["nargs"] = "?"
    parser.add_argument(option.name, **settings)


def _fill_from_file(command: Command, options: argparse.Namespace) -> None:
    from omnyshell.cli.config_file import read_options

    values, origins = read_options(options.config, command)
    for key, value in values.items():
        if getattr(options, key) is None:
            setattr(options, key, value)
            if key in origins:
                options.origins[key] = origins[key]


def _fill_defaults(command: Command, options: argparse.Namespace) -> None:
    options.node_labels = options.node_labels or {}
    empty: dict[str, Any] = {"list": [], "flag": False}
    for option in command.options:
        if getattr(options, option.key) is None:
            setattr(options, option.key, empty.get(option.kind, option.default))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def parse_pairs(pairs: Sequence[str], option: str) -> dict[str, str]:
    """Read repeated `K=V`. Raises `ConfigException` where one has no key or no `=`."""
    result = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigException(f"{option} '{pair}': write it as KEY=VALUE")
        result[key] = value
    return result
