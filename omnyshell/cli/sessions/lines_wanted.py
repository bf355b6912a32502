"""How many of the lines above a session's screen are asked for."""

import argparse

from omnyshell.errors import ConfigException


def lines_wanted(options: argparse.Namespace) -> int:
    """Return what `--history` says, 0 without it. Raises `ConfigException` for a negative number."""
    wanted: int = options.history or 0
    if wanted < 0:
        raise ConfigException("'--history' must be at least 0 lines")
    return wanted
