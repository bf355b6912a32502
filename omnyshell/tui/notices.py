"""What the console tells beside, in the topmost lines, where nothing is typed: the newest in place of the others."""

from functools import partial
from time import monotonic
from typing import Final

from textual.app import App
from textual.notifications import SeverityLevel

SHORTEST: Final = 5.0
"""Seconds that a notice stays at least."""

READ_IN_A_SECOND: Final = 15
"""Characters of a notice that people read in a second, beside what else they do."""

SOON: Final = 0.1
"""Seconds by which a notice is there, or gone after its end."""

CSS: Final = """
ToastRack { dock: top; align: right top; margin: 0; height: 3; overflow: hidden; }
/* All in one place, where a shorter one leaves nothing of the others beside it. */
ToastHolder { position: absolute; }
ToastHolder.-covered { display: none; }
Toast { width: auto; max-width: 100%; height: auto; max-height: 3; margin: 0; padding: 0 1; background: $panel; }
/* Below the line of tabs a program writes, and somebody types. */
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

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notice over those before, for as long as it takes to read."""
        text = notice(message, title)
        stays = timeout or seconds_for(text)
        super().notify(text, severity=severity, timeout=stays, markup=markup)
        for change in (0, stays):
            self.set_timer(change + SOON, self._show_newest)

    def _show_newest(self) -> None:
        # Near the end there is no screen any more.
        racks = self.screen.query("ToastRack") if self.screen_stack else ()
        for rack in racks:
            for holder in rack.children:
                holder.set_class(holder is not rack.children[-1], "-covered")

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
