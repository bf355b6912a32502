"""Printing text with SGR sequences in it."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from omnyshell.terminal.screen.drawing import Drawing
from omnyshell.terminal.screen.late import find_direct_colour, late_style
from omnyshell.terminal.screen.sgr import DIRECT, effect_of
from omnyshell.terminal.screen.stretches import (
    Stretch,
    after_sgr,
    comes_again,
    learnt_stretch,
    pen_after,
    split_at_sgr,
    stretch_of,
)

_MOST_PARTS: Final = 8
"""Parts of a stretch for a column, beyond which it is no use to keep it as it came."""

_FEW_PARTS: Final = 17
"""Parts of a stretch that are written one by one faster than they are kept together."""


class Colouring(Drawing):
    """A grid on which text can be printed with its colours."""

    def draw_stretch(self, text: str) -> tuple[str, str]:
        """Print text with SGR sequences in it, as long as work is left to do.

        Return its last piece of text, which may be empty, and what was not printed.
        """
        found = self._plain and find_direct_colour(text)
        if found:
            before, sequence, ground, shown = found.groups()
            self._draw_direct(before, sequence, ground, shown)
            return shown, ""
        parts = split_at_sgr(text)
        is_direct = parts[1].startswith(DIRECT)
        if not self._plain or (len(parts) <= _FEW_PARTS and not is_direct and not comes_again(text)):
            return parts[-1], self._draw_parts(parts)
        stretch = learnt_stretch(text, parts) or Stretch(text, parts, "".join(parts[::2]))
        cursor = self.cursor
        x, style = cursor.x, cursor.style
        end = x + stretch.width
        if not stretch.is_narrow or len(parts) > _MOST_PARTS * (stretch.width + 1):
            return parts[-1], self._draw_parts(parts)
        if end <= self.columns:
            if end > x:
                self._rows[cursor.y].draw(x, stretch, style)
                cursor.x = end
            cursor.style = pen_after(style, parts[1::2])
        elif self._autowrap:
            self._draw_wrapped(parts)
        else:
            self._draw_parts(parts)
        return stretch.last, ""

    def _draw_direct(self, before: str, sequence: str, ground: str, shown: str) -> None:
        """Print text around a sequence that chooses a direct colour, as nothing else is to be heeded."""
        cursor, columns = self.cursor, self.columns
        style = cursor.style
        runs = self._rows[cursor.y].runs
        if before:
            end = cursor.x + len(before)
            if end <= columns and before.isascii():
                runs.append((cursor.x, before, style))
                cursor.x = end
            else:
                self.draw(before)
                if self._joining:
                    self._end_joining()
                runs = self._rows[cursor.y].runs
        cursor.style = style = late_style(style, sequence, ground)
        if shown:
            end = cursor.x + len(shown)
            if end <= columns and shown.isascii():
                runs.append((cursor.x, shown, style))
                cursor.x = end
            else:
                self.draw(shown)

    def _draw_parts(self, parts: list[str]) -> str:
        """Print texts and obey the sequences between them; return what was not printed."""
        cursor, columns, style = self.cursor, self.columns, self.cursor.style
        narrow, all_narrow = self._layout.narrow_texts, self._layout.all_narrow
        is_text = False
        for at, part in enumerate(parts):
            is_text = not is_text
            if not part:
                continue
            if not is_text:
                cursor.style = style = style.transitions.get(part) or after_sgr(style, part)
                if self._joining:
                    self._end_joining()
                continue
            x = cursor.x
            if x + len(part) <= columns and (self._plain or self._translated):
                shown = part if self._plain or self._translated is None else self._translated(part)
                if shown.isascii() or shown in narrow or all_narrow(shown):
                    self._rows[cursor.y].runs.append((x, shown, style))
                    cursor.x = x + len(part)
                    continue
            left = self.draw_some(part)
            if left or self._rows_left is not None:
                return left + "".join(parts[at + 1 :])
        return ""

    def _draw_wrapped(self, whole: Sequence[str]) -> None:
        """Print narrow texts, with the sequences between them, that go beyond the end of the line."""
        # What was given may be remembered with the text.
        parts = list(whole)
        cursor, columns = self.cursor, self.columns
        ends = list(accumulate(map(len, parts[::2])))
        done = at = 0
        while True:
            room = columns - min(cursor.x, columns)
            # The first text that goes on in the next line, and how much of it does not.
            number = bisect_right(ends, done + room)
            here, rest = parts[at : 2 * number], ""
            if number < len(ends):
                text = parts[2 * number]
                cut = len(text) - (ends[number] - done - room)
                here, rest = [*here, text[:cut]], text[cut:]
            width = min(room, ends[-1] - done)
            if width:
                self._rows[cursor.y].draw(cursor.x, stretch_of(here), cursor.style)
                cursor.x += width
                self._edge = columns - 1
            cursor.style = pen_after(cursor.style, here[1::2])
            if not rest:
                return
            self._wrap()
            done += width
            at = 2 * number
            parts[at] = rest

    def select_graphic_rendition(self, *codes: int, private: bool = False, **_other: Any) -> None:
        """SGR by its parameters, as pyte's own streams call it."""
        sequence = f"\x1b[{';'.join(map(str, codes))}m"
        effect = None if private else effect_of(sequence)
        if effect is not None:
            self.cursor.style = self.cursor.style.after(sequence, effect)
