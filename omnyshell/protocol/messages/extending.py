"""The messages of all extensions that have modules of their own here, for a hub, which decodes each."""

from importlib import import_module
from pkgutil import iter_modules

from omnyshell.protocol import messages
from omnyshell.protocol.messages.base import ControlMessage


def extension_messages() -> tuple[type[ControlMessage], ...]:
    """Return what the modules beside this one list as `MESSAGES`, in the order of the modules' names."""
    found: list[type[ControlMessage]] = []
    for module in sorted(iter_modules(messages.__path__), key=lambda one: one.name):
        found += getattr(import_module(f"{messages.__name__}.{module.name}"), "MESSAGES", ())
    return tuple(found)
