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

_MEANT = {
    "attach": ("omnyshell sessions resume",),
    "console": ("omnyshell-console",),
    "ls": ("omnyshell nodes list", "omnyshell sessions list"),
    "ps": ("omnyshell sessions list",),
    "rsync": ("omnyshell ssh-config", "omnyshell cp"),
    "scp": ("omnyshell cp", "omnyshell ssh-config"),
    "sftp": ("omnyshell cp", "omnyshell ssh-config"),
    "shell": ("omnyshell connect",),
    "ssh": ("omnyshell connect", "omnyshell ssh-config"),
    "status": ("omnyshell hub info", "omnyshell nodes list", "omnyshell service status", "omnyshell cluster status"),
    "version": ("omnyshell --version",),
}
"""Words of other programs, with what does here what they do there."""

SECTIONS = {
    "up": "Every day",
    "login": "Logging in",
    "hub start": "Hubs, nodes and keepers on this machine",
    "access": "What there is, and who may do what",
    "node join": "Nodes",
    "users list": "People, their tokens and keys, and locks",
    "hub info": "A hub",
    "cluster init": "Several hubs",
    "audit list": "The audit trail",
}
"""The headings of the overview, by the command before which each stands."""

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
    tried = given[:1] if given[0] in _MEANT else given[:2]
    known = ", ".join(f"`{line}`" for line in similar(given)) or "see `omnyshell --help`"
    return fail(f"there is no command '{' '.join(tried)}': {known}")


def similar(given: Sequence[str]) -> list[str]:
    """The lines that may have been meant: of a like name elsewhere, spelt alike, of the same group or second word."""
    if given[0] in _MEANT:
        return list(_MEANT[given[0]])
    return [f"omnyshell {name}" for name in _alike(given)]


def _alike(given: Sequence[str]) -> list[str]:
    names = [command.name for command in COMMANDS]
    for typed in (" ".join(given[:2]), given[0]):
        if found := get_close_matches(typed, names, cutoff=SIMILAR):
            return found
    return [command.name for command in COMMANDS if given[0] in command.words]


def _overview(shown: Sequence[Command]) -> str:
    width = max(len(command.name) for command in shown)
    lines: list[str] = []
    for command in shown:
        if shown is COMMANDS and command.name in SECTIONS:
            lines += ["", SECTIONS[command.name]] if lines else [SECTIONS[command.name]]
        lines.append(f"  {command.name:<{width}}  {command.help}")
    return "\n".join(
        [
            "omnyshell: reach your machines through a hub, by name",
            "",
            *lines,
            "",
            "`omnyshell COMMAND --help` says more; `omnyshell --version` which version this is.",
        ]
    )
