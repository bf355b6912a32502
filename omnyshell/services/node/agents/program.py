"""The program of the mode `agent`, which other users than the node's have to be able to start."""

from functools import cache
from pathlib import Path

from omnyshell.services.node.agents import launcher
from omnyshell.services.node.pythons import starting


@cache
def program() -> tuple[str, ...]:
    """Return what is run in place of a command."""
    return starting(Path(launcher.__file__))
