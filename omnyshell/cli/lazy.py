"""Modules that libraries import without using them, loaded only when something does use them."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands for a module until an attribute is asked for. `importlib.util.LazyLoader` loads at the next import."""

    def __getattr__(self, attribute: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        self.__dict__.update(vars(module))
        return getattr(module, attribute)


def defer(name: str) -> None:
    """Have `import name` cost nothing until an attribute of the module is asked for."""
    if name in sys.modules:
        return
    deferred = sys.modules[name] = _Deferred(name)
    package, _, child = name.rpartition(".")
    if package:
        setattr(import_module(package), child, deferred)


def defer_unused() -> None:
    """Defer what no client command needs."""
    # websockets 17 imports it to learn its own version, which a release has written down: 20 ms of a cold `exec`.
    # To be removed when `python -X importtime -c 'import websockets'` no longer shows it.
    defer("importlib.metadata")
