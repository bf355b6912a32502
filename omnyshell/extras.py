"""Parts of OmnyShell that an installation may leave out: the extras of `pyproject.toml`.

What imports a part's libraries does so within `needs`, so that whoever lacks them is told which extra brings them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

from omnyshell.errors import OmnyShellException


class Part(NamedTuple):
    """What an extra is for, as a sentence names it, and the modules that it brings."""

    title: str
    modules: tuple[str, ...]


PARTS = {
    "hub": Part("the hub", ("h11", "prometheus_client")),
    "console": Part("the console", ("rich", "textual")),
    "web": Part("the console in a browser", ("aiohttp", "textual_serve")),
}
"""Those that something cannot do without; `fast` is used where it is there."""


class MissingExtraException(OmnyShellException, ImportError):
    """A part is not installed. `extra` brings it, `missing` is the module that was looked for."""

    def __init__(self, extra: str, missing: str) -> None:
        text = f"{PARTS[extra].title} is not installed (no module {missing}): pip install 'omnyshell[{extra}]'"
        super().__init__(text)
        self.extra = extra
        self.missing = missing


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import what an extra brings. Raises `MissingExtraException` where it is not there."""
    try:
        yield
    except ModuleNotFoundError as exc:
        library = (exc.name or "").partition(".")[0]
        if not library or library == "omnyshell" or library in sys.stdlib_module_names:
            raise
        raise MissingExtraException(extra, library) from exc


def require(extra: str) -> None:
    """Say before anything is begun that an extra is missing: nothing is loaded. Raises `MissingExtraException`."""
    for module in PARTS[extra].modules:
        if find_spec(module) is None:
            raise MissingExtraException(extra, module)
