"""A terminal that is typed into: keys, paste, mouse, focus, selection, copy mode and search."""

import asyncio
import re
from collections.abc import Iterator
from typing import Final, Protocol

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from omnyshell.terminal import (
    Emulator,
    MouseAction,
    MouseButton,
    MouseEvent,
    Row,
    encode_focus,
    encode_key,
    encode_mouse,
    encode_paste,
    wants_mouse,
)
from omnyshell.tui.terminal.copy_mode import CopyMode, Outcome
from omnyshell.tui.terminal.finding import Finder
from omnyshell.tui.terminal.lines import Point
from omnyshell.tui.terminal.painting import Mark, Overlay
from omnyshell.tui.terminal.selection import Selection, Shape, line_at, word_at
from omnyshell.tui.terminal.view import TerminalView

_WHEEL_LINES: Final = 3
_BUTTONS: Final = {1: MouseButton.LEFT, 2: MouseButton.MIDDLE, 3: MouseButton.RIGHT}
_CLICK_SECONDS: Final = 0.4
_controls = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class TerminalHost(Protocol):
    """The owner of a terminal widget."""

    @property
    def has_program(self) -> bool:
        """Whether there is a program, or will be, that keys go to."""

    def key_pressed(self, key: events.Key) -> bool:
        """Handle a key that is not for the program; return whether it was handled."""

    def resized(self, columns: int, lines: int) -> None:
        """Follow the widget, which has this size now."""

    def key_typed(self, key: str, character: str | None) -> None:
        """Decide which programs get a key; `TerminalWidget.send_key` sends it."""

    def typed(self, data: bytes) -> None:
        """Send input to the program."""

    def pasted(self, text: str) -> None:
        """Decide on a paste; `TerminalWidget.paste` carries it out."""

    def copied(self, text: str) -> None:
        """Put text on the clipboard, and tell the user."""

    def search_wanted(self) -> None:
        """Ask the user what to search; `TerminalWidget.search` carries it out."""

    def said(self, text: str) -> None:
        """Tell the user something."""


class TerminalWidget(TerminalView, can_focus=True):
    """Every key goes to the program, but those that its host takes and those that scroll (shift and a page key).

    The mouse is the program's where it asked for it, and selects otherwise; with shift it always selects.
    """

    class Moved(Message):
        """Copy mode or the scroll position changed."""

    def __init__(self, screen: Emulator, host: TerminalHost) -> None:
        super().__init__(screen)
        self._host = host
        self.selection: Selection | None = None
        self.copy_mode: CopyMode | None = None
        self.finder = Finder(self._found, lambda: self.post_message(self.Moved()))
        self._is_typed = False
        self._fitted = Size(0, 0)
        self._has_keyboard = False
        self._dragging = False
        self._clicks = 0
        self._clicked_at = (-1.0, Point(-1, -1))

    @property
    def takes_all_keys(self) -> bool:
        """Whether the app must leave all keys to this widget, despite priority bindings.

        False once the session is over.
        """
        return self._host.has_program

    def on_resize(self) -> None:
        """Give the program the same size, at once."""
        self._fit()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Paint, and see to it that the program has the size of what is painted.

        Textual 8.2.8 sends a new widget no resize event if another widget's region was requested between its mounting
        and the layout.
        """
        if self._fitted != self.size:
            self.call_next(self._fit)
        return super().render_lines(crop)

    def _fit(self) -> None:
        size = self.size
        if size.width and size.height and size != self._fitted:
            self._fitted = size
            self._host.resized(size.width, size.height)
            self.touch()

    # Keys

    def on_key(self, event: events.Key) -> None:
        """Send a key where it belongs."""
        event.stop()
        event.prevent_default()
        if self._host.key_pressed(event):
            return
        if self.copy_mode is not None:
            self._press_in_copy_mode(self.copy_mode, event)
        elif event.key in _SCROLLING and not self.emulator.on_alternate_screen:
            self._scroll_by_key(event.key)
        else:
            self._host.key_typed(event.key, event.character)

    def send_key(self, key: str, character: str | None = None) -> None:
        """Send a key to the program, which is shown then."""
        data = encode_key(key, self.emulator.mode, character)
        if data:
            self.unselect()
            self.show_from(None)
            self._host.typed(data)

    def on_paste(self, event: events.Paste) -> None:
        """Let the host decide."""
        event.stop()
        if event.text:
            self._host.pasted(event.text)

    def paste(self, text: str) -> None:
        """Send pasted text. Control characters, which could end a bracketed paste or be commands, are left out."""
        self.show_from(None)
        self._host.typed(encode_paste(_controls.sub("", text), self.emulator.mode))

    def on_focus(self) -> None:
        """Tell the program, if it asked."""
        super().on_focus()
        self.has_keyboard(gained=self.screen.is_current)

    def on_blur(self) -> None:
        """Tell the program, if it asked."""
        super().on_blur()
        self.has_keyboard(gained=False)

    def has_keyboard(self, *, gained: bool) -> None:
        """Tell the program, if it asked and that is news; its screen may keep the focus while another one is shown."""
        if gained is not self._has_keyboard:
            self._has_keyboard = gained
            self._send(encode_focus(gained=gained, modes=self.emulator.mode))

    def _send(self, data: bytes) -> None:
        if data:
            self._host.typed(data)

    def _scroll_by_key(self, key: str) -> None:
        page = max(1, self.page - 1)
        count = {"shift+pageup": -page, "shift+pagedown": page}.get(key)
        if count is not None:
            self.scroll_lines(count)
        else:
            self.show_from(self.lines.first if key == "shift+home" else None)

    def show_from(self, line: int | None) -> None:
        """Show the lines from a number on, and post `Moved` if that is a change."""
        before = self._top
        super().show_from(line)
        if self._top != before:
            self.post_message(self.Moved())

    # Copy mode and search

    def start_copy_mode(self) -> None:
        """Let keys move a cursor of the user's own."""
        start = self.lines.cursor if not self.is_scrolled else Point(self.top + self.page - 1, 0)
        self.copy_mode = CopyMode(self.lines, start, max(1, self.page - 1))
        self._mode_changed()

    def leave_copy_mode(self) -> None:
        """Give the keys back to the program."""
        self.copy_mode = None
        self.unselect()
        self.finder.stop()
        self.show_from(None)
        self._mode_changed()

    def _mode_changed(self) -> None:
        self.touch()
        self.post_message(self.Moved())

    def _press_in_copy_mode(self, mode: CopyMode, event: events.Key) -> None:
        # A letter's character is its name, also for capitals, unless the terminal reports the shift key.
        key = event.character if event.character and event.character.isalpha() else event.key
        outcome = mode.press(key)
        if outcome is Outcome.LEAVE:
            self.leave_copy_mode()
        elif outcome is Outcome.COPY:
            if mode.selection is not None:
                self._host.copied(mode.selection.text(self.lines))
            self.leave_copy_mode()
        elif outcome is Outcome.SEARCH:
            self._host.search_wanted()
        elif outcome in (Outcome.NEXT, Outcome.PREVIOUS):
            self.search_again(backwards=outcome is Outcome.NEXT)
        else:
            self.selection = mode.selection
            self.reveal(mode.cursor)
            self._mode_changed()

    def search(self, needle: str, *, is_typed: bool = False) -> None:
        """Look for a text, upwards from the end or from the cursor of copy mode; what is found is marked.

        While it `is_typed` nothing is said of there being none.
        """
        if self.copy_mode is None:
            self.start_copy_mode()
        self._is_typed = is_typed
        self.finder.begin(needle)
        self.search_again(backwards=True)

    def search_again(self, *, backwards: bool) -> None:
        """Go to the next find, upwards where `backwards`."""
        if (mode := self.copy_mode) is not None:
            self.finder.go(self.lines, lambda: mode.cursor, backwards=backwards)

    def _found(self, point: Point | None) -> None:
        if point is None or self.copy_mode is None:
            if not self._is_typed:
                self._host.said(f"'{self.finder.needle}' is not here")
            self.touch()
            return
        self.go_to(self.copy_mode, point)

    def go_to(self, mode: CopyMode, point: Point) -> None:
        """Move the cursor of copy mode, and show where it is."""
        mode.go(point)
        self.selection = mode.selection
        self.reveal(point)
        self._mode_changed()

    def on_unmount(self) -> None:
        """End the search too."""
        super().on_unmount()
        self.finder.stop()

    # Selection

    def unselect(self) -> None:
        """Select nothing."""
        if self.selection is not None:
            self.selection = None
            self.touch()

    def overlays(self, line: int, row: Row) -> Iterator[Overlay]:
        """Yield finds, the selection and the cursor, one over the other."""
        if self.finder.search is not None:
            for start, end in self.finder.search.in_cells(row.cells):
                current = self.finder.at == Point(line, start)
                yield Overlay(start, end, Mark.CURRENT if current else Mark.FOUND)
        columns = self.selection.columns(line, self.lines.width) if self.selection else None
        if columns is not None:
            yield Overlay(*columns, Mark.SELECTED)
        if self.copy_mode is None:
            yield from super().overlays(line, row)
        elif self.copy_mode.cursor.line == line:
            column = self.copy_mode.cursor.column
            # A block swaps the colours under it, which would hide the mark of a find that is one character long.
            yield Overlay(column, column + 1, Mark.UNDERLINE if self.copy_mode.cursor == self.finder.at else Mark.BLOCK)

    # Mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin a selection, or tell the program."""
        event.stop()
        self.capture_mouse()
        if self._is_programs(event):
            self._tell(event, MouseAction.PRESS)
        elif event.button == 1:
            self._begin_selection(self.point_at(event.x, event.y))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Go on with a selection, or tell the program."""
        if self._dragging and self.selection is not None:
            event.stop()
            if event.y < 0 or event.y >= self.size.height:
                self.scroll_lines(-1 if event.y < 0 else 1)
            head = self.point_at(event.x, max(0, min(event.y, self.size.height - 1)))
            if head != self.selection.head:
                self.selection = self.selection.to(head)
                self.touch()
        elif self._is_programs(event):
            self._tell(event, MouseAction.MOVE)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """End a selection, which copies it, or tell the program."""
        event.stop()
        self.release_mouse()
        if not self._dragging:
            if self._is_programs(event):
                self._tell(event, MouseAction.RELEASE)
            return
        self._dragging = False
        selection = self.selection
        if selection is None or (selection.anchor == selection.head and self._clicks == 1):
            self.unselect()
        else:
            self._host.copied(selection.text(self.lines))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll, or tell the program."""
        self._wheel(event, MouseButton.WHEEL_UP)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll, or tell the program."""
        self._wheel(event, MouseButton.WHEEL_DOWN)

    def _wheel(self, event: events.MouseEvent, button: MouseButton) -> None:
        event.stop()
        event.prevent_default()
        if self._is_programs(event):
            self._tell(event, MouseAction.PRESS, button)
        elif self.emulator.on_alternate_screen and not event.shift:
            # There is no scrollback to show: as in other terminals, the program gets arrow keys.
            key = "up" if button is MouseButton.WHEEL_UP else "down"
            self._send(encode_key(key, self.emulator.mode) * _WHEEL_LINES)
        else:
            self.scroll_lines(-_WHEEL_LINES if button is MouseButton.WHEEL_UP else _WHEEL_LINES)

    def _is_programs(self, event: events.MouseEvent) -> bool:
        return wants_mouse(self.emulator.mode) and not event.shift and self.copy_mode is None and not self.is_scrolled

    def _tell(self, event: events.MouseEvent, action: MouseAction, button: MouseButton | None = None) -> None:
        mouse = MouseEvent(
            action,
            button or _BUTTONS.get(event.button, MouseButton.NONE),
            max(0, min(event.x, self.emulator.columns - 1)),
            max(0, min(event.y, self.emulator.lines - 1)),
            alt=event.meta,
            ctrl=event.ctrl,
        )
        self._send(encode_mouse(mouse, self.emulator.mode))

    def _begin_selection(self, point: Point) -> None:
        now = asyncio.get_running_loop().time()
        then, before = self._clicked_at
        self._clicks = self._clicks % 3 + 1 if before == point and now - then < _CLICK_SECONDS else 1
        self._clicked_at = (now, point)
        self._dragging = True
        if self._clicks == 2:
            self.selection = word_at(self.lines, point)
        elif self._clicks == 3:
            self.selection = line_at(self.lines, point)
        else:
            self.selection = Selection(point, point, Shape.TEXT)
        self.touch()


_SCROLLING: Final = frozenset(("shift+pageup", "shift+pagedown", "shift+home", "shift+end"))
