"""The state directory of a hub of this machine, for commands that read it without the hub."""

import argparse
import os
import pwd
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.paths import state_dir, user_path
from omnyshell.services.hub.ground.state_names import AUDIT_FILE


def state_directory(options: argparse.Namespace) -> Path:
    """The state directory: from the option, from the hub's configuration, or the only one that exists."""
    if options.state_dir:
        return user_path(options.state_dir)
    if options.hub_config:
        return _configured(options)
    found = [*(state_dir() / "hubs").glob(f"*/{AUDIT_FILE}"), *(state_dir() / "local" / "hub").glob(AUDIT_FILE)]
    if len(found) == 1:
        return found[0].parent
    if not found:
        elsewhere = "`omnyshell audit list --cluster` has that of the hub that you log in to"
        raise ConfigException(f"no hub of this user has an audit trail here; give --state-dir, its own; {elsewhere}")
    names = "".join(f"\n  --state-dir {path.parent}" for path in found)
    raise ConfigException("several hubs have an audit trail here; choose one:" + names)


def local_user() -> str:
    """The user name that the system has for this process's user."""
    try:
        return f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"
    except KeyError:
        return f"uid {os.getuid()}"


def hub_options(options: argparse.Namespace, *words: str) -> argparse.Namespace:
    """Return the options of `hub start` from the file of --hub-config and from `words`.

    --strict-modes applies to the file. Raises `ConfigException` where `hub start` would not take it.
    """
    from omnyshell.cli.grammar.commands import HUB_START
    from omnyshell.cli.grammar.parsing import parse_file

    strict = ("--strict-modes", options.strict_modes) if options.strict_modes else ()
    return parse_file(HUB_START, options.hub_config, (*strict, *words))


def _configured(options: argparse.Namespace) -> Path:
    from omnyshell.cli.hub.start import state_dir_from

    return state_dir_from(hub_options(options))
