"""Modes that programs set (ECMA-48 SM and RM, DECSET and DECRST of xterm ctlseqs), and how they are reset."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from omnyshell.model.sessions import Widths
from omnyshell.terminal.screen.colouring import Colouring
from omnyshell.terminal.screen.page import Page, SavedCursor
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE
from omnyshell.terminal.screen.work import A_ROW
from omnyshell.terminal.state.settings import Keyboard, Settings
from omnyshell.terminal.state.table import (
    ACTIONS,
    ALLOW_132,
    AUTOWRAP,
    CLEARED_ON_LEAVING,
    CLUSTERS,
    COLUMNS_132,
    EXCLUSIVE,
    INSERT,
    KEEP_CONTENTS,
    KNOWN_MODES,
    MORE_FIX,
    NEWLINE,
    ORIGIN,
    PRIVATE,
    REVERSE_WRAP,
    REVERSE_WRAP_ALL,
    SAVE_AND_SWITCH,
    SAVE_CURSOR,
    SCREENS,
    SHOW_CURSOR,
    SIDE_MARGINS,
)
from omnyshell.terminal.text.charsets import ASCII, TRANSLATIONS
from omnyshell.terminal.text.layout import LAYOUTS

_KEPT: Final = 47
_RIGHT: Final = 2
_ORIGIN: Final = ORIGIN >> PRIVATE
_COLUMNS: Final = COLUMNS_132 >> PRIVATE
_EFFECTIVE: Final = frozenset(
    (
        COLUMNS_132,
        ORIGIN,
        AUTOWRAP,
        MORE_FIX,
        REVERSE_WRAP,
        REVERSE_WRAP_ALL,
        SIDE_MARGINS,
        CLUSTERS,
        *chain.from_iterable(EXCLUSIVE),
    )
)
_WITHOUT_EFFECT: Final = KNOWN_MODES - _EFFECTIVE - {number << PRIVATE for number in ACTIONS}
"""Private modes that are kept, and change nothing of how is drawn."""

_LEVELS: Final = range(61, 66)
_SIDE_MARGINS: Final = SIDE_MARGINS >> PRIVATE


class Modes(Colouring):
    """A grid with modes. `mode` is the set of those that are on, numbered as in pyte; unknown ones are kept too."""

    mode: set[int]
    settings: Settings
    _widths: Widths

    @property
    def widths(self) -> Widths:
        """How the terminal counts columns, while the program has not asked for clusters.

        It may change, as another terminal shows the screen; what is on it stays where it is.
        """
        return self._widths

    @widths.setter
    def widths(self, widths: Widths) -> None:
        self._widths = widths
        self._apply_modes()

    def _reset_modes(self) -> None:
        self._spend_on_settings()
        self.settings.reset()
        self.mode = self.settings.modes
        self._charsets = [ASCII] * 4
        self.charset, self.charset_right = 0, _RIGHT
        self._joining = self._origin = False
        self._single = self._protection = 0
        self._apply_modes()

    def _apply_modes(self) -> None:
        """Update the flags that drawing reads from `mode`."""
        self._layout = LAYOUTS[Widths.CLUSTERS if CLUSTERS in self.mode else self._widths]
        self._insert = INSERT in self.mode
        self._newline_mode = NEWLINE in self.mode
        self._autowrap = AUTOWRAP in self.mode
        self._tab_wraps = self._autowrap and MORE_FIX in self.mode
        self._has_side_margins = SIDE_MARGINS in self.mode
        self._wraps_back_always = self._autowrap and REVERSE_WRAP_ALL in self.mode
        self._reverse_wraps = self._wraps_back_always or (self._autowrap and REVERSE_WRAP in self.mode)
        self.cursor.hidden = SHOW_CURSOR not in self.mode
        self._update_plain()

    def _spend_on_settings(self) -> None:
        """Count that all settings may be looked at, one by one."""
        self._spend(A_ROW + 2 * len(self.settings.values))

    def set_mode(self, *modes: int, private: bool = False, **_other: Any) -> None:
        """SM, and DECSET with `private`."""
        self._switch_modes(modes, private=private, on=True)

    def reset_mode(self, *modes: int, private: bool = False, **_other: Any) -> None:
        """RM, and DECRST with `private`."""
        self._switch_modes(modes, private=private, on=False)

    def _switch_modes(self, modes: tuple[int, ...], *, private: bool, on: bool) -> None:
        if private and len(modes) == 1 and (mode := modes[0] << PRIVATE) in _WITHOUT_EFFECT:
            # Programs that draw switch the cursor, or frames, again and again.
            self.mode.add(mode) if on else self.mode.discard(mode)
            self.cursor.hidden = SHOW_CURSOR not in self.mode
            return
        for mode in modes:
            if private:
                self._set_private(mode, on=on)
            else:
                self.settings.set_mode(mode, private=False, on=on)
        self._apply_modes()

    def _set_private(self, number: int, *, on: bool) -> None:
        if number in SCREENS:
            self._switch_screen(number, alternate=on)
        elif number == SAVE_CURSOR:
            self.save_cursor() if on else self.restore_cursor()
        else:
            self.settings.set_mode(number, private=True, on=on)
            if number == _ORIGIN:
                self._origin = on
                self.cursor_position()
            elif number == _SIDE_MARGINS:
                self._end_sizes() if on else self._reset_side_margins()
            elif number == _COLUMNS and ALLOW_132 in self.mode:
                self._change_columns()

    def _change_columns(self) -> None:
        """DECCOLM, where it is allowed: the screen blank, unless mode 95 keeps it. Its owner sees to the width."""
        self._reset_margins()
        self.cursor_position()
        self._end_sizes()
        if KEEP_CONTENTS not in self.mode:
            self.erase_in_display(2)

    def set_line_size(self, size: str = "") -> None:
        """DECDHL (3, 4), DECDWL (6) and DECSWL (""); nothing while mode 69 is set, as in xterm."""
        row = self._row
        if self._has_side_margins or row.size == size:
            return
        self._settle_wrap()
        row.size = size
        row.touch()
        self._has_sizes = self._has_sizes or size != ""
        self.cursor.x = self._within_room(self.cursor.x)
        self._update_plain()

    def _end_sizes(self) -> None:
        """Rows of both screens, as margins at the sides and double width do not go together."""
        if self._row.size:
            self._settle_wrap()
        for page in (self._main, self._alternate):
            self._spend(A_ROW * self.lines)
            for row in page.rows if page is not None else ():
                if row.size:
                    row.size = ""
                    row.touch()
        self._find_sizes()

    def save_modes(self, *modes: int) -> None:
        """XTSAVE."""
        for number in modes:
            on = self.on_alternate_screen if number in SCREENS else number << PRIVATE in self.mode
            self.settings.save_mode(number, on=on)

    def restore_modes(self, *modes: int) -> None:
        """XTRESTORE; of what was never saved nothing."""
        for number in modes:
            if number in self.settings.saved:
                self._set_private(number, on=self.settings.saved[number])
        self._apply_modes()

    def change_setting(self, name: str, *parameters: int) -> None:
        """A control of the table that has no part in what is drawn."""
        self._spend_on_settings()
        self.settings.control(name, parameters)

    def change_by_escape(self, sequence: str) -> None:
        """An escape sequence of the table."""
        self.settings.escape(sequence)

    def _switch_screen(self, number: int, *, alternate: bool) -> None:
        """Show the alternate screen or the main one, each as it was left.

        1047 clears the alternate screen as it is left, 1049 as it is entered, and either takes a pending wrap back (as
        in xterm); 1049 saves and restores the cursor too.
        """
        if number == SAVE_AND_SWITCH and alternate:
            self.save_cursor()
        if alternate and not self.on_alternate_screen:
            self._show_alternate(number)
        elif not alternate and self.on_alternate_screen:
            self._leave_alternate(number)
        if number == SAVE_AND_SWITCH and alternate:
            self._settle_wrap()
            self._clear(self._rows, self.cursor.style.erased, self._find_sizes)
        if number == SAVE_AND_SWITCH and not alternate:
            self.restore_cursor()

    def _show_alternate(self, number: int) -> None:
        page = self._alternate
        self._spend(2 * A_ROW * self.lines)
        if page is None:
            page = self._alternate = Page([Row(self.columns) for _ in range(self.lines)])
        page.shown_by = number
        self._show(page)

    def _leave_alternate(self, number: int) -> None:
        page = self._page
        cleared: Iterator[None] = iter(())
        if number == CLEARED_ON_LEAVING:
            self._settle_wrap()
            cleared = self._cleared(page.rows, self.cursor.style.erased)
        page.comes_back = number == _KEPT
        self._show(self._main)
        self._by_rows(chain(cleared, self._compacted(page.rows)))

    def _compacted(self, rows: list[Row]) -> Iterator[None]:
        for row in rows:
            self._spend(A_ROW + (self.columns if row.has_cells else 0))
            row.compact()
            yield

    def _show(self, page: Page) -> None:
        if self._row.size:
            self._settle_wrap()
        self._page, self._rows = page, page.rows
        self._find_sizes()
        self.dirty.mark_all()

    def define_charset(self, code: str, mode: str) -> None:
        """SCS: designate `code` to G0-G3 by the intermediate `mode`, one of ( ) * +."""
        slot = "()*+".find(mode[:1])
        charset = code if code in TRANSLATIONS else ASCII
        if slot >= 0 and self._charsets[slot] != charset:
            self._charsets[slot] = charset
            self._update_plain()

    def select_charset(self, slot: int) -> None:
        """SI, SO, LS2, LS3: take characters from G0-G3."""
        self.charset = slot
        self._update_plain()

    def select_right_charset(self, slot: int) -> None:
        """LS1R, LS2R, LS3R: for characters beyond ASCII, which in UTF-8 have no use for it."""
        self.charset_right = slot

    def shift_once(self, slot: int) -> None:
        """SS2, SS3: take the next character from G2 or G3."""
        self._single = slot
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
        self.settings.set_mode(_ORIGIN, private=True, on=self._origin)
        self._update_plain()

    def alignment_display(self) -> None:
        """DECALN; origin mode ends too."""
        super().alignment_display()
        self.settings.set_mode(_ORIGIN, private=True, on=False)

    def soft_reset(self) -> None:
        """DECSTR (DEC STD 070, D.3.5): modes, margins, pen and saved cursor, but neither contents nor position."""
        self._spend_on_settings()
        self.settings.soft_reset()
        self._origin = False
        self._reset_margins()
        self._protection = 0
        self._page.saved = SavedCursor()
        self._charsets, self.charset, self.charset_right = [ASCII] * 4, 0, _RIGHT
        self.cursor.style = DEFAULT_STYLE
        self._apply_modes()

    def set_conformance(self, level: int = 0, *_controls: int) -> None:
        """DECSCL, of which xterm's soft reset is heeded, and no level."""
        if level in _LEVELS:
            self.soft_reset()

    def push_keyboard(self, flags: int = 0) -> None:
        """Kitty's `CSI > flags u`."""
        self._page.keyboard.push(flags)

    def pop_keyboard(self, count: int = 0) -> None:
        """Kitty's `CSI < count u`."""
        self._page.keyboard.pop(count)

    def set_keyboard(self, flags: int = 0, how: int = 1) -> None:
        """Kitty's `CSI = flags ; how u`."""
        self._page.keyboard.set(flags, how)

    @property
    def cursor_shape(self) -> int:
        """DECSCUSR: 0 the terminal's own, 1-2 block, 3-4 underline, 5-6 bar; odd ones blink."""
        return self.settings.value(" q")

    @property
    def modify_other_keys(self) -> int:
        """XTMODKEYS, resource 4."""
        return self.settings.value(">m", "4")

    @property
    def charsets(self) -> tuple[str, ...]:
        """What G0 to G3 hold."""
        return tuple(self._charsets)

    @property
    def saved_cursor(self) -> SavedCursor:
        """What DECRC would bring back on this screen."""
        return self._page.saved

    @property
    def _marks_rectangles(self) -> bool:
        return self.settings.value("*x") == 2

    @property
    def protection(self) -> int:
        """Who protects cells from being erased: nobody (0), ISO (1), DEC (2)."""
        return self._protection

    @property
    def single_shift(self) -> int:
        """The set that the next character alone is from (SS2, SS3); 0 where there is none."""
        return self._single

    @property
    def keyboard_stack(self) -> tuple[int, ...]:
        """The flags of the kitty keyboard protocol on this screen, oldest first; never empty."""
        return tuple(self._page.keyboard.stack)

    @property
    def main_keyboard(self) -> Keyboard:
        """The keyboard flags of the main screen; not to be changed."""
        return self._main.keyboard

    @property
    def alternate_keyboard(self) -> Keyboard:
        """The keyboard flags of the alternate screen; not to be changed."""
        return self._alternate.keyboard if self._alternate is not None else Keyboard()

    @property
    def page(self) -> Page:
        """The screen that is shown; not to be changed."""
        return self._page

    @property
    def hidden_page(self) -> Page | None:
        """The screen that is not shown; None where there was no other yet."""
        return self._main if self.on_alternate_screen else self._alternate

    @property
    def main_rows(self) -> list[Row]:
        """The rows of the main screen, shown or not; not to be changed."""
        return self._main.rows

    @property
    def main_cursor(self) -> SavedCursor:
        """The main screen's cursor: where it is, or where 1049 left it while the alternate screen is shown."""
        if self.on_alternate_screen:
            return self._main.saved
        return self._cursor_to_save()
