"""`omnyshell keeper start`, `stop` and `status`."""

import argparse
import os
import pwd
from pathlib import Path

from omnyshell.cli.ground.output import complain, count_of, fail, say
from omnyshell.cli.ground.prompts import ask_line, is_asked
from omnyshell.cli.ground.strict_files import strict_modes
from omnyshell.cli.service.plan import nodes_of_machine
from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import read_options
from omnyshell.paths import state_dir, user_path
from omnyshell.security.files import make_private_directory
from omnyshell.services.local.setup import LocalSetup
from omnyshell.services.node.keeper.asking import KeptNode, keeper_facts, stop_keeper
from omnyshell.services.node.keeper.place import (
    NoKeeperException,
    connect,
    keeper_command,
    own_directory,
    shared_directory,
)
from omnyshell.services.node.options import OPTIONS

NOT_MEANT = NOT_THERE = 1
"""Exit codes of a stop that was not meant, and of a status where no keeper is."""


def start(options: argparse.Namespace) -> int:
    """Become the keeper of a state directory; returns where that cannot be."""
    place = _state_dir(options)
    try:
        directory, user = _prepared(place, options.node_user)
    except OSError as exc:
        raise ConfigException(f"cannot make the keeper's directory for {place}: {exc.strerror}") from exc
    command = keeper_command(directory, user=user, users_file=user_path(options.config) if options.config else None)
    os.execv(command[0], command)  # noqa: S606


def stop(options: argparse.Namespace) -> int:
    """End a keeper and its sessions, after asking on a terminal."""
    place = _kept(options)
    try:
        running = keeper_facts(place).running
    except NoKeeperException as exc:
        return fail(str(exc))
    if running and not options.yes and is_asked():
        complain(f"this ends {count_of(running, 'session')}")
        if ask_line("End it? [y/N] ").lower() not in ("y", "yes"):
            complain("omnyshell: nothing was ended")
            return NOT_MEANT
    say(f"the keeper has ended, and {count_of(stop_keeper(place), 'session')} with it")
    return 0


def status(options: argparse.Namespace) -> int:
    """Print what a keeper holds; exit code 1 where there is none."""
    place = _kept(options)
    try:
        facts = keeper_facts(place)
    except NoKeeperException as exc:
        say(str(exc))
        return NOT_THERE
    say(f"process {facts.pid} keeps {count_of(facts.running, 'session')} for {place}")
    for node in facts.nodes:
        say(f"  {_line(node)}")
    if facts.flaw:
        what = "sessions are refused" if facts.limits else "what calls setsid outlives its session"
        complain(f"omnyshell: {what}: {facts.flaw}")
    elif facts.limits:
        say(f"limits of each session: {facts.limits}")
    return 0


def _kept(options: argparse.Namespace) -> Path:
    """The state directory of the keeper that is meant: of a node by hand, or of one that is a service of the machine.

    The service's file need not say where that is, so it is looked for there where nothing is kept by hand.
    """
    given = _given(options)
    by_hand = _state_dir(options)
    if given.get("state_dir"):
        return by_hand
    services = [nodes_of_machine() / str(given["id"])] if given.get("id") else [*nodes_of_machine().glob("*")]
    places = [by_hand, *(services if len(services) == 1 else [])]
    return next((place for place in places if _is_served(place)), by_hand)


def _is_served(place: Path) -> bool:
    try:
        connect(place).close()
    except NoKeeperException:
        return False
    return True


def _given(options: argparse.Namespace) -> dict[str, object]:
    """What the options, and behind them the node's file, say of which node is meant."""
    given = {"id": options.id, "state_dir": options.state_dir}
    if not options.config or options.state_dir:
        # A file that is broken keeps no keeper from the sessions that it takes over.
        return given
    strict_modes(options).check(user_path(options.config))
    return dict(read_options(options.config, OPTIONS).values) | {key: said for key, said in given.items() if said}


def _state_dir(options: argparse.Namespace) -> Path:
    """The state directory that the options or the node's file name; without any of them that of this machine's node."""
    given = _given(options)
    if given.get("state_dir"):
        return user_path(str(given["state_dir"]))
    if given.get("id"):
        return state_dir() / "nodes" / str(given["id"])
    return LocalSetup.default().node_state


def _prepared(place: Path, node_user: str | None) -> tuple[Path, int]:
    """Make the keeper's directory; return it, and the user who gets its socket."""
    own = os.geteuid()
    if node_user is None and not place.exists():
        make_private_directory(place)
    user = place.stat().st_uid if node_user is None else _number_of(node_user)
    if user == own:
        make_private_directory(own_directory(place))
        return own_directory(place), user
    if own != 0:
        raise ConfigException(f"{place} belongs to another user: only root keeps sessions for others")
    directory = shared_directory(place)
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    return directory, user


def _number_of(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as exc:
        raise ConfigException(f"there is no user '{user}' on this machine").about("node_user") from exc


def _line(node: KeptNode) -> str:
    held = f"held by process {node.holder}" if node.holder is not None else "its process has ended"
    ended = f", {node.ended} ended" if node.ended else ""
    return f"{node.node_id}: {count_of(node.running, 'session')}{ended}; {held}"
