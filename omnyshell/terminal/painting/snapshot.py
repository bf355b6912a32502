"""Snapshots of a screen with its modes and unfinished input: bytes that repaint them, text, or a comparable value."""

from typing import Any, Final

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.painter import Painter
from omnyshell.terminal.screen.modes import (
    APPLICATION_CURSOR,
    APPLICATION_KEYPAD,
    AUTOWRAP,
    BRACKETED_PASTE,
    DEFAULT_MODES,
    FOCUS_EVENTS,
    INSERT,
    MOUSE_ENCODING,
    MOUSE_TRACKING,
    NEWLINE,
    ORIGIN,
    PRIVATE,
    REVERSE_SCREEN,
    SHOW_CURSOR,
    SYNCHRONIZED,
)
from omnyshell.terminal.screen.page import SavedCursor
from omnyshell.terminal.screen.style import DEFAULT_STYLE
from omnyshell.terminal.text.charsets import TRANSLATIONS
from omnyshell.terminal.text.widths import width_of

# Modes that are always painted, on or off, because another program may have changed them. Origin and insert mode are
# not among them: a soft reset turns them off, and they are turned on when everything is painted.
_STATED: Final = (
    (APPLICATION_CURSOR, REVERSE_SCREEN, FOCUS_EVENTS, BRACKETED_PASTE, *tuple(sorted(MOUSE_TRACKING | MOUSE_ENCODING)))
)  # fmt: skip

# Not painted: with this mode on, a terminal would show nothing until the program ended its frame.
_NOT_PAINTED: Final = frozenset((SYNCHRONIZED,))

_SOFT_RESET: Final = "\x1b[!p\x1b[?7h\x1b[?25l\x1b[r\x1b(B\x0f\x1b]8;;\x1b\\\x1b[m"


def paint(screen: Emulator) -> bytes:
    """Return the bytes that bring any terminal of the same size to the state of `screen`: a few KB.

    For the alternate screen they begin with `ESC[?1049h` and have nothing of the main screen
    (docs/protocol.md#detached-sessions); paint again when the program leaves it (see `feed_until_main`). The start of
    an unfinished sequence comes last, so that the live bytes that follow complete it.
    """
    painter = Painter()
    painter.add("\x1b[?1049h" if screen.on_alternate_screen else "\x1b[?1049l", _SOFT_RESET)
    painter.add(*(_switch(mode, on=False) for mode in _STATED if mode not in screen.mode))
    painter.add("\x1b[H\x1b[2J")
    painter.rows(screen.rows)
    painter.saved_cursor(screen.saved_cursor, screen.rows)
    _paint_settings(painter, screen)
    _paint_cursor(painter, screen)
    return painter.text.encode() + screen.unfinished


def paint_main(screen: Emulator) -> bytes:
    """Return the bytes that repaint contents and cursor of the main screen, as after leaving the alternate one.

    They are for a terminal that shows its main screen, while `screen` may still show the alternate one.
    """
    painter = Painter()
    rows, saved = screen.main_rows, screen.main_cursor
    painter.add("\x1b[r\x1b[?6l\x1b[m\x1b[H\x1b[2J")
    painter.rows(rows)
    painter.saved_cursor(saved, rows)
    painter.add("\x1b8")
    return painter.text.encode()


def reset_sequence(screen: Emulator) -> bytes:
    """Return the bytes that undo all that the program changed in a terminal that shows `screen`; b"" if nothing.

    For the end of a session in the user's own terminal. Contents and title are left alone.
    """
    parts = []
    if screen.keyboard_flags or screen.keyboard_depth:
        parts.append(f"\x1b[=0;1u\x1b[<{screen.keyboard_depth}u" if screen.keyboard_depth else "\x1b[=0;1u")
    if screen.on_alternate_screen:
        parts.append("\x1b[?1049l")
    parts += [_switch(mode, on=mode in DEFAULT_MODES) for mode in sorted(screen.mode ^ DEFAULT_MODES, reverse=True)]
    if screen.modify_other_keys:
        parts.append("\x1b[>4m")
    if screen.cursor_shape:
        parts.append("\x1b[0 q")
    if screen.margins:
        parts.append("\x1b7\x1b[r\x1b8")
    if screen.charsets != SavedCursor().charsets or screen.charset:
        parts.append("\x1b(B\x1b)B\x0f")
    if screen.cursor.style.look.link:
        parts.append("\x1b]8;;\x1b\\")
    if screen.cursor.style != DEFAULT_STYLE:
        parts.append("\x1b[0m")
    return "".join(parts).encode()


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
    return (
        (screen.columns, screen.lines, screen.on_alternate_screen, screen.margins, frozenset(screen.tabstops)),
        tuple((tuple(row.cells), tuple(row.styles)) for row in screen.rows),
        (cursor.x, cursor.y, cursor.style, screen.charsets, screen.charset, screen.saved_cursor),
        (frozenset(screen.mode - _NOT_PAINTED), screen.cursor_shape, screen.modify_other_keys, screen.keyboard_stack),
        (screen.title, screen.titles),
    )


def _switch(mode: int, *, on: bool) -> str:
    if mode == APPLICATION_KEYPAD:
        return "\x1b=" if on else "\x1b>"
    letter = "h" if on else "l"
    return f"\x1b[{mode}{letter}" if mode in (INSERT, NEWLINE) else f"\x1b[?{mode >> PRIVATE}{letter}"


def _paint_settings(painter: Painter, screen: Emulator) -> None:
    painter.add("\x1b[3g", *(f"\x1b[{x + 1}G\x1bH" for x in sorted(screen.tabstops)))
    for title in screen.titles:
        painter.add(f"\x1b]2;{title}\x1b\\\x1b[22;2t")
    painter.add(f"\x1b]2;{screen.title}\x1b\\" if screen.title or screen.titles else "")
    if screen.modify_other_keys:
        painter.add(f"\x1b[>4;{screen.modify_other_keys}m")
    base, *pushed = screen.keyboard_stack
    painter.add(f"\x1b[={base};1u" if base else "", *(f"\x1b[>{flags}u" for flags in pushed))
    painter.add(f"\x1b[{screen.cursor_shape} q")
    late = {INSERT, ORIGIN, *_NOT_PAINTED}
    painter.add(*(_switch(mode, on=True) for mode in sorted(screen.mode - DEFAULT_MODES - late)))
    if screen.margins:
        painter.add(f"\x1b[{screen.margins.top + 1};{screen.margins.bottom + 1}r")
    if ORIGIN in screen.mode:
        painter.add(_switch(ORIGIN, on=True))


def _paint_cursor(painter: Painter, screen: Emulator) -> None:
    """Place the cursor last, since a pending wrap and the character of REP do not survive what follows."""
    cursor = screen.cursor
    row = screen.rows[cursor.y]
    y = cursor.y - (screen.margins.top if screen.margins and ORIGIN in screen.mode else 0)
    last = _printed_last(screen)
    if not last and cursor.x >= screen.columns:
        painter.cell(row, y, cursor.x)
    elif not last:
        painter.move(y, cursor.x)
    painter.add(*(_switch(mode, on=False) for mode in (AUTOWRAP,) if mode not in screen.mode))
    painter.add(*(_switch(mode, on=True) for mode in (INSERT, SHOW_CURSOR) if mode in screen.mode))
    painter.charsets(screen.charsets, screen.charset)
    if last:
        painter.move(y, _column_before_cursor(screen))
    painter.style(cursor.style)
    painter.add(last)


def _column_before_cursor(screen: Emulator) -> int:
    x = screen.cursor.x
    return x - 1 if x == 1 or screen.rows[screen.cursor.y].cells[x - 1] else x - 2


def _printed_last(screen: Emulator) -> str:
    """The character to print last of all, because REP or the rest of a joined character may follow; "" if none."""
    cursor = screen.cursor
    if not screen.printed or cursor.x == 0 or INSERT in screen.mode:
        return ""
    cells, styles = screen.rows[cursor.y].settle()
    column = _column_before_cursor(screen)
    if styles[column] != cursor.style:
        return ""
    if not width_of(screen.printed):
        return cells[column]
    shown = screen.printed.translate(TRANSLATIONS.get(screen.charsets[screen.charset], {}))
    return screen.printed if cells[column] == shown else ""
