"""Operating system commands (xterm ctlseqs, "OSC Ps ; Pt ST"): title, hyperlinks, clipboard; all others are ignored."""

import binascii
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from omnyshell.terminal.screen.links import Links
from omnyshell.terminal.screen.modes import Modes
from omnyshell.terminal.screen.style import style_of
from omnyshell.terminal.screen.work import A_ROW
from omnyshell.terminal.sequences.events import Bell, ClipboardWrite, Event, TitleChanged
from omnyshell.terminal.state.table import MOST_TITLES

LONGEST_STRING: Final = 1_400_000
"""Characters of a control string. A longer one is ignored; if it was for the clipboard, that is reported without its
text."""
_LONGEST_TITLE: Final = 1024
_LONGEST_LINK: Final = 2083
LONGEST_CLIPBOARD: Final = 1_000_000
"""Bytes for the clipboard that are kept; of a longer text, only its size is."""
HEAD: Final = 16
"""Characters that are kept of a control string that is too long."""
_BOTH: Final = 0
ICON: Final = 1
WINDOW: Final = 2

_controls: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class PushedTitle(NamedTuple):
    """What XTWINOPS put aside: both titles (`which` 0), the icon's (1) or the window's (2).

    The one that was not meant is that of the entry below; None where there is none.
    """

    which: int
    icon: str | None
    window: str | None


class Commands(Modes):
    """A grid that interprets OSC, and collects events for the terminal's owner."""

    title: str
    _titles: list[PushedTitle]
    _events: dict[type[Event], Event]

    def _reset_commands(self) -> None:
        self._links = Links()
        self.title = ""
        self.icon_name = ""
        self._titles = []

    def take_events(self) -> list[Event]:
        """Return what happened since the last call; of each kind the latest only, so it is bounded."""
        events = list(self._events.values())
        self._events.clear()
        return events

    def bell(self) -> None:
        """BEL."""
        last = self._events.get(Bell)
        self._events[Bell] = Bell(last.count + 1 if isinstance(last, Bell) else 1)

    def dropped_command(self, head: str, length: int) -> None:
        """Report an OSC of `length` characters that was too long to be kept, as far as its beginning identifies it."""
        number, _, text = head.partition(";")
        if number == "52":
            self._events[ClipboardWrite] = ClipboardWrite(text.partition(";")[0][:8], "", length // 4 * 3)

    def operating_system_command(self, payload: str) -> None:
        """Carry out an OSC, given without introducer and terminator."""
        if self.settings.repeats(payload):
            return
        if len(payload) > LONGEST_STRING:
            self.dropped_command(payload[:HEAD], len(payload))
            return
        if not payload.isprintable():
            payload = _controls.sub("", payload)
        number, _, text = payload.partition(";")
        if number in ("0", "1", "2"):
            self._set_titles(int(number), text)
        elif number == "8":
            self._set_link(text)
        elif number == "52":
            self._write_clipboard(text)
        else:
            self._spend_on_settings()
            self.settings.command(number, text)

    def set_screen_title(self, payload: str) -> None:
        """`ESC k`, as screen and tmux have it."""
        self.set_title(_controls.sub("", payload)[:_LONGEST_TITLE])

    def set_title(self, param: str) -> None:
        """Take `param` for the window's title."""
        self.title = param
        self._events[TitleChanged] = TitleChanged(param)

    def _set_titles(self, which: int, text: str) -> None:
        """OSC 0, 1 and 2; in hexadecimal digits while XTSMTITLE says so, when all else is ignored."""
        if self.settings.takes_hexadecimal_titles:
            try:
                text = _controls.sub("", bytes.fromhex(text).decode())
            except ValueError:
                return
        text = text[:_LONGEST_TITLE]
        if which != WINDOW:
            self.set_icon_name(text)
        if which != ICON:
            self.set_title(text)

    def window_operation(self, operation: int = 0, which: int = 0) -> None:
        """XTWINOPS: saving (22) and restoring (23) titles; what moves windows or reports is ignored."""
        if which > WINDOW:
            return
        if operation == 22:
            below = self._titles[-1] if self._titles else PushedTitle(_BOTH, None, None)
            icon = self.icon_name if which != WINDOW else below.icon
            self._titles.append(PushedTitle(which, icon, self.title if which != ICON else below.window))
            del self._titles[:-MOST_TITLES]
        elif operation == 23 and self._titles:
            pushed = self._titles.pop()
            if which != WINDOW and pushed.icon is not None:
                self.set_icon_name(pushed.icon)
            if which != ICON and pushed.window is not None:
                self.set_title(pushed.window)

    def _set_link(self, text: str) -> None:
        """OSC 8 ; params ; URI: cells written from now on are links; an empty URI ends that."""
        _, _, uri = text.partition(";")
        is_link = bool(uri) and len(text) <= _LONGEST_LINK
        admitted = is_link and self._links.admits(text)
        if is_link and not admitted and self._links.are_due:
            self._by_rows(self._recounted_links(text))
        else:
            self._write_linked(text if admitted else "")

    def _write_linked(self, link: str) -> None:
        self.cursor.style = style_of(self.cursor.style.look._replace(link=link))

    def _recounted_links(self, text: str) -> Iterator[None]:
        """Count the links that are on the screen, and then use this one if there is room."""
        pages = [page for page in (self._main, self._alternate) if page is not None]
        links = {style.fields[-1] for style in (self.cursor.style, *(page.saved.style for page in pages))}
        for row in chain.from_iterable(page.rows for page in pages):
            self._spend(A_ROW + (self.columns if row.has_cells else 0))
            links |= row.links
            yield
        self._links.recounted(links)
        self._write_linked(text if self._links.admits(text) else "")

    def _write_clipboard(self, text: str) -> None:
        """OSC 52 ; selection ; base64. A question ("?") is never answered."""
        selection, _, data = text.partition(";")
        size = len(data) // 4 * 3
        if size > LONGEST_CLIPBOARD:
            self._events[ClipboardWrite] = ClipboardWrite(selection[:8], "", size)
            return
        try:
            # Some programs leave the padding out.
            decoded = binascii.a2b_base64(data + "=" * (-len(data) % 4), strict_mode=True).decode()
        except (binascii.Error, ValueError):
            return
        self._events[ClipboardWrite] = ClipboardWrite(selection[:8], decoded)

    @property
    def titles(self) -> tuple[PushedTitle, ...]:
        """The titles that XTWINOPS saved, oldest first."""
        return tuple(self._titles)
