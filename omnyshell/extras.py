"""Parts of OmnyShell that an installation may leave out: the extras of `pyproject.toml`.

Code imports an extra's libraries within `needs`, so that an error for a missing one names the extra to install.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

from omnyshell.errors import OmnyShellException


class Part(NamedTuple):
    """What an extra is for, worded for use in a sentence, and the modules that it installs."""

    title: str
    modules: tuple[str, ...]


PARTS = {
    "hub": Part("the hub", ("h11", "prometheus_client", "psutil")),
    "console": Part("the console", ("rich", "textual")),
    "cluster": Part("what several hubs need", ("nats",)),
    "web": Part("the console in a browser", ("aiohttp", "textual_serve")),
    "files": Part("the copying of files", ("asyncssh",)),
}
"""The extras that some command requires. `fast` and `vitals` are not among them: they are used if installed."""


class MissingExtraException(OmnyShellException, ImportError):
    """A part is not installed. `extra` installs it, `missing` is the module that could not be imported."""

    def __init__(self, extra: str, missing: str) -> None:
        text = f"{PARTS[extra].title} is not installed (no module {missing}): pip install 'omnyshell[{extra}]'"
        super().__init__(text)
        self.extra = extra
        self.missing = missing


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Wrap imports of an extra's modules. Raises `MissingExtraException` where one of them is not installed."""
    try:
        yield
    except ModuleNotFoundError as exc:
        library = (exc.name or "").partition(".")[0]
        if not library or library == "omnyshell" or library in sys.stdlib_module_names:
            raise
        raise MissingExtraException(extra, library) from exc


def require(extra: str) -> None:
    """Check that an extra is installed, without importing it. Raises `MissingExtraException`."""
    for module in PARTS[extra].modules:
        if find_spec(module) is None:
            raise MissingExtraException(extra, module)
