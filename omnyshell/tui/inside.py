"""The private parts of Textual that the console uses, with fallbacks for releases without them.

Textual is pinned, but another release may be installed all the same. Then Textual's own drivers read the keys, and
terminals are painted when Textual gets to it.
"""

import logging
from importlib import import_module
from typing import Any

from textual.driver import Driver
from textual.widget import Widget

logger = logging.getLogger("omnyshell.console")

_OWN = {
    "LinuxDriver": ("omnyshell.tui.driver", "ConsoleDriver"),
    "WebDriver": ("omnyshell.tui.web.driver", "ConsoleWebDriver"),
}
"""The console's drivers, which read keys as terminal programs need them, by the names of Textual's drivers."""


def own_driver(usual: type[Driver]) -> type[Driver]:
    """Return the console's driver in place of one of Textual's, or the latter if there is no replacement."""
    if usual.__name__ not in _OWN:
        return usual
    module, name = _OWN[usual.__name__]
    try:
        found: type[Driver] = getattr(import_module(module), name)
    except ImportError as exc:
        logger.warning("keys are read as Textual does, Alt and Escape less exactly: this release has no %s", exc.name)
        return usual
    return found


def show_now(widget: Widget) -> None:
    """Show the dirty parts of a widget now, if its screen is the visible one.

    Textual 8.2.8 does so a sixtieth of a second later, which a typist feels.
    """
    screen: Any = widget.screen
    dirty = getattr(screen, "_dirty_widgets", None)
    update = getattr(screen, "_on_timer_update", None)
    if dirty is None or update is None or not getattr(widget, "_repaint_required", False) or not screen.is_current:
        return
    widget._repaint_required = False
    dirty.add(widget)
    update()
