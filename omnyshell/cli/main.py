"""The entry point `omnyshell`."""

import sys
from importlib import import_module

from omnyshell.cli.lazy import defer_unused
from omnyshell.cli.output import FAILURE, describe, fail
from omnyshell.cli.spec import COMMANDS
from omnyshell.errors import OmnyShellException
from omnyshell.version import __version__

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command and return its exit code."""
    defer_unused()
    # Imported late: `--version` and wrong words need no parser.
    from omnyshell.cli.parsing import find_command, parse

    command, rest = find_command(words)
    if command is None:
        return _without_command(words)
    try:
        options = parse(command, rest)
        module, _, function = command.handler.partition(":")
        return int(getattr(import_module(f"omnyshell.cli.{module}"), function)(options))
    except OmnyShellException as exc:
        return fail(describe(exc))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain again when it flushes at exit.
        sys.stdout = None
        return FAILURE


def _without_command(words: list[str]) -> int:
    if words and words[0] in ("--version", "-V"):
        print(f"omnyshell {__version__}")
        return 0
    given = [word for word in words if word not in ("-h", "--help", "help")]
    group = [command for command in COMMANDS if given and command.words[0] == given[0]]
    print(_overview(group or COMMANDS), file=sys.stderr if given and not group else sys.stdout)
    if given and not group:
        return fail(f"there is no command '{' '.join(given[:2])}'")
    return 0 if given != words or not words else FAILURE


def _overview(commands: object) -> str:
    shown = [command for command in COMMANDS if command in commands]  # type: ignore[operator]
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
