"""`omnyshell node users`: who becomes whom on this machine, as a node's file says. Needs neither hub nor node."""

import argparse
import os

from omnyshell.cli.ground.output import complain, say, say_json, say_table
from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import read_options
from omnyshell.paths import user_path
from omnyshell.printable import printable
from omnyshell.security.strict_modes import StrictModes
from omnyshell.services.node.as_root import whose_by_file
from omnyshell.services.node.keeper.whose import check_both, meanings
from omnyshell.services.node.options import OPTIONS

NOBODY = 1
"""The exit code where somebody is led to a user who cannot be had, or nobody is led to anyone."""


def list_users(options: argparse.Namespace) -> int:
    """Print what each line of `[users]` leads to; exit code 1 where one of them leads to nobody.

    Without the table sessions are the node's user's; that is the exit code too where such a node refuses all of them,
    started by who asks. Raises `ConfigException` for an invalid file.
    """
    if not options.config:
        raise ConfigException("name the node's file, by --config FILE").about("config")
    StrictModes.said(options.strict_modes).check(user_path(options.config))
    given = read_options(options.config, OPTIONS).values
    check_both(given.get("users"), as_node=bool(given.get("run_as_node_user")))
    rows = meanings(given.get("users") or {})
    judged = whose_by_file(given, is_root=os.geteuid() == 0)
    if judged.warning:
        complain(f"omnyshell: {judged.warning}")
    if options.json:
        say_json([{"who": row.who, "user": row.user, "flaw": row.flaw} for row in rows])
    elif rows:
        say_table(("WHO", "BECOMES", ""), [(printable(row.who), row.user, row.flaw) for row in rows])
    elif not judged.refusal:
        say("there is no [users]: all sessions are of the user that the node runs as")
    return NOBODY if judged.refusal or any(row.flaw for row in rows) else 0
