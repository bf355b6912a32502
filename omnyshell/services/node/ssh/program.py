"""The program of the mode `ssh`, which other users than the node's have to be able to start."""

import os
import stat
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from omnyshell.services.node.ssh import launcher

_OTHER_PYTHONS = (Path("/usr/bin/python3"), Path("/usr/local/bin/python3"))


@cache
def program() -> tuple[str, ...]:
    """Return what is run in place of a command.

    Our own interpreter and the launcher's file may lie in somebody's home: then any Python of the machine does, and the
    launcher's text stands in its place.
    """
    own, file = Path(os.path.realpath(sys.executable)), Path(launcher.__file__)
    pythons = [path for path in (own, *_OTHER_PYTHONS) if is_for_everybody(path)]
    script = (str(file),) if is_for_everybody(file) else ("-c", file.read_text(encoding="utf-8"))
    return (str(pythons[0] if pythons else own), "-I", "-S", *script)


def is_for_everybody(path: Path) -> bool:
    """Tell whether every user may read a file, by its mode and those of the directories on the way to it."""
    try:
        return all(path.stat().st_mode & needed == needed for path, needed in _on_the_way(path))
    except OSError:
        return False


def _on_the_way(path: Path) -> Iterator[tuple[Path, int]]:
    yield path, stat.S_IROTH
    for directory in path.parents:
        yield directory, stat.S_IXOTH
