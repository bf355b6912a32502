"""Where a hub of this machine keeps its state, for commands that read it themselves."""

import argparse
import os
import pwd
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.paths import state_dir, user_path
from omnyshell.services.hub.ground.state_names import AUDIT_FILE


def state_directory(options: argparse.Namespace) -> Path:
    """The state directory: the one given, the one that the hub's configuration says, or the only one there is."""
    if options.state_dir:
        return user_path(options.state_dir)
    if options.hub_config:
        return _configured(options)
    found = [*(state_dir() / "hubs").glob(f"*/{AUDIT_FILE}"), *(state_dir() / "local" / "hub").glob(AUDIT_FILE)]
    if len(found) == 1:
        return found[0].parent
    if not found:
        raise ConfigException("no hub of this user has an audit trail here; give --state-dir, the hub's own")
    names = "".join(f"\n  --state-dir {path.parent}" for path in found)
    raise ConfigException("several hubs have an audit trail here; choose one:" + names)


def local_user() -> str:
    """Who sits at this machine, as the system knows it."""
    try:
        return f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"
    except KeyError:
        return f"uid {os.getuid()}"


def hub_options(options: argparse.Namespace, *words: str) -> argparse.Namespace:
    """Return what `hub start` has of the file of --hub-config, judged as --strict-modes says, and of `words`."""
    from omnyshell.cli.grammar.commands import HUB_START
    from omnyshell.cli.grammar.parsing import parse

    strict = ("--strict-modes", options.strict_modes) if options.strict_modes else ()
    return parse(HUB_START, ["--config", options.hub_config, *strict, *words])


def _configured(options: argparse.Namespace) -> Path:
    from omnyshell.cli.hub.start import state_dir_from

    return state_dir_from(hub_options(options))
