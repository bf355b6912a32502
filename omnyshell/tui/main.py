"""The entry point `omnyshell-console`. `--help` and `--headless` never load the user interface."""

import argparse
import gc
import os
import sys

from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.extras import needs, require
from omnyshell.guardian import guarding
from omnyshell.options.completion import SHELLS, complete_values, script
from omnyshell.options.option import Option
from omnyshell.options.parser import add_options, fill_defaults
from omnyshell.security.key_files import PassphraseException
from omnyshell.services.local.console_options import GROUPS, OPTIONS, WHICH_HUB
from omnyshell.version import __version__

FAILURE = 1


def main() -> None:
    """Run the console and exit."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run the console and return its exit code."""
    parser = _parser()
    actions = _add_options(parser)
    options = parser.parse_args(words)
    if options.completion:
        return _print_completion(parser, actions, options.completion)
    fill_defaults(vars(options), OPTIONS)
    try:
        if options.headless:
            return _headless(options)
        if options.web:
            return _web(options)
        return _show(options)
    except OmnyShellException as exc:
        from omnyshell.tui.advice import with_remedy

        print(f"omnyshell-console: {with_remedy(exc)}", file=sys.stderr)
        return FAILURE


def _show(options: argparse.Namespace) -> int:
    # The terminal's guardian is forked while this process is small, and alone.
    with guarding() as guardian:
        # Imports make many objects and no garbage; `start` enables collection again.
        gc.disable()
        # Imported late: `--headless` and `--help` need no user interface.
        with needs("console"):
            from omnyshell.tui.lost_terminal import LossTolerantDriver
            from omnyshell.tui.start import start

        LossTolerantDriver.guardian = guardian
        return start(options)


def _headless(options: argparse.Namespace) -> int:
    """Run only the hub: with the file of `omnyshell hub start --config`, or else this machine's own hub."""
    require("hub")
    # -P: nothing is imported from the directory in which the user happens to be.
    command = [sys.executable, "-P", "-m", "omnyshell.cli.local.server", "--hub-only"]
    if options.config:
        start = "import sys; from omnyshell.cli.main import main; sys.argv[0] = 'omnyshell-console'; main()"
        command = [sys.executable, "-P", "-c", start, "hub", "start", "--config", options.config]
    os.execv(sys.executable, command)  # noqa: S606


def _web(options: argparse.Namespace) -> int:
    from omnyshell.tui.hub_places import chosen_place

    with needs("web"):
        from omnyshell.tui.web.server import serve
    options.client_only = True
    try:
        is_known = chosen_place(options) is not None
    except PassphraseException as exc:
        # A missing passphrase is no error here: each page prompts for it.
        if not exc.is_missing:
            raise
        is_known = True
    if not is_known:
        raise ConfigException("which hub? give --hub with --principal and a key or token file, or save a login first")
    given = [(option, value) for option in WHICH_HUB if (value := getattr(options, option.key))]
    return serve([o.name if o.kind == "flag" else f"{o.name}={value}" for o, value in given], options.port)


def _print_completion(
    parser: argparse.ArgumentParser, actions: list[tuple[Option, argparse.Action]], shell: str
) -> int:
    for option, action in actions:
        complete_values(option, action)
    print(script(parser, shell))
    return 0


def _add_options(parser: argparse.ArgumentParser) -> list[tuple[Option, argparse.Action]]:
    return [found for title, options in GROUPS for found in add_options(parser.add_argument_group(title), options)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="omnyshell-console",
        description="Nodes, sessions, tunnels and the audit trail live, and remote terminals in one window. Without "
        "options: the hub of the saved login; where there is none, a hub and a node for this machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--completion", choices=SHELLS, help="print a completion script for a shell")
    parser.add_argument("--version", action="version", version=f"omnyshell-console {__version__}")
    return parser
