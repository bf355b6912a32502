"""What follows a join: the node is made a service, or started, or it is said how that is done."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from omnyshell.cli.grammar.commands import NODE_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.grammar.service_commands import INSTALL
from omnyshell.cli.ground.output import complain, say
from omnyshell.cli.ground.prompts import ask_line, is_asked
from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import read_options
from omnyshell.services.join_files import SETTINGS
from omnyshell.services.node.as_root import HOW, whose_by_file
from omnyshell.services.node.options import users_table

SERVICE_MANAGERS = "systemd or launchd"


def check_before(options: argparse.Namespace, parent: Path) -> None:
    """Check what would fail after the invite is spent. Raises `ConfigException`."""
    if options.service and (options.no_service or options.no_start):
        raise ConfigException(
            f"--service and --no-{'service' if options.no_service else 'start'} contradict each other"
        )
    if options.become and options.run_as_node_user:
        raise ConfigException("--become and --run-as-node-user contradict each other")
    users_table(options.become)
    if not options.service:
        return
    if not _has_manager():
        raise ConfigException(f"--service: this machine has no {SERVICE_MANAGERS} that runs services of yours")
    is_said = options.become or options.run_as_node_user or any(parent.glob(f"*/{SETTINGS}"))
    if _is_root() and not is_said:
        text = "--service as root: say whose the sessions are, by --become WHO=USER, or --run-as-node-user for"
        raise ConfigException(f"{text} those of the user omnyshell")


def go_on(options: argparse.Namespace, config: Path) -> int:
    """Do what the options say, or the user where they can be asked. Raises what installing and starting do."""
    is_said = _warn_of_root(config)
    install = ["node", "--config", str(config), *([] if _is_root() else ["--user"])]
    if options.service or _is_wanted(options, is_said=is_said):
        from omnyshell.cli.service.commands import install as install_service

        return install_service(parse(INSTALL, install))
    say(f"start it {'' if options.no_start else 'again '}with: omnyshell node start --config {config}")
    if _has_manager() and not options.no_service:
        say(f"have it start with the machine: omnyshell service install {' '.join(install)}")
    if options.no_start:
        return 0
    from omnyshell.cli.node.start import start

    return start(parse(NODE_START, ["--config", str(config)]))


def _is_wanted(options: argparse.Namespace, *, is_said: bool) -> bool:
    """Ask whether the node is to be a service, where it can be one and somebody answers."""
    can_be = is_said and _has_manager() and is_asked()
    if not can_be or options.no_service or options.no_start:
        return False
    whose_start = "the machine" if _is_root() else "your login"
    return ask_line(f"Have it start with {whose_start}, as a service? [y/N] ").lower() in ("y", "yes")


def _warn_of_root(config: Path) -> bool:
    """Say it where a node of root's will start nothing; return whether its file says whose its sessions are."""
    given = read_options(config, NODE_START.options).values
    judged = whose_by_file(given, is_root=_is_root())
    if judged.refusal:
        complain(f"omnyshell: as root this node refuses all sessions, until you say whose they are: {HOW}")
    return not judged.warning


def _is_root() -> bool:
    return os.geteuid() == 0


def _has_manager() -> bool:
    """Tell whether a service manager runs that takes services of this user."""
    if sys.platform == "darwin":
        return shutil.which("launchctl") is not None
    running = Path("/run/systemd/system") if _is_root() else Path(f"/run/user/{os.geteuid()}/systemd")
    return shutil.which("systemctl") is not None and running.is_dir()
