"""From words to options: finds the command, and builds only that command's parser."""

import argparse
import re
from collections.abc import Collection, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from omnyshell.cli.grammar.command import Command, Rest
from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.ground.output import FAILURE, complain, printable
from omnyshell.errors import ConfigException
from omnyshell.options.option import Option
from omnyshell.options.parser import add_options, fill_defaults
from omnyshell.services.service_options import STRICT_MODES

_USAGE = {
    Rest.NOTHING: "",
    Rest.BEHIND_DASHES: " [-- COMMAND...]",
    Rest.FROM_FIRST_WORD: " COMMAND...",
    Rest.BEHIND_NODE: " COMMAND...",
}
_ASKS_FOR_HELP = re.compile("--help$|-[^-]*h")
# argparse makes a formatter for each option, to try its metavar. Only one that asks for the terminal's width loads
# `shutil` for it, with all the compressors.
_QUICK_FORMATTER: Any = partial(argparse.HelpFormatter, width=80)
_NEEDS_WORDS = (Rest.FROM_FIRST_WORD, Rest.BEHIND_NODE)


class _Argument(str):
    """A word behind `--`: no option, whatever it begins with."""

    __slots__ = ()


class CommandParser(argparse.ArgumentParser):
    """A parser that reports a mistake as one line and OmnyShell's own exit code."""

    more = ""
    advice = ""
    """Advice for the error on words that the command does not take."""

    def _parse_optional(self, arg_string: str) -> Any:
        # argparse forgets the `--` between its two passes over words of which options and arguments are mixed.
        return None if isinstance(arg_string, _Argument) else super()._parse_optional(arg_string)

    def error(self, message: str) -> NoReturn:
        """Exit with a line that says what is wrong, and where help is."""
        advice = f"{self.advice}; " if self.advice and message.startswith("unrecognized arguments") else ""
        complain(printable(f"{self.prog}: {message} ({advice}see {self.prog} --help)"))
        raise SystemExit(FAILURE)

    def print_help(self, file: Any = None) -> None:
        """Print the help. Raises `OSError` if it cannot be written, which argparse would ignore."""
        print(self.format_help() + self._more(), end="", file=file)

    def _more(self) -> str:
        """What the help ends with, line by line as it is."""
        module, _, function = self.more.partition(":")
        return f"\n{getattr(import_module(f'omnyshell.cli.{module}'), function)()}" if module else ""


def find_command(words: Sequence[str]) -> tuple[Command | None, list[str]]:
    """Return the command that the words begin with, and the words after it."""
    for command in COMMANDS:
        size = len(command.words)
        if tuple(words[:size]) == command.words:
            return command, list(words[size:])
    return None, list(words)


def parse(command: Command, words: list[str]) -> argparse.Namespace:
    """Read a command's options; they may stand before and after its arguments.

    Exits for `--help` and for a mistake. Raises `ConfigException` for an invalid configuration file.
    """
    words, rest = _split(command, words)
    parser = build_parser(command, with_help=any(map(_ASKS_FOR_HELP.match, words)))
    options = _read(command, parser, words, rest)
    if (missing := _missing(command, options)) is not None:
        parser.error(f"{missing.name} is missing")
    if command.keeps in _NEEDS_WORDS and not rest:
        parser.error("COMMAND is missing")
    return options


def parse_file(command: Command, file: str, words: Sequence[str] = ()) -> argparse.Namespace:
    """Read what a command's file says, for another command that goes by it; `words` are options that go before it.

    Raises `ConfigException` for a file that the command itself would not take.
    """
    given = ["--config", file, *words]
    options = _read(command, build_parser(command, with_help=False), given, [])
    if (missing := _missing(command, options)) is not None:
        raise ConfigException(f"{file}: '{missing.toml_key}' is missing")
    return options


def _read(command: Command, parser: CommandParser, words: list[str], rest: list[str]) -> argparse.Namespace:
    options = parser.parse_intermixed_args(words)
    options.rest = rest
    options.words = words
    options.origins = {}
    if command.configurable and options.config is not None:
        _fill_from_file(command, options)
    fill_defaults(vars(options), command.options)
    return options


def _missing(command: Command, options: argparse.Namespace) -> Option | None:
    """Return the first option that has to be given and was not; None if all were."""
    return next((each for each in command.options if each.required and getattr(options, each.key) is None), None)


def build_parser(command: Command, *, with_help: bool = True) -> CommandParser:
    """Return the parser of one command, without defaults: they are set after the values of a configuration file.

    One without a help is made faster.
    """
    parser = CommandParser(
        prog=f"omnyshell {command.name}",
        description=f"{_sentence(command.help)}",
        allow_abbrev=False,
        formatter_class=argparse.HelpFormatter if with_help else _QUICK_FORMATTER,
        usage=None if with_help else "",
    )
    parser.advice, parser.more = command.advice, command.more
    add_options(parser, command.options)
    parser.epilog = _tables_of(command)
    if with_help and (usage_rest := _USAGE[command.keeps]):
        parser.usage = parser.format_usage().removeprefix("usage: ").rstrip() + usage_rest
    return parser


def _tables_of(command: Command) -> str | None:
    """A text for the help about tables that only a configuration file can hold; None if there are none."""
    tables = [option.help.replace("`", "") for option in command.options if option.is_in_file_only]
    text = f"In the file of --config also {'; '.join(tables)}. docs/configuration.md has examples."
    return text.replace("%", "%%") if tables else None


def _split(command: Command, words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words for the parser, and those that are kept for the command."""
    if command.keeps is Rest.NOTHING:
        end = words.index("--") if "--" in words else len(words)
        return [*words[:end], *map(_Argument, words[end + 1 :])], []
    if command.keeps is Rest.BEHIND_DASHES:
        end = words.index("--") if "--" in words else len(words)
        return words[:end], words[end + 1 :]
    end = _end_of_options(command, words, 0)
    if command.keeps is Rest.BEHIND_NODE and end < len(words):
        end = _end_of_options(command, words, end + 1 + (words[end] == "--"))
    if words[end : end + 1] == ["--"]:
        return words[:end], words[end + 1 :]
    if command.keeps is Rest.BEHIND_NODE and end < len(words):
        return _own_among(command, words, end)
    return words[:end], words[end:]


def _own_among(command: Command, words: list[str], first: int) -> tuple[list[str], list[str]]:
    """Take the command's own options out that stand right behind the first word of what it runs."""
    end = _end_of_options(command, words, first + 1, command.among_words)
    return words[:first] + words[first + 1 : end], [words[first], *words[end:]]


def _end_of_options(command: Command, words: list[str], at: int, known: Collection[str] | None = None) -> int:
    """The index, from `at` on, of the first word that is neither an option, among `known` if given, nor its value."""
    takes_value = {name for option in command.options if option.kind != "flag" for name in option.names}
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        if known is not None and words[at].partition("=")[0] not in known:
            break
        at += 2 if words[at] in takes_value else 1
    return min(at, len(words))


def _fill_from_file(command: Command, options: argparse.Namespace) -> None:
    from omnyshell.options.toml_file import read_options
    from omnyshell.paths import user_path
    from omnyshell.security.strict_modes import StrictModes

    if hasattr(options, STRICT_MODES.key):
        # The file itself cannot switch strict modes off for its own check; only the command line can.
        StrictModes.said(options.strict_modes).check(user_path(options.config))
    given = read_options(options.config, command.options)
    for key, value in given.values.items():
        if getattr(options, key, None) is None:
            setattr(options, key, value)
            options.origins[key] = given.origins[key]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
