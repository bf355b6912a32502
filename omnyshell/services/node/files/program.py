"""The program of the mode `sftp`: an interpreter, and a text that says so where its user cannot have the rest."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from omnyshell.services.node.files import child, start
from omnyshell.services.node.pythons import for_everybody, is_for_everybody, own

CHILD = str(Path(child.__file__).parent)
"""The directory of what is run."""


@cache
def program(*, is_of_others: bool) -> tuple[str, ...]:
    """Return what is run in place of a command, by the node's user or by others."""
    python, file = for_everybody() if is_of_others else own(), Path(start.__file__)
    can_read = not is_of_others or is_for_everybody(file)
    script = (str(file),) if can_read else ("-c", file.read_text(encoding="utf-8"))
    return (str(python), "-I", "-S", *script)


@cache
def library() -> str:
    """Return the directory in which asyncssh is installed; empty where it is not."""
    found = find_spec("asyncssh")
    return str(Path(found.origin).parents[1]) if found is not None and found.origin is not None else ""
