"""What the console uses of the inside of Textual, and what it does where another release has none of that.

Textual is pinned, but whoever installs it may have another release all the same. The drivers, which read a terminal's
keys, are replaced by Textual's own then; a terminal is painted when Textual gets to it.
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
"""By the names of Textual's drivers, those that read keys as programs in terminals need them."""


def own_driver(usual: type[Driver]) -> type[Driver]:
    """Return the driver to have in place of one of Textual's; that one where there is none that fits."""
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
    """Have what is dirty of a widget shown now, where its screen is the one that is seen.

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
