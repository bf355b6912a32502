"""The entry point `omnyshell-console`. `--help` and `--headless` never load the user interface."""

import argparse
import gc
import os
import sys

from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.version import __version__

FAILURE = 1


def main() -> None:
    """Run the console and exit."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run the console and return its exit code."""
    options = _parser().parse_args(words)
    try:
        if options.headless:
            return _headless(options)
        if options.web:
            return _web(options)
        # Loading makes a lot of objects and no garbage; `start` looks for it again.
        gc.disable()
        # Imported late: `--headless` and `--help` need no user interface.
        from omnyshell.tui.start import start

        return start(options)
    except OmnyShellException as exc:
        print(f"omnyshell-console: {exc}", file=sys.stderr)
        return FAILURE


def _headless(options: argparse.Namespace) -> int:
    """Become the hub alone, with the file of `omnyshell hub start --config`, or else this machine's own."""
    command = [sys.executable, "-m", "omnyshell.cli.local_server", "--hub-only"]
    if options.config:
        start = "import sys; from omnyshell.cli.main import main; sys.argv[0] = 'omnyshell-console'; main()"
        command = [sys.executable, "-c", start, "hub", "start", "--config", options.config]
    os.execv(sys.executable, command)  # noqa: S606


def _web(options: argparse.Namespace) -> int:
    from omnyshell.tui.places import chosen_place

    try:
        from omnyshell.tui.web.server import serve
    except ImportError as exc:
        text = "the console in a browser needs textual-serve: pip install 'omnyshell[web]'"
        raise ConfigException(text) from exc
    options.client_only = True
    if chosen_place(options) is None:
        raise ConfigException("which hub? give --hub with --principal and a key or token file, or save a login first")
    names = ("hub", "principal", "key", "token_file", "ca")
    given = [(name, value) for name in names if (value := getattr(options, name))]
    return serve([f"--{name.replace('_', '-')}={value}" for name, value in given], options.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="omnyshell-console",
        description="Nodes, sessions, tunnels and the audit trail live, and remote terminals in one window. Without "
        "options: the hub of the saved login; where there is none, a hub and a node for this machine.",
        allow_abbrev=False,
    )
    hub = parser.add_argument_group("which hub")
    hub.add_argument("--hub", metavar="URL", help="its URL, or the name of a saved login")
    hub.add_argument("--principal", metavar="NAME", help="who you are")
    hub.add_argument("--key", metavar="FILE", help="log in with this private key")
    hub.add_argument("--token-file", metavar="FILE", help="log in with the token in this file")
    hub.add_argument("--ca", metavar="FILE", help="trust these certificates about the hub")
    hub.add_argument("--local", action="store_true", help="this machine's own hub, whatever logins are saved")
    alone = parser.add_argument_group("the hub alone")
    alone.add_argument("--headless", action="store_true", help="serve the hub alone, without a terminal, until SIGTERM")
    alone.add_argument("--config", metavar="FILE", help="with --headless: the file of `omnyshell hub start --config`")
    web = parser.add_argument_group("in a browser")
    web.add_argument("--web", action="store_true", help="serve the console to a browser on this machine")
    web.add_argument("--port", type=int, default=0, metavar="N", help="with --web: the port; a free one by default")
    web.add_argument(
        "--client-only", action="store_true", help="never start a hub on this machine, only connect to one"
    )
    parser.add_argument("--version", action="version", version=f"omnyshell-console {__version__}")
    return parser
