"""The program of the mode `ssh`, which other users than the node's have to be able to start."""

from functools import cache
from pathlib import Path

from omnyshell.services.node.pythons import starting
from omnyshell.services.node.ssh import launcher


@cache
def program() -> tuple[str, ...]:
    """Return what is run in place of a command."""
    return starting(Path(launcher.__file__))
