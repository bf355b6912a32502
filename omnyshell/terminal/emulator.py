"""The emulator: bytes in, a screen out. No I/O, no clock."""

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from omnyshell.model.sessions import Widths
from omnyshell.terminal.history.history import History
from omnyshell.terminal.screen.sgr import number
from omnyshell.terminal.screen.stretches import known_stretch, split_at_sgr
from omnyshell.terminal.screen.work import A_ROW, UNBOUNDED
from omnyshell.terminal.sequences.functions import NOTHING, Action, action_of, known_action
from omnyshell.terminal.sequences.kinds import CHANGES, PLACES, RETURNS, SETS
from omnyshell.terminal.sequences.osc import HEAD, LONGEST_STRING
from omnyshell.terminal.sequences.reports import Reports
from omnyshell.terminal.sequences.tokens import (
    LONGEST_SEQUENCE,
    bring_out_controls,
    expand_c1,
    grammar_of,
    hides_control,
    is_palette,
    osc_end,
    string_end,
)
from omnyshell.terminal.state.settings import Settings
from omnyshell.terminal.text.widths import width_of

_PIECE: Final = 16 * 1024
SETTLED: Final = 4096
"""What a step of settling the history costs, in cells."""

_LONGEST_REPLAYED: Final = 4096
_STRINGS: Final = frozenset("]PX^_k")
_TOLD: Final = frozenset("]k")
"""Strings whose payload is of use."""

_CONTROLS: Final = "".join(map(chr, (*range(0x20), 0x7F)))
_plain_csi_at: Final = re.compile(r"\x1b\[([0-9:;]*)([@-~])").match
_plain_csi: Final = re.compile(r"\x1b\[([0-9:;]*)([@-~])").fullmatch
_decoder = codecs.getincrementaldecoder("utf-8")


class Emulator(Reports):
    """A terminal of `columns` by `lines` cells that follows what a program writes.

    It has the interface of a pyte screen (`buffer`, `display`, `cursor`, `dirty`, `mode`, `title`, `resize`) and of its
    stream. `scrollback` is how many lines are kept that scroll off the top of the main screen. With `answering`,
    answers to device queries are returned by `take_replies`. `term` is the program's TERM, which some sequences depend
    on (`Grammar`), `widths` how the terminal counts columns, which a program may change (mode 2027). What is no UTF-8
    is shown as U+FFFD, one for each part of a character (Unicode, 3.9, U+FFFD Substitution of Maximal Subparts).
    Memory is bounded for any input.
    """

    def __init__(
        self,
        columns: int,
        lines: int,
        *,
        scrollback: int = 0,
        answering: bool = False,
        term: str = "",
        widths: Widths = Widths.JOINED,
    ) -> None:
        super().__init__(columns, lines)
        self._widths = widths
        self.scrollback: History = History(scrollback, self.columns)
        self.answering = answering
        self._grammar = grammar_of(term)
        self._tokens = self._grammar.tokens
        self._replies = ""
        self._events = {}
        self.settings = Settings()
        self._decoder = _decoder("replace")
        self._rest = ""
        self._string = ""
        self._payload: list[str] = []
        self._payload_size = 0
        self._printed = ""
        self._repeated = ""
        """What REP, of which some was put off, goes on with."""

        self._put_off = ""
        self._found: Iterator[tuple[str, str]] = iter(())
        self.reset()

    @property
    def unfinished(self) -> bytes:
        """The input so far of an incomplete sequence, string or character.

        Of a long string, it is enough to recognize the end.
        """
        text = self._rest
        if self._string:
            whole = self._payload_size <= _LONGEST_REPLAYED
            payload = "".join(self._payload) if whole and self._string in _TOLD else "-"
            text = "\x1b" + self._string + payload + self._rest
        return text.encode() + self._decoder.getstate()[0]

    @property
    def printed(self) -> str:
        """The character that REP would repeat, as the input ended with it; "" if REP would do nothing."""
        return self._printed

    def on_one_line(self) -> "Emulator":
        """Return a terminal of one line, blank, on which plain text goes on as it would on this one's last line."""
        line = Emulator(self.columns, 1, scrollback=self.scrollback.limit, widths=self._widths)
        line.settings.modes.update(self.mode)
        line.settings.modes.intersection_update(self.mode)
        line.tabstops = set(self.tabstops)
        line._charsets, line.charset = list(self._charsets), self.charset
        line.cursor.style = self.cursor.style
        line._apply_modes()
        return line

    def reset(self) -> None:
        """RIS: reset to a new terminal of the same size, with an empty scrollback."""
        if getattr(self, "title", ""):
            self.set_title("")
        self.scrollback.clear()
        self._reset_grid()
        self._reset_commands()
        self._reset_modes()

    def feed(self, data: bytes) -> None:
        """Interpret output of the program; it may be cut anywhere."""
        self.go_on()
        for at in range(0, len(data), _PIECE):
            self._consume(data[at : at + _PIECE])

    def begin(self, data: bytes, work: int) -> None:
        """Interpret output as `feed` does, but stop after about so much work, which is counted in cells.

        Nothing may be left over from before. While `is_behind`, what is left must be carried out by `go_on` before the
        screen is looked at. One control function is the least that is done.
        """
        self._work_left = work
        self._consume(data)
        self._work_left = UNBOUNDED

    def go_on(self, work: float = UNBOUNDED) -> None:
        """Do about so much work of what is left to do."""
        self._work_left = work
        if self._rows_left is not None:
            rows, self._rows_left = self._rows_left, None
            self._by_rows(rows)
        if self._put_off and not self._is_worked_out:
            text, self._put_off = self._put_off, ""
            self._interpret(text)
        self._work_left = UNBOUNDED

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Change the size, after what is left to do; see `Resizing.resize`."""
        self.go_on()
        super().resize(lines, columns)

    def begin_resize(self, lines: int, columns: int, work: float) -> None:
        """Change the size as `resize` does, but stop after about so much work, as `begin` does.

        Until `go_on` has done all, the screen has its old size.
        """
        self._work_left = work
        self._by_rows(self._resized(lines, columns))
        self._work_left = UNBOUNDED

    def _resized(self, lines: int, columns: int) -> Iterator[None]:
        """Put all into cells that has to be wrapped anew, and wrap it then."""
        while self.scrollback.work():
            self._spend(SETTLED)
            yield
        pages = [page for page in (self._main, self._alternate) if page is not None]
        for row in chain.from_iterable(page.rows for page in pages):
            if row.needs_cells(columns):
                self._spend(A_ROW + row.load)
                row.settle()
                yield
        yield from super()._resized(lines, columns)

    @property
    def is_behind(self) -> bool:
        """Whether there is anything to do for `go_on`."""
        return bool(self._put_off) or self._rows_left is not None

    def _consume(self, data: bytes) -> None:
        text = self._decoder.decode(data)
        # A C1 control has this byte in it, or before it where input was cut.
        if b"\xc2" in data or "\x7f" < text[:1] < "\xa0":
            text = expand_c1(text)
        if self._string:
            text = self._continue_string(text)
            if self._string:
                return
        if self._rest:
            text = self._rest + text
        self._rest = ""
        self._interpret(text)

    def _interpret(self, text: str) -> None:
        end = self._grammar.unfinished_at(text)
        whole = text[:end]
        if whole and self._printed:
            whole = self._go_on_at_seam(whole)
        if whole and not self.is_behind:
            self._run(whole)
        elif self.is_behind:
            self._put_off += whole
        if self.is_behind:
            self._put_off += text[end:]
        else:
            self._keep(text[end:])
        self._settle_laden()

    def _settle_laden(self) -> None:
        """Put runs into cells where many came together; a part of the rows, where they are too many at once."""
        for row in self._rows:
            if row.is_laden:
                self._work_left -= row.load
                row.settle()
                if self._is_worked_out:
                    return

    def _stop(self, again: str = "") -> None:
        # The loop in `_run` ends by itself, since its iterator has nothing left: so it need not look at every token.
        self._put_off = again + "".join(chain.from_iterable(self._found)) + self._put_off

    def _stop_within(self, text: str, left: str, sequence: str) -> None:
        """Put off what is left of a text, and the control function behind it."""
        self._printed = split_at_sgr(text[: len(text) - len(left)])[-1][-1:]
        self._stop(left + sequence)

    def _go_on_at_seam(self, text: str) -> str:
        """Carry out what depends on the character that the input ended with; return the rest.

        That is a REP, and characters with columns of their own that join what was printed just before them.
        """
        printed, self._printed = self._printed, ""
        while self._layout.widens and text and width_of(text[0]) and self._layout.is_mark(text[0]):
            self._draw_mark(text[0])
            printed, text = text[0], text[1:]
            if self._rows_left is not None:
                break
        if not text or self._rows_left is not None:
            self._printed = printed
            return text
        found = _plain_csi_at(text)
        if found is None or found[2] != "b":
            return text
        if self._joining:
            self._end_joining()
        self._repeat(printed, _first(found[1]))
        return text[found.end() :]

    def _keep(self, rest: str) -> None:
        """Keep an incomplete sequence; of one that is too long, only enough to swallow it up to its end."""
        started = self._grammar.string_start(rest)
        if started:
            self._printed = ""
            self._end_joining()
            self._string = started[1]
            self._payload_size = 0
            payload = rest[started.end() :]
            self._rest = payload[-1:] if payload.endswith("\x1b") else ""
            self._collect(payload.removesuffix("\x1b"))
        elif len(rest) > LONGEST_SEQUENCE:
            self._rest = "\x1b[0<" if "[" in rest else "\x1b "
        else:
            self._rest = rest

    def _collect(self, part: str) -> None:
        self._payload_size += len(part)
        if self._string not in _TOLD:
            self._payload.clear()
        elif self._payload_size <= LONGEST_STRING:
            self._payload.append(part)
        else:
            # The beginning tells which command it was.
            self._payload[:] = ["".join((*self._payload[:2], part))[:HEAD]]

    def _continue_string(self, text: str) -> str:
        """Collect more of a control string; return what follows it, "" while it goes on, or where ESC may end it."""
        text, self._rest = self._rest + text, ""
        found = osc_end(text) if self._string in _TOLD else string_end(text)
        if found is None:
            self._collect(text)
            return ""
        at = found.start()
        self._collect(text[:at])
        if text[at:] == "\x1b":
            self._rest = "\x1b"
            return ""
        if self._string in _TOLD and (text[at] == "\x07" or text.startswith("\x1b\\", at)):
            payload = "".join(self._payload)
            if self._string == "k":
                self.set_screen_title(payload)
            elif self._payload_size <= LONGEST_STRING:
                self.operating_system_command(payload)
            else:
                self.dropped_command(payload, self._payload_size)
        self._string = ""
        self._payload.clear()
        return text[at:] if text[at] == "\x1b" else text[at + 1 :]

    def _run(self, text: str) -> None:  # noqa: C901
        """Carry out `text`, which ends where a token ends. Every byte goes through this loop, so it makes few calls."""
        if self._joining and text[0] in _CONTROLS:
            self._end_joining()
        found = self._found = iter(self._tokens(text))
        cursor, rows, columns, last = self.cursor, self._rows, self.columns, self.lines - 1
        style, plain = cursor.style, self._plain
        # Between side margins a new line is not what is done here.
        newline = None if self._narrowed else "\r\n"
        narrow, all_narrow = self._layout.narrow_texts, self._layout.all_narrow
        for text, sequence in found:
            if text:
                if "\x1b" in text:
                    stretch = known_stretch(text)
                    if stretch is not None and plain and (end := cursor.x + stretch.width) <= columns:
                        if stretch.width:
                            row = rows[cursor.y]
                            row.runs.append((cursor.x, stretch, style))
                            row.pending += stretch.load
                            cursor.x = end
                        cursor.style = style = style.transitions.get(stretch.sequences) or stretch.after(style)
                        text = stretch.last
                    else:
                        whole = text
                        text, left = self.draw_stretch(whole)
                        if left or (sequence and self._rows_left is not None):
                            self._stop_within(whole, left, sequence)
                            return
                        style, plain = cursor.style, self._plain
                        if self._joining and sequence:
                            self._end_joining()
                            plain = self._plain
                elif plain and (text.isascii() or text in narrow or all_narrow(text)):
                    x = cursor.x
                    end = x + len(text)
                    if end <= columns:
                        rows[cursor.y].runs.append((x, text, style))
                        cursor.x = end
                    else:
                        self._draw_narrow(text)
                else:
                    if plain:
                        self._draw_mixed(text)
                    else:
                        left = self.draw_some(text)
                        if left or (sequence and self._rows_left is not None):
                            self._stop_within(text, left, sequence)
                            return
                    if self._joining and sequence:
                        self._end_joining()
                    plain = self._plain
            if sequence == newline:
                cursor.x = 0
                if cursor.y == self._bottom:
                    self._scroll_one()
                elif cursor.y < last:
                    cursor.y += 1
                continue
            action = known_action(sequence)
            if action is None:
                if hides_control(sequence):
                    self._run(bring_out_controls(sequence + "".join(chain.from_iterable(found))))
                    return
                action = self._unusual(text, sequence)
            call, arguments, kind = action
            if kind:
                if kind == PLACES and not self._origin:
                    y, x = arguments
                    cursor.y = y - 1 if y <= last else last
                    cursor.x = x - 1 if x < columns else columns - 1
                    continue
                if kind == RETURNS and newline:
                    cursor.x = 0
                    continue
            call(self, *arguments)
            if kind == SETS:
                plain = self._plain
            elif kind:
                cursor, rows, plain = self.cursor, self._rows, self._plain
                style = cursor.style
                narrow, all_narrow = self._layout.narrow_texts, self._layout.all_narrow
                newline = None if self._narrowed else "\r\n"

    def _unusual(self, text: str, sequence: str) -> Action:
        """Return the action of a sequence that is not in the cache."""
        if not sequence:
            self._printed = text[-1:] or self._printed
            return NOTHING
        if sequence[1:2] in _STRINGS:
            return (Emulator._end_string, (sequence,), CHANGES)
        found = _plain_csi(sequence)
        if found and found[2] == "b":
            return (Emulator._repeat, (text[-1:], _first(found[1])), CHANGES)
        return action_of(sequence)

    def _repeat(self, character: str, count: int) -> None:
        """REP, which repeats only what was printed just before it (as xterm.js and tmux have it), marks included."""
        if self._repeated:
            character, self._repeated = self._repeated, ""
        elif len(character) == 1 and self._layout.is_mark(character):
            character = self._before_cursor()
        if character:
            left = self.repeat(character, count or 1)
            # What comes next comes after a control function.
            self._end_joining()
            if left:
                self._stop(f"\x1b[{left}b")
                self._printed = self._repeated = character

    def _end_string(self, sequence: str) -> None:
        """Carry out a control string that came in one piece."""
        kind, rest = sequence[1], sequence[2:]
        payload = rest.removesuffix("\x07").removesuffix("\x1b\\")
        if kind == "]" and self._grammar.has_palette and is_palette(rest):
            self.settings.linux_palette(rest[1:])
        elif kind not in _TOLD or payload == rest:
            return
        elif kind == "]":
            self.operating_system_command(payload)
        elif self._grammar.has_titles:
            self.set_screen_title(payload)


def _first(params: str) -> int:
    return number(params.partition(";")[0].partition(":")[0])
