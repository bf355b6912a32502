"""The interpreter for programs of ours that other users of the machine than the node's have to be able to start."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

_OTHERS = (Path("/usr/bin/python3"), Path("/usr/local/bin/python3"))


def own() -> Path:
    """Return the interpreter that runs this."""
    return Path(os.path.realpath(sys.executable))


def for_everybody() -> Path:
    """Return an interpreter that every user may start: our own if it is one, which may lie in somebody's home.

    Where there is none, it is our own.
    """
    return next((path for path in (own(), *_OTHERS) if is_for_everybody(path)), own())


def starting(file: Path) -> tuple[str, ...]:
    """Return what starts a file of ours that imports the standard library alone.

    Our own interpreter and the file may lie in somebody's home: then any Python of the machine does, and the file's
    text stands in its place.
    """
    script = (str(file),) if is_for_everybody(file) else ("-c", file.read_text(encoding="utf-8"))
    return (str(for_everybody()), "-I", "-S", *script)


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
