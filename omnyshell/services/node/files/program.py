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
def libraries() -> tuple[str, ...]:
    """Return the directories of the libraries that it needs; none where one of them is not installed."""
    found = [find_spec(name) for name in start.LIBRARIES]
    places = [Path(spec.origin) for spec in found if spec is not None and spec.origin is not None]
    if len(places) < len(found):
        return ()
    of_package = {place.parent if place.name == "__init__.py" else place for place in places}
    return tuple(sorted({str(place.parent) for place in of_package}))
