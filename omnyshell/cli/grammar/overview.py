"""What is printed where the words begin no command: the commands there are, or those that may have been meant."""

from collections.abc import Sequence
from difflib import get_close_matches

from omnyshell.cli.grammar.command import Command
from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.grammar.parsing import build_parser, find_command
from omnyshell.cli.ground.output import fail
from omnyshell.version import __version__

SIMILAR = 0.75
"""Similarity, of 1, of a typed word and a command from which the command is suggested."""

_HELP = ("-h", "--help", "help")


def without_command(words: list[str]) -> int:
    """Print the version, help about all commands, a group or one, or what may have been meant; return an exit code."""
    if words and words[0] in ("--version", "-V"):
        print(f"omnyshell {__version__}")
        return 0
    given = [word for word in words if word not in _HELP]
    if given and given[0].startswith("-"):
        return fail("options follow the command, as in `omnyshell nodes list --json`")
    command, _ = find_command(given)
    if command is not None:
        build_parser(command).print_help()
        return 0
    group = [command for command in COMMANDS if given and command.words[0] == given[0]]
    if not given or (group and given != words):
        print(_overview(group or COMMANDS))
        return 0
    known = ", ".join(f"`omnyshell {name}`" for name in similar(given)) or "see `omnyshell --help`"
    return fail(f"there is no command '{' '.join(given[:2])}': {known}")


def similar(given: Sequence[str]) -> list[str]:
    """The commands that may have been meant: spelt alike, of the same group, or with the same second word."""
    names = [command.name for command in COMMANDS]
    for typed in (" ".join(given[:2]), given[0]):
        if found := get_close_matches(typed, names, cutoff=SIMILAR):
            return found
    return [command.name for command in COMMANDS if given[0] in command.words]


def _overview(shown: Sequence[Command]) -> str:
    width = max(len(command.name) for command in shown)
    lines = [f"  {command.name:<{width}}  {command.help}" for command in shown]
    return "\n".join(
        [
            "omnyshell: reach your machines through a hub, by name",
            "",
            *lines,
            "",
            "`omnyshell COMMAND --help` says more; `omnyshell --version` which version this is.",
        ]
    )
