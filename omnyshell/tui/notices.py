"""What the console tells beside: the newest alone, in the line of keys, where nothing is read or typed.

A longer one moves what is above it up. Terminals cannot move, as their programs would be resized: theirs is the line of
tabs, and ends where that does. A key drops what one has had the time to see.
"""

from functools import partial
from time import monotonic
from typing import Final

from textual.app import App
from textual.notifications import SeverityLevel

SHORTEST: Final = 4.0
"""Seconds that a notice stays at least, without a key."""

READ_IN_A_SECOND: Final = 25
"""Characters of a notice that people read in a second."""

SEEN_AFTER: Final = 1.0
"""Seconds after which a key drops a notice."""

SOON: Final = 0.1
"""Seconds by which a notice is there, or gone after its end."""

CSS: Final = """
/* In the layer of what is on screen, a docked widget takes room from it, and not more than the line of keys does. */
ToastRack { layer: default; dock: bottom; align: left bottom; margin: 0; height: auto; max-height: 3; }
ToastRack { overflow: hidden; }
ToastHolder { display: none; }
ToastHolder.-newest { display: block; }
Toast { width: 100%; max-width: 100%; height: auto; max-height: 3; margin: 0; padding: 0 1; background: $panel; }
TerminalsScreen ToastRack { layer: _toastrack; dock: top; max-height: 1; }
TerminalsScreen Toast { max-height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
"""


def notice(message: str, title: str) -> str:
    """Return title and message as one text."""
    return f"{title}: {message}" if title else message


def seconds_for(text: str) -> float:
    """Return how long a notice stays."""
    return max(SHORTEST, len(text) / READ_IN_A_SECOND)


class TellingApp(App[int]):
    """The part of the application that tells."""

    _told_until = 0.0
    """When the last of what is told in turn has been read, on the monotonic clock."""

    _newest_since = 0.0

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notice in place of those before, for as long as it takes to read."""
        self._newest_since = monotonic()
        text = notice(message, title)
        stays = timeout or seconds_for(text)
        super().notify(text, severity=severity, timeout=stays, markup=markup)
        for change in (0, stays):
            self.set_timer(change + SOON, self._show_newest)

    def _show_newest(self) -> None:
        # Near the end there is no screen any more.
        for rack in self.screen.query("ToastRack") if self.screen_stack else ():
            toasts = [*rack.query("Toast")]
            for holder in rack.children:
                # The holder of a notice that was dropped stays in the rack, empty.
                holder.set_class(toasts[-1:] == [*holder.children], "-newest")
            if rack is not self.screen.children[-1]:
                # Textual puts it below all else in a layer.
                self.screen.move_child(rack, after=-1)

    def drop_seen_notice(self) -> None:
        """Drop the newest notice, and those that it took the place of, if it has been there long enough to be seen."""
        if monotonic() - self._newest_since >= SEEN_AFTER:
            self.clear_notifications()

    def tell_in_turn(self, message: str, *, severity: SeverityLevel = "information") -> None:
        """Show a notice that nobody's key asked for, once those before it that came in this way have been read."""
        now = monotonic()
        begins = max(now, self._told_until)
        self._told_until = begins + seconds_for(message)
        show = partial(self.notify, message, severity=severity, markup=False)
        if begins > now:
            self.set_timer(begins - now, show)
        else:
            show()
