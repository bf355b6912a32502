"""What is to be a service: read off the options, and held against what the service will be able to read."""

import argparse
import os
import sys
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from omnyshell.cli.grammar.commands import HUB_START, NODE_START
from omnyshell.cli.ground.strict_files import strict_modes
from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import read_options
from omnyshell.paths import config_dir, user_path
from omnyshell.services.join_files import SETTINGS

_STATE = Path("/var/lib")
_NODES_USER = "omnyshell"


class Kind(Enum):
    """What runs as a service."""

    NODE = "node"
    HUB = "hub"


class Plan(NamedTuple):
    """A service to install."""

    kind: Kind
    is_users: bool
    """Whether it belongs to the user who installs it, and not to the machine."""

    config: Path
    given: dict[str, Any]
    """What its configuration file says, by the options' keys."""

    program: tuple[str, ...]
    """The words that `omnyshell` is called with."""

    @property
    def name(self) -> str:
        """What its service manager calls it."""
        return f"omnyshell-{self.kind.value}"

    @property
    def state_dir(self) -> Path | None:
        """Where a service of the machine keeps what outlives it; None for where the program keeps it by itself."""
        said = self.path_of("state_dir")
        if said is not None or self.is_users:
            return said
        return nodes_of_machine() / str(self.given["id"]) if self.kind is Kind.NODE else _STATE / self.user / "hub"

    @property
    def user(self) -> str:
        """The user of a service of the machine."""
        return _NODES_USER if self.kind is Kind.NODE else "omnyshell-hub"

    @property
    def belongs_to_nobody(self) -> bool:
        """Whether it is a node of the machine whose file does not say as whom it starts what."""
        is_node_of_machine = self.kind is Kind.NODE and not self.is_users
        return is_node_of_machine and not (self.given.get("users") or self.given.get("run_as_node_user"))

    @property
    def read_by_its_user(self) -> tuple[Path, ...]:
        """The files that a service of the machine reads itself; a node's are read for it, and handed to it."""
        if self.kind is Kind.NODE:
            return ()
        named = (self.path_of(option.key) for option in HUB_START.options if option.kind == "file")
        return (self.config, *(path for path in named if path is not None))

    def path_of(self, key: str) -> Path | None:
        """Return the file that an option of its configuration names; None where it is not given."""
        said = self.given.get(key)
        return user_path(said).absolute() if isinstance(said, str) and said else None


class Manager(Protocol):
    """What installs services on a system. All raise `ConfigException` where the system refuses."""

    def show(self, plan: Plan) -> None:
        """Print each file under its name, as it would be written."""

    def install(self, plan: Plan) -> None:
        """Have the service run now, and start with the machine. To do it again changes nothing."""

    def uninstall(self, kind: Kind, *, is_users: bool) -> int:
        """Stop and remove the service; returns an exit code."""

    def status(self, kind: Kind, *, is_users: bool) -> int:
        """Print how the service is; returns the exit code of the system's own program."""

    def logs(self, kind: Kind, *, is_users: bool, follow: bool, count: int) -> int:
        """Print the last `count` lines that it logged, and with `follow` those to come; returns an exit code."""


def nodes_of_machine() -> Path:
    """Return the directory with the state of each node that is a service of the machine, unless its file says where."""
    return _STATE / _NODES_USER / "nodes"


def plan_from(options: argparse.Namespace) -> Plan:
    """Return what the options ask for. Raises `ConfigException` for a configuration that cannot be a service's."""
    kind = Kind(options.kind)
    config = user_path(options.config).absolute() if options.config else _only_node(kind)
    strict_modes(options).check(config)
    command = NODE_START if kind is Kind.NODE else HUB_START
    given = read_options(config, command.options).values
    missing = [option.toml_key for option in command.options if option.required and not given.get(option.key)]
    if missing:
        raise ConfigException(f"{config} does not say '{missing[0]}', which a service needs")
    plan = Plan(kind, options.user, config, given, _program())
    if plan.belongs_to_nobody:
        raise ConfigException(
            f"{config} does not say whose the sessions are: add [users], or run-as-node-user = true for those of the "
            f"user {plan.user}; see 'Users of a node's machine' in docs/configuration.md"
        )
    return plan


def _only_node(kind: Kind) -> Path:
    """The settings of the one node that this user has joined."""
    if kind is Kind.HUB:
        raise ConfigException("name the hub's configuration file, by --config FILE")
    found = sorted((config_dir() / "nodes").glob(f"*/{SETTINGS}"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigException("this machine has joined no hub: use an invite first, or name a file by --config FILE")
    raise ConfigException(f"say which node, by --config: {' or '.join(map(str, found))}")


def _program() -> tuple[str, ...]:
    """The installed program."""
    installed = Path(sys.executable).parent / "omnyshell"
    if not os.access(installed, os.X_OK):
        raise ConfigException(f"there is no {installed}: install the package, as `pip install omnyshell` does")
    return (str(installed),)
