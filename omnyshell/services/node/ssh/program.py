"""The program of the mode `ssh`, which other users than the node's have to be able to start."""

from functools import cache
from pathlib import Path

from omnyshell.services.node.pythons import for_everybody, is_for_everybody
from omnyshell.services.node.ssh import launcher


@cache
def program() -> tuple[str, ...]:
    """Return what is run in place of a command.

    Our own interpreter and the launcher's file may lie in somebody's home: then any Python of the machine does, and the
    launcher's text stands in its place.
    """
    file = Path(launcher.__file__)
    script = (str(file),) if is_for_everybody(file) else ("-c", file.read_text(encoding="utf-8"))
    return (str(for_everybody()), "-I", "-S", *script)
