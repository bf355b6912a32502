"""Printing characters: charsets, wrapping, insert mode, wide and combining characters."""

from collections.abc import Callable, Iterator
from itertools import chain, takewhile
from typing import Final

from omnyshell.terminal.screen.rectangles import Rectangles
from omnyshell.terminal.screen.rows import PADDED, WRAPPED, WRAPPED_BETWEEN_MARGINS, Cells
from omnyshell.terminal.screen.stretches import LateText
from omnyshell.terminal.screen.style import Style
from omnyshell.terminal.screen.work import A_ROW
from omnyshell.terminal.text.charsets import TRANSLATIONS, shown_in
from omnyshell.terminal.text.layout import MARK, MOST_IN_A_CELL, has_usual_marks
from omnyshell.terminal.text.widths import runs, width_of

_SHORT: Final = 16
"""Characters of a text that is put into cells at once: it takes no longer."""

_MIXED: Final = 20
"""What it costs to draw a character that is not ASCII, in cells."""


class Drawing(Rectangles):
    """A grid on which characters can be printed."""

    _insert: bool = False
    _autowrap: bool = True
    _plain: bool = True
    _is_simple: bool = True
    """Whether what fits the line can be put on it as it is."""

    _translated: Callable[[str], str] | None = None
    """How text looks that would be put on the screen as it is, but for its charset; None where there is more to it."""

    _joining: bool = False
    """Whether the next character may join what was printed last, though it is no mark."""
    _single: int = 0
    """The set of the next character alone (SS2, SS3); 0 where there is none."""

    def draw(self, data: str) -> None:
        """Print `data`, which has no control characters, at the cursor."""
        if self._single and data:
            data = self._draw_shifted(data)
        data = shown_in(self._charsets[self.charset], data)
        if self._joining and data:
            data = self._join(data)
        if data and self._layout.all_narrow(data):
            self._draw_narrow(data)
        elif data:
            self._draw_mixed(data)

    def draw_some(self, text: str) -> str:
        """Print `text`; between side margins, where each row may move all others, only as long as work is left to do.

        Return what was not printed.
        """
        if not self._narrowed:
            self.draw(text)
            return ""
        is_narrow = self._layout.all_narrow(text)
        while text:
            text = self._join_ahead(text)
            if not text or self._rows_left is not None:
                break
            self._wrap_ahead(text)
            if self._is_worked_out:
                break
            end = self._count_before_margin(is_narrow=is_narrow)
            while end < len(text) and self._layout.is_mark(text[end]):
                end += 1
            self.draw(text[:end])
            text = text[end:]
        return text

    def _join_ahead(self, text: str) -> str:
        """Put what joins the cell before the cursor into it one by one, as it may wrap then; return the rest."""
        has_joined = False
        while text and self._layout.widens and not self._single and self._rows_left is None:
            first = shown_in(self._charsets[self.charset], text[0])
            if self._layout.is_mark(first) and (has_joined or not width_of(first)):
                if self._joining:
                    self._end_joining()
                self._draw_mark(first)
            elif not (self._joining and self._joins(first)):
                break
            has_joined, text = True, text[1:]
        return text

    def _count_before_margin(self, *, is_narrow: bool) -> int:
        """How many characters surely fit before the margin; one at least, which may wrap."""
        x = self.cursor.x
        room = (self._right + 1 if x <= self._right else self.columns) - x
        return max(1, room if is_narrow else room // 2)

    def _wrap_ahead(self, text: str) -> None:
        """Carry out a wrap that comes before `text` and scrolls between side margins, which may take long, in steps."""
        if not self._autowrap or self.cursor.y != self._bottom or not width_of(text[0]):
            return
        if self._joining:
            if self._layout.joins(self._before_cursor(), text[0]):
                return
            self._end_joining()
        if not text[:2].isascii():
            self._pad_before(text)
        if self.cursor.x >= self.columns and self._left <= self._edge <= self._right:
            self._part_at_margin()
            self._move_between_margins(self._top, 1)

    def _pad_before(self, text: str) -> None:
        """Where a wide character comes next for which there is one column, put a blank there, behind which it wraps."""
        x = self.cursor.x
        end = self._end_of_room(x)
        if x + 1 == end and self._left < self._right and self._layout.columns_of(self._first_cell(text)) > 1:
            self._row.erase(x, end, self.cursor.style)
            self._advance(end, end)

    def _first_cell(self, text: str) -> str:
        marks = takewhile(self._layout.is_mark, text[1 : MOST_IN_A_CELL + 1])
        return text[0] + "".join(marks)

    def _draw_shifted(self, data: str) -> str:
        """Print the first character from the set of a single shift; return the others."""
        charset, self.charset = self.charset, self._single
        self._single = 0
        self.draw(data[0])
        self.charset = charset
        self._update_plain()
        return data[1:]

    def _draw_mixed(self, data: str) -> None:
        """Print text with wide or combining characters: in one run, if it fits the line."""
        layout = self._layout
        if len(data) > _SHORT and has_usual_marks(data) and self._put_later(data):
            return
        cells = layout.cells_of(data)
        if MARK not in "".join(cells):
            if self._put(cells):
                return
            if not has_usual_marks(data):
                for wide, narrow in runs(data):
                    self._draw_wide(wide) if wide else self._draw_narrow(narrow)
                return
        elif width_of(data[0]):
            cells = layout.merged(data)
            if self._put(cells):
                if layout.is_open(cells[-1] or cells[-2]):
                    self._begin_joining()
                return
        self._draw_slowly(data)

    def _put_later(self, text: str) -> bool:
        """Write text that is put into cells when somebody looks; return False, having done nothing, if it cannot be."""
        columns = self._layout.columns_at_a_glance(text) if self._is_simple and width_of(text[0]) else 0
        cursor = self.cursor
        x = cursor.x
        if not columns or x + columns > self.columns:
            return False
        row = self._rows[cursor.y]
        row.draw(x, LateText(text, columns, self._layout), cursor.style)
        row.wide = True
        cursor.x = x + columns
        return True

    def _put(self, cells: list[str]) -> bool:
        """Write cells as they are; return False, having done nothing, where they do not fit."""
        cursor = self.cursor
        end = cursor.x + len(cells)
        if end > self.columns or not self._is_simple:
            return False
        row = self._row
        row.wide = True
        row.runs.append((cursor.x, cells, cursor.style))
        cursor.x = end
        return True

    def _draw_slowly(self, text: str) -> None:
        """Print character by character, what joins into the cell before it."""
        layout = self._layout
        for at, character in enumerate(text):
            if layout.is_mark(character) and (at or not width_of(character)):
                self._draw_mark(character)
            elif not self._joining or not self._joins(character):
                draw = self._draw_wide if layout.columns_of(character) == 2 else self._draw_narrow
                draw(character)
                if layout.is_open(character):
                    self._begin_joining()

    def _join(self, data: str) -> str:
        """Put what joins the cell before the cursor into it; return the rest."""
        while data and self._joining and self._joins(data[0]):
            data = data[1:]
            while data and self._layout.is_mark(data[0]):
                self._draw_mark(data[0])
                data = data[1:]
        return data

    def _joins(self, character: str) -> bool:
        """Put a character that is no mark into the cell before the cursor; return False where it does not join."""
        self._end_joining()
        layout, before = self._layout, self._before_cursor()
        if not before or not layout.joins(before, character):
            return False
        self._extend(character)
        if layout.is_open(before + character):
            self._begin_joining()
        return True

    def _end_joining(self) -> None:
        """Note that a control function came after a joiner, so that the next character does not join."""
        self._joining = False
        self._update_plain()

    def _set_side_margins(self, left: int, right: int) -> None:
        super()._set_side_margins(left, right)
        self._update_plain()

    def _update_plain(self) -> None:
        """Note whether ASCII text can be put on the screen as it is, as far as it fits the line."""
        is_simple = self._is_simple = not (self._insert or self._narrowed or self._has_sizes)
        self._plain = is_simple and not (self._joining or self._single)
        self._translated = None
        if self._plain and (translated := TRANSLATIONS.get(self._charsets[self.charset])):
            self._plain, self._translated = False, translated

    def _draw_narrow(self, text: Cells) -> None:
        """Print characters, or clusters, of one column."""
        cursor, columns = self.cursor, self.columns
        at, size = 0, len(text)
        while at < size:
            if cursor.x >= columns:
                if not self._autowrap:
                    self._overprint_last(text[-1:])
                    return
                self._wrap()
            x = cursor.x
            # Narrow characters up to the margin, or from beyond it up to the edge.
            end = columns if x > self._right else self._right + 1
            row = self._rows[cursor.y]
            if self._has_sizes and (end := min(end, row.room)) <= x:
                return
            # What is left of the margin moves nothing.
            part = text[at : at + (self._left if self._insert and x < self._left else end) - x]
            count = len(part)
            if self._insert and x >= self._left:
                row.insert(x, count, cursor.style.erased, end)
            row.runs.append((x, part, cursor.style))
            x += count
            if x < end:
                cursor.x = x
            else:
                cursor.x, self._edge = columns, end - 1
            at += count

    def _advance(self, x: int, end: int) -> None:
        """Put the cursor on column `x`; at `end` a wrap is pending."""
        if x < end:
            self.cursor.x = x
        else:
            self.cursor.x, self._edge = self.columns, end - 1

    def _overprint_last(self, character: Cells) -> None:
        """Print into the last column: without autowrap (DECAWM reset) it takes each further character."""
        self._row.runs.append((self._edge, character, self.cursor.style))

    def _draw_wide(self, text: Cells) -> None:
        """Print characters, or clusters, of two columns; what does not fit before the margin wraps, behind a blank."""
        cursor, columns = self.cursor, self.columns
        at, size = 0, len(text)
        while at < size and columns > 1:
            x = cursor.x
            end = self._end_of_room(x)
            if x + 2 > end:
                if not self._autowrap or end <= x < columns:
                    return
                self._row.erase(x, end, cursor.style)
                fills = x < columns
                if fills:
                    self._advance(end, end)
                self._wrap(PADDED if fills else WRAPPED)
                x = cursor.x
                end = self._end_of_room(x)
                if x + 2 > end:
                    return
            count = (end - x) // 2
            if self._insert and x < self._left:
                count = min(count, (self._left - x + 1) // 2)
            part = text[at : at + count]
            cells = [""] * (2 * len(part))
            cells[::2] = part
            row = self._rows[cursor.y]
            if self._insert and x >= self._left:
                row.insert(x, len(cells), cursor.style.erased, end)
            row.wide = True
            row.runs.append((x, cells, cursor.style))
            self._advance(x + len(cells), end)
            at += len(part)

    def _end_of_room(self, x: int) -> int:
        """The column before which characters at `x` have to end."""
        end = self.columns if x > self._right else self._right + 1
        return min(end, self._row.room) if self._has_sizes and x < self.columns else end

    def _draw_mark(self, mark: str) -> None:
        """Join a mark to the cell before the cursor; without one it vanishes (as in tmux)."""
        if self.cursor.x == 0:
            return
        if self._layout.is_open(self._extend(mark)):
            self._begin_joining()

    def _begin_joining(self) -> None:
        self._joining = True
        self._update_plain()

    @property
    def column_behind(self) -> int:
        """The column behind what was printed last: that of the cursor, or behind the margin while a wrap is pending."""
        return self.cursor.x if self.cursor.x < self.columns else self._edge + 1

    def _before_cursor(self) -> str:
        """The whole cell before the cursor, which may be wide; "" if the cursor is in the first column."""
        x = self.column_behind
        return self._row.cells[self._column_before(x)] if x else ""

    def _extend(self, character: str) -> str:
        """Join a character to the cell before the cursor, unless it is full, or would be wider than there is room.

        Return what the cell has then.
        """
        row, behind = self._row, self.column_behind
        at = self._column_before(behind)
        joined = row.cells[at] + character
        if len(joined) > MOST_IN_A_CELL:
            return row.cells[at]
        if self._layout.widens and self._layout.columns_of(joined) > behind - at:
            return joined if self._widen(joined, at) else row.cells[at]
        row.append_to_cell(at, character, MOST_IN_A_CELL)
        return joined

    def _widen(self, cluster: str, at: int) -> bool:
        """Print a cluster in place of the cell at `at`, in two columns; return False where there is no room for it.

        At the margin it goes to the next line, as a wide character does.
        """
        row, cursor = self._row, self.cursor
        end, widened = self._end_of_room(at), True
        pen, cursor.style = cursor.style, row.styles[at]
        if at + 2 <= end:
            if self._insert and at >= self._left:
                row.insert(at + 1, 1, pen.erased, end)
            row.wide = True
            row.runs.append((at, (cluster, ""), cursor.style))
            self._advance(at + 2, end)
        elif self._autowrap and end > 1 and cursor.x >= self.columns:
            cursor.x = at
            if self._narrowed and cursor.y == self._bottom and self._left <= at <= self._right:
                self._widen_below(cluster, at, end)
            else:
                self._draw_wide((cluster,))
        else:
            widened = False
        cursor.style = pen
        return widened

    def _widen_below(self, cluster: str, at: int, end: int) -> None:
        """Print a cluster in the line that scrolls in between side margins for it, which is done in steps."""
        self._row.erase(at, end, self.cursor.style)
        self._part_at_margin()
        scrolled = self._moved_between_margins(self._top, 1)
        self._by_rows(chain(scrolled, self._printed_wide(cluster, self.cursor.style)))

    def _printed_wide(self, cluster: str, style: Style) -> Iterator[None]:
        pen, self.cursor.style = self.cursor.style, style
        self._draw_wide((cluster,))
        self.cursor.style = pen
        yield

    def _part_at_margin(self) -> None:
        """Go to the start of the line that is to scroll in between side margins."""
        self._row.wrapped = WRAPPED_BETWEEN_MARGINS
        self._row.joined = False
        self.cursor.x = self._left

    def _column_before(self, x: int) -> int:
        return x - 1 if x == 1 or self._row.cells[x - 1] else x - 2

    def _wrap(self, how: int = WRAPPED) -> None:
        apart = self._narrowed or self._row.size
        self._row.wrapped = WRAPPED_BETWEEN_MARGINS if apart else how
        self.index()
        # What is printed next comes into the row that scrolled in.
        self._finish_rows()
        self._row.joined = not apart
        self.cursor.x = self._left

    def repeat(self, character: str, count: int) -> int:
        """REP (ECMA-48 8.3.103): print `character` again, at most a screenful; return how often is left to be done."""
        width = self._right - self._left + 1
        # What joins is one cell, which is full at some time.
        most = MOST_IN_A_CELL if self._layout.stacks(character) else width * self.lines
        count = min(count, most)
        while count:
            # Halves of flags join in pairs: none is left over, so that the rest can be put off.
            part = min(count, width - (self._joining and width % 2 == 0))
            if self._narrowed and not self._joining:
                self._wrap_ahead(character)
                if self._is_worked_out:
                    break
                part = min(part, self._count_before_margin(is_narrow=self._layout.all_narrow(character)))
            self.draw(character * part)
            count -= part
            self._spend(A_ROW + part * (1 if character.isascii() else _MIXED * len(character)))
            if self._is_worked_out and not self._joining:
                break
        return count
