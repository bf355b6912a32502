"""Modes that programs set (ECMA-48 SM and RM, DECSET and DECRST of xterm ctlseqs), and how they are reset."""

from typing import Any, Final

from pyte.modes import DECAWM, DECOM, DECSCNM, DECTCEM, IRM, LNM

from omnyshell.terminal.screen.drawing import Drawing
from omnyshell.terminal.screen.page import MOST_KEYBOARD_ENTRIES, Page, SavedCursor
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE
from omnyshell.terminal.text.charsets import ASCII, TRANSLATIONS

PRIVATE: Final = 5
"""How far pyte shifts the number of a private mode in `mode`."""

INSERT: Final = IRM
NEWLINE: Final = LNM
APPLICATION_CURSOR: Final = 1 << PRIVATE
REVERSE_SCREEN: Final = DECSCNM
ORIGIN: Final = DECOM
AUTOWRAP: Final = DECAWM
SHOW_CURSOR: Final = DECTCEM
APPLICATION_KEYPAD: Final = 66 << PRIVATE
FOCUS_EVENTS: Final = 1004 << PRIVATE
BRACKETED_PASTE: Final = 2004 << PRIVATE
SYNCHRONIZED: Final = 2026 << PRIVATE

MOUSE_TRACKING: Final = frozenset(mode << PRIVATE for mode in (9, 1000, 1002, 1003))
MOUSE_ENCODING: Final = frozenset(mode << PRIVATE for mode in (1005, 1006, 1015, 1016))
DEFAULT_MODES: Final = frozenset((AUTOWRAP, SHOW_CURSOR))

_ALTERNATE: Final = frozenset((47, 1047, 1049))
_SAVE_CURSOR: Final = 1048
_SAVE_AND_SWITCH: Final = 1049
_SIMPLE: Final = frozenset(
    (
        APPLICATION_CURSOR,
        REVERSE_SCREEN,
        SHOW_CURSOR,
        AUTOWRAP,
        APPLICATION_KEYPAD,
        FOCUS_EVENTS,
        BRACKETED_PASTE,
        SYNCHRONIZED,
        12 << PRIVATE,
        45 << PRIVATE,
        1007 << PRIVATE,
        1034 << PRIVATE,
    )
)
_EXCLUSIVE: Final = (MOUSE_TRACKING, MOUSE_ENCODING)
_SOFT_RESET: Final = frozenset((INSERT, ORIGIN, APPLICATION_CURSOR, APPLICATION_KEYPAD))


class Modes(Drawing):
    """A grid with modes. `mode` is the set of those that are on, numbered as in pyte; unknown ones are ignored."""

    mode: set[int]
    cursor_shape: int
    modify_other_keys: int

    def _reset_modes(self) -> None:
        self.mode = set(DEFAULT_MODES)
        self._charsets = [ASCII] * 4
        self.charset = 0
        self.cursor_shape = 0
        self.modify_other_keys = 0
        self._joining = False
        self._apply_modes()

    def _apply_modes(self) -> None:
        """Update the flags that drawing reads from `mode`."""
        self._insert = INSERT in self.mode
        self._newline_mode = NEWLINE in self.mode
        self._autowrap = AUTOWRAP in self.mode
        self.cursor.hidden = SHOW_CURSOR not in self.mode
        self._update_plain()

    @property
    def keyboard_flags(self) -> int:
        """The flags of the kitty keyboard protocol that are in force on this screen."""
        return self._page.keyboard[-1]

    def set_mode(self, *modes: int, private: bool = False, **_other: Any) -> None:
        """SM, and DECSET with `private`."""
        for mode in modes:
            if not private:
                self._set(mode, on=True, known=mode in (INSERT, NEWLINE))
            else:
                self._set_private(mode, on=True)
        self._apply_modes()

    def reset_mode(self, *modes: int, private: bool = False, **_other: Any) -> None:
        """RM, and DECRST with `private`."""
        for mode in modes:
            if not private:
                self._set(mode, on=False, known=mode in (INSERT, NEWLINE))
            else:
                self._set_private(mode, on=False)
        self._apply_modes()

    def _set(self, mode: int, *, on: bool, known: bool = True) -> None:
        if known and on:
            self.mode.add(mode)
        elif known:
            self.mode.discard(mode)

    def _set_private(self, number: int, *, on: bool) -> None:
        mode = number << PRIVATE
        if mode in _SIMPLE:
            self._set(mode, on=on)
        elif number in _ALTERNATE:
            self._switch_screen(number, alternate=on)
        elif number == _SAVE_CURSOR:
            self.save_cursor() if on else self.restore_cursor()
        elif mode == ORIGIN:
            self._set(mode, on=on)
            self._origin = on
            self.cursor_position()
        else:
            self._set_exclusive(mode, on=on)

    def _set_exclusive(self, mode: int, *, on: bool) -> None:
        """Mouse modes: one way of tracking and one encoding at a time, as in xterm."""
        for group in _EXCLUSIVE:
            if mode in group:
                self.mode -= group
                self._set(mode, on=on)

    def _switch_screen(self, number: int, *, alternate: bool) -> None:
        """Show the alternate screen, blank, or the main one as it was left; 1049 saves and restores the cursor too."""
        if number == _SAVE_AND_SWITCH and alternate:
            self.save_cursor()
        if alternate and not self.on_alternate_screen:
            fill = self.cursor.style.erased
            self._show(Page([Row(self.columns, fill) for _ in range(self.lines)]))
            self._alternate = self._page
        elif not alternate and self.on_alternate_screen:
            self._show(self._main)
            self._alternate = None
        if number == _SAVE_AND_SWITCH and not alternate:
            self.restore_cursor()

    def _show(self, page: Page) -> None:
        self._page, self._rows = page, page.rows
        self.dirty.mark_all()

    def define_charset(self, code: str, mode: str) -> None:
        """SCS: designate `code` to G0-G3 by the intermediate `mode`, one of ( ) * +."""
        slot = "()*+".find(mode[:1])
        if slot >= 0:
            self._charsets[slot] = code if code in TRANSLATIONS else ASCII
            self._update_plain()

    def select_charset(self, slot: int) -> None:
        """SI, SO, LS2, LS3: take characters from G0-G3."""
        self.charset = slot
        self._update_plain()

    def shift_in(self) -> None:
        """SI."""
        self.select_charset(0)

    def shift_out(self) -> None:
        """SO."""
        self.select_charset(1)

    def restore_cursor(self) -> None:
        """DECRC; origin mode and charsets come back too."""
        super().restore_cursor()
        self._set(ORIGIN, on=self._origin)
        self._update_plain()

    def alignment_display(self) -> None:
        """DECALN; origin mode ends too."""
        super().alignment_display()
        self._set(ORIGIN, on=False)

    def soft_reset(self) -> None:
        """DECSTR (DEC STD 070, D.3.5): modes, margins, pen and saved cursor, but neither contents nor position."""
        self.mode = (self.mode - _SOFT_RESET) | DEFAULT_MODES
        self._origin = False
        self._top, self._bottom = 0, self.lines - 1
        self._page.saved = SavedCursor()
        self._charsets, self.charset = [ASCII] * 4, 0
        self.cursor.style = DEFAULT_STYLE
        self._apply_modes()

    def set_cursor_shape(self, shape: int = 0) -> None:
        """DECSCUSR: 0 the terminal's own, 1-2 block, 3-4 underline, 5-6 bar; odd ones blink."""
        if shape <= 6:
            self.cursor_shape = shape

    def set_key_modifiers(self, resource: int = 0, value: int = 0) -> None:
        """XTMODKEYS: of its resources only modifyOtherKeys (4) is followed; without arguments it is reset."""
        if resource in (0, 4):
            self.modify_other_keys = min(value, 3) if resource else 0

    def disable_key_modifiers(self, resource: int = 0) -> None:
        """XTMODKEYS disabled (`CSI > Ps n`)."""
        self.set_key_modifiers(resource, 0)

    def push_keyboard(self, flags: int = 0) -> None:
        """Kitty's `CSI > flags u`; the oldest entry is forgotten when there are too many."""
        stack = self._page.keyboard
        stack.append(flags & 31)
        if len(stack) > MOST_KEYBOARD_ENTRIES:
            del stack[1]

    def pop_keyboard(self, count: int = 0) -> None:
        """Kitty's `CSI < count u`; popping more than there is resets the flags."""
        stack = self._page.keyboard
        del stack[max(1, len(stack) - (count or 1)) :]
        if len(stack) == 1:
            stack[0] = 0

    def set_keyboard(self, flags: int = 0, how: int = 1) -> None:
        """Kitty's `CSI = flags ; how u`: set (1), add (2) or remove (3)."""
        stack = self._page.keyboard
        flags &= 31
        changed = {2: stack[-1] | flags, 3: stack[-1] & ~flags}
        stack[-1] = changed.get(how, flags)

    @property
    def charsets(self) -> tuple[str, ...]:
        """What G0 to G3 hold."""
        return tuple(self._charsets)

    @property
    def saved_cursor(self) -> SavedCursor:
        """What DECRC would bring back on this screen."""
        return self._page.saved

    @property
    def keyboard_stack(self) -> tuple[int, ...]:
        """The flags of the kitty keyboard protocol on this screen, oldest first; never empty."""
        return tuple(self._page.keyboard)

    @property
    def keyboard_depth(self) -> int:
        """How often a program pushed keyboard flags and did not pop them."""
        return len(self._page.keyboard) - 1

    @property
    def main_rows(self) -> list[Row]:
        """The rows of the main screen, shown or not; not to be changed."""
        return self._main.rows

    @property
    def main_cursor(self) -> SavedCursor:
        """The main screen's cursor: where it is, or where 1049 left it while the alternate screen is shown."""
        if self.on_alternate_screen:
            return self._main.saved
        cursor = self.cursor
        return SavedCursor(cursor.x, cursor.y, cursor.style, self.charsets, self.charset, origin=self._origin)
