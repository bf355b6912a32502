"""The program of the mode `sftp`: an interpreter, and a text that says so where its user cannot have the rest."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from omnyshell.services.node.files import child, start
from omnyshell.services.node.pythons import for_everybody, own

CHILD = str(Path(child.__file__).parent)
"""The directory of what is run."""


@cache
def program(*, is_of_others: bool) -> tuple[str, ...]:
    """Return what is run in place of a command, by the node's user or by others."""
    python = for_everybody() if is_of_others else own()
    return (str(python), "-I", "-S", "-c", Path(start.__file__).read_text(encoding="utf-8"))


@cache
def library() -> str:
    """Return the directory in which asyncssh is installed; empty where it is not."""
    found = find_spec("asyncssh")
    return str(Path(found.origin).parents[1]) if found is not None and found.origin is not None else ""
