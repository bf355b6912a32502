"""Snapshots of a screen with its modes and unfinished input: bytes that repaint them, text, or a comparable value."""

import math
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any, Final

from omnyshell.model.sessions import Widths
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.fitting import fits
from omnyshell.terminal.painting.painter import Painter
from omnyshell.terminal.painting.titles import titles
from omnyshell.terminal.screen.editing import ISO
from omnyshell.terminal.screen.page import Page, SavedCursor
from omnyshell.terminal.screen.style import DEFAULT_STYLE, PROTECTED
from omnyshell.terminal.screen.work import finished
from omnyshell.terminal.state.table import (
    AUTOWRAP,
    CLUSTERS,
    INSERT,
    ORIGIN,
    SAVE_AND_SWITCH,
    SHOW_CURSOR,
    SIDE_MARGINS,
    switch,
)
from omnyshell.terminal.state.undoing import Leftovers
from omnyshell.terminal.text.charsets import ASCII, shown_in
from omnyshell.terminal.text.layout import LAYOUTS, Layout
from omnyshell.terminal.text.widths import width_of

_SOFT_RESET: Final = "\x1b[!p\x1b[?7h\x1b[?25l\x1b[r\x1b(B\x0f\x1b]8;;\x1b\\\x1b[m"
_SINGLE_SHIFTS: Final = {0: "", 2: "\x1bN", 3: "\x1bO"}


def paint(screen: Emulator, *, again: bool = False, same_size: bool = False) -> bytes:
    """Return the bytes that bring any terminal of the same size to the state of `screen`: a few KB.

    A larger one shows the same in its corner, unless `same_size` promises that there is none: then lines are wrapped by
    the terminal, which wraps them anew at another width, and its own tab stops beyond the screen stay.

    For the alternate screen they begin with `ESC[?1049h` and have nothing of the main screen
    (docs/protocol.md#detached-sessions); paint again when the program leaves it (see `paint_main`). The start of
    an unfinished sequence comes last, so that the live bytes that follow complete it. `again` says that the terminal
    has followed this program before: what was pushed onto a stack is there.
    """
    painted = finished(painting(screen, again=again, same_size=same_size))
    return painted if painted is not None else b""


def painting(
    screen: Emulator, *, again: bool = False, same_size: bool = False, most: float = math.inf
) -> Generator[None, None, bytes | None]:
    """Paint as `paint` does, a row a step; stop where there would be more than `most` bytes, and return None.

    The screen may not change before the last step.
    """
    is_clustered = CLUSTERS in screen.mode and not (yield from _is_of_before(screen))
    painter = Painter(_layout_of_terminal(screen) if is_clustered else LAYOUTS[screen.widths])
    for _ in _painted(painter, screen, again=again, same_size=same_size, is_clustered=is_clustered):
        if painter.size > most:
            return None
        yield
    painted = (yield from painter.encoding()) + screen.unfinished
    return painted if len(painted) <= most else None


def _painted(painter: Painter, screen: Emulator, *, again: bool, same_size: bool, is_clustered: bool) -> Iterator[None]:
    painter.add("\x1b[?1049h" if screen.on_alternate_screen else "\x1b[?1049l")
    painter.add(screen.settings.stated(alternate=screen.on_alternate_screen), _SOFT_RESET)
    painter.add(switch(CLUSTERS, on=True) if is_clustered else "")
    if not screen.on_alternate_screen and screen.hidden_page is not None:
        yield from _paint_hidden(painter, screen.hidden_page, again=again)
    painter.add("\x1b[H\x1b[2J")
    yield from painter.rows(screen.rows, same_size=same_size)
    if screen.protection:
        # Whoever protects cells has said so, even where none of them is on the screen.
        painter.add('\x1b[0"q' if not painter.pen.is_protected else "")
    else:
        # Protection is off, but the pen may have it still. It is painted without, as that would switch it on.
        if painter.protects:
            painter.start_anew(_SOFT_RESET)
        painter.may_protect = False
    painter.saved_cursor(screen.saved_cursor, screen.rows)
    painter.sizes(screen.rows)
    painter.add("" if same_size and screen.has_default_tab_stops else _tab_stops(screen))
    _paint_settings(painter, screen, again=again)
    _paint_cursor(painter, screen)


def paint_main(screen: Emulator) -> bytes:
    """Return the bytes that repaint contents and cursor of the main screen, as after leaving the alternate one.

    They are for a terminal that shows its main screen, while `screen` may still show the alternate one.
    """
    return finished(painting_main(screen))


def painting_main(screen: Emulator, *, again: bool = False) -> Generator[None, None, bytes]:
    """Paint as `paint_main` does, a row a step; the screen may not change before the last one.

    `again` says that what was pushed onto that screen's stack is there.
    """
    painter = Painter(_layout_of_terminal(screen), wrapping=AUTOWRAP in screen.mode)
    rows, saved = screen.main_rows, screen.main_cursor
    painter.add("\x1b[r\x1b[?6l\x1b[m\x1b[H\x1b[2J")
    yield from painter.rows(rows, same_size=True)
    painter.saved_cursor(saved, rows)
    painter.sizes(rows)
    painter.add(screen.main_keyboard.painted(again=again), "\x1b8")
    return (yield from painter.encoding())


def _is_of_before(screen: Emulator) -> Generator[None, None, bool]:
    """Find whether all that is shown may have been written before the program asked for clusters: it fits without."""
    hidden = screen.hidden_page
    rows = chain(screen.rows, hidden.rows if hidden is not None else ())
    for row in rows:
        if not fits(row.cells, LAYOUTS[screen.widths]):
            return False
        yield
    return True


def _layout_of_terminal(screen: Emulator) -> Layout:
    """How the terminal lays text out that is painted; one that counts each character alone knows no clusters."""
    clusters = CLUSTERS in screen.mode and screen.widths is not Widths.SEPARATE
    return LAYOUTS[Widths.CLUSTERS if clusters else screen.widths]


def _paint_hidden(painter: Painter, page: Page, *, again: bool) -> Iterator[None]:
    """What is kept of the alternate screen while the main one is shown: cursor and keys; contents for mode 47 alone."""
    keyboard = "" if again else page.keyboard.painted(again=False)
    rows = page.rows if page.comes_back and _has_contents(page) else []
    if not keyboard and not rows and page.saved == SavedCursor():
        return
    painter.add("\x1b[?47h\x1b[H\x1b[2J")
    yield from painter.rows(rows, same_size=False)
    painter.saved_cursor(page.saved, page.rows)
    painter.sizes(rows)
    painter.style(DEFAULT_STYLE)
    # To have a wrap saved with the cursor takes a character.
    painter.add("" if rows else "\x1b[2J", keyboard, "\x1b[?47l")


def _has_contents(page: Page) -> bool:
    blank = [DEFAULT_STYLE] * page.rows[0].width
    return any(row.size or row.styles != blank or any(cell != " " for cell in row.cells) for row in page.rows)


def reset_sequence(screen: Emulator) -> bytes:
    """Return the bytes that undo all that the program changed in a terminal that shows `screen`; b"" if nothing.

    For the end of a session in the user's own terminal. Contents and title are left alone, but for titles that were put
    aside.
    """
    look = screen.cursor.style.look
    alternate = screen.page.shown_by if screen.on_alternate_screen else 0
    # What 1049 brings back is left as well.
    back = screen.main_cursor if alternate == SAVE_AND_SWITCH else SavedCursor()
    charsets = zip("()*+", screen.charsets, back.charsets, strict=True)
    left = Leftovers(
        settings=screen.settings,
        alternate=alternate,
        main=screen.main_keyboard,
        other=screen.alternate_keyboard,
        titles=[pushed.which for pushed in screen.titles],
        margins=screen.margins is not None,
        tab_stops=not screen.has_default_tab_stops,
        origin=back.origin,
        charsets="".join(f"\x1b{slot}B" for slot, *held in charsets if held != [ASCII, ASCII]),
        shifted=screen.charset != 0 or back.charset != 0,
        shifted_right={screen.charset_right, back.charset_right} != {SavedCursor().charset_right},
        link=bool(look.link or back.style.look.link),
        protected=screen.cursor.style.is_protected or back.style.is_protected,
        styled=look._replace(link="", flags=look.flags & ~PROTECTED) != DEFAULT_STYLE.look,
    )
    return left.undone.encode()


def plain_text(screen: Emulator) -> str:
    """Return the text that is shown, each line ended by LF, without trailing blanks and empty lines at the end."""
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)


def state(screen: Emulator) -> tuple[Any, ...]:
    """Return a value that is equal for screens that show the same and react alike to further input.

    It has nothing of the main screen while the alternate one is shown, and nothing of an unfinished sequence.
    """
    cursor = screen.cursor
    hidden = None if screen.on_alternate_screen else screen.hidden_page
    return (
        (screen.columns, screen.lines, screen.on_alternate_screen, screen.margins, screen.side_margins),
        (frozenset(screen.tabstops), screen.protection),
        _contents(screen.page),
        (
            cursor.x,
            screen.cursor_column,
            cursor.y,
            cursor.style,
            screen.charsets,
            screen.charset,
            screen.charset_right,
            screen.single_shift,
        ),
        (screen.saved_cursor, screen.settings.state, screen.keyboard_stack),
        (screen.title, screen.icon_name, screen.titles),
        _hidden_state(hidden) if hidden is not None else _hidden_state(Page([])),
    )


def _hidden_state(page: Page) -> tuple[Any, ...]:
    contents = _contents(page) if page.comes_back and _has_contents(page) else ()
    return (page.saved, tuple(page.keyboard.stack), contents)


def _contents(page: Page) -> tuple[Any, ...]:
    return tuple((tuple(row.cells), tuple(row.styles), row.size) for row in page.rows)


def _tab_stops(screen: Emulator) -> str:
    return "".join(("\x1b[3g", *(f"\x1b[{x + 1}G\x1bH" for x in sorted(screen.tabstops))))


def _paint_settings(painter: Painter, screen: Emulator, *, again: bool) -> None:
    painter.add(*titles(screen, again=again))
    painter.add(screen.page.keyboard.painted(again=again))
    painter.add(screen.settings.painted)
    painter.add(switch(SIDE_MARGINS, on=True) if SIDE_MARGINS in screen.mode else "")
    if screen.side_margins:
        left, right = screen.side_margins
        painter.add(f"\x1b[{left + 1};{right + 1}s")
    if screen.margins:
        painter.add(f"\x1b[{screen.margins.top + 1};{screen.margins.bottom + 1}r")
    if ORIGIN in screen.mode:
        painter.add(switch(ORIGIN, on=True))
        painter.origin = (screen.margins.top if screen.margins else 0, (screen.side_margins or (0, 0))[0])


def _paint_cursor(painter: Painter, screen: Emulator) -> None:
    """Place the cursor last, since a pending wrap and the character of REP do not survive what follows."""
    cursor = screen.cursor
    y, last = cursor.y, _printed_last(screen)
    if not last and cursor.x >= screen.columns:
        painter.cell(screen.rows[y], y, _column_of_wrap(screen))
    elif not last:
        painter.move(y, cursor.x)
    painter.add(*(switch(mode, on=False) for mode in (AUTOWRAP,) if mode not in screen.mode))
    painter.add(*(switch(mode, on=True) for mode in (INSERT, SHOW_CURSOR) if mode in screen.mode))
    painter.charsets(screen.charsets, screen.charset, screen.charset_right)
    if last:
        painter.move(y, _column_before_cursor(screen))
    painter.style(cursor.style)
    if screen.protection == ISO:
        painter.add("\x1bV" if cursor.style.is_protected else "\x1bV\x1bW")
    painter.add(last, _SINGLE_SHIFTS[screen.single_shift])


def _column_of_wrap(screen: Emulator) -> int:
    """The column before which a wrap is pending; the last, where a row of another size was scrolled away under it."""
    room, right = screen.rows[screen.cursor.y].room, (screen.side_margins or (0, screen.columns - 1))[1]
    return screen.column_behind if screen.column_behind in (room, right + 1) else screen.columns


def _column_before_cursor(screen: Emulator) -> int:
    x = screen.column_behind
    return x - 1 if x == 1 or screen.rows[screen.cursor.y].cells[x - 1] else x - 2


def _printed_last(screen: Emulator) -> str:
    """The character to print last of all, because REP or the rest of a joined character may follow; "" if none."""
    cursor = screen.cursor
    if not screen.printed or cursor.x == 0 or INSERT in screen.mode or screen.single_shift:
        return ""
    row = screen.rows[cursor.y]
    if row.size and cursor.x < screen.columns and cursor.x >= row.room:
        # Where nothing can be written any more, though a mark may join what is before.
        return ""
    cells, styles = row.settle()
    column = _column_before_cursor(screen)
    cell = cells[column]
    is_exact = len(_layout_of_terminal(screen).laid_out(cell)) == screen.column_behind - column
    if styles[column] != cursor.style or not is_exact:
        return ""
    if not width_of(screen.printed) or (len(cell) > 1 and cell.endswith(screen.printed)):
        return cell
    shown = shown_in(screen.charsets[screen.charset], screen.printed)
    return screen.printed if cell == shown else ""
