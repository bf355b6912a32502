"""One directory of a machine, as a table."""

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.message import Message

from omnyshell.clock import Clock
from omnyshell.model.live import Part
from omnyshell.printable import printable, sentence
from omnyshell.services.client.files.ports import Entry, Kind
from omnyshell.services.client.files.problems import shown
from omnyshell.services.client.live.state import HubState
from omnyshell.tui.formats import ELLIPSIS, Cell, Tone, elapsed, fitted, size
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.fields import Number, Quantity, Text, natural
from omnyshell.tui.panels.panel import Panel

MOST_ENTRIES = 20_000
"""What is shown of a directory."""

_FRAME, _LEAST_PATH = 6, 8
"""Cells beside a title, and those that its path gets at least: the end of it says the most."""

_BITS = "rwxrwxrwx"
_MARKS = {Kind.FOLDER: "/", Kind.LINK: "@", Kind.OTHER: "?", Kind.FILE: ""}


def _name(entry: Entry) -> Cell:
    tone = {Kind.FOLDER: Tone.STRONG, Kind.LINK: Tone.ACCENT, Kind.OTHER: Tone.DIM, Kind.FILE: Tone.PLAIN}[entry.kind]
    return Cell(shown(entry.name) + _MARKS[entry.kind], tone)


def _size(entry: Entry, _now: datetime) -> Cell:
    return Cell(size(entry.size)) if entry.kind is Kind.FILE else Cell("")


def _modified(entry: Entry, now: datetime) -> Cell:
    """The day, and the time of day where it was lately."""
    moment = _moment(entry)
    if moment is None:
        return Cell("")
    is_lately = -_DAY < (elapsed(moment, now) or 0) < _HALF_YEAR
    local = moment.astimezone()
    return Cell(f"{local:%d %b %H:%M}" if is_lately else f"{local:%d %b  %Y}", Tone.DIM)


_DAY, _HALF_YEAR = 86_400, 182 * 86_400


def _moment(entry: Entry) -> datetime | None:
    try:
        return datetime.fromtimestamp(entry.modified).astimezone()
    except (OverflowError, ValueError, OSError):
        return None


def _mode(entry: Entry, _now: datetime) -> Cell:
    kinds = {Kind.FOLDER: "d", Kind.LINK: "l", Kind.OTHER: "?", Kind.FILE: "-"}
    bits = (letter if entry.mode >> (8 - at) & 1 else "-" for at, letter in enumerate(_BITS))
    return Cell(kinds[entry.kind] + "".join(bits), Tone.DIM)


class FilePane(Panel[Entry]):
    """The files of one directory. Whoever reads the directory gives it to `put`."""

    PART = Part.NODES
    NAME = "Files"
    NUMBER = 0
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FILES, Context.TABLE)
    COLUMNS = (
        Column(
            "NAME",
            12,
            lambda entry, _: _name(entry),
            Text("name", "its name", lambda entry, _: shown(entry.name)),
            most=200,
            keep=100,
            # Directories come first.
            sort=lambda entry: (entry.kind is not Kind.FOLDER, natural(shown(entry.name))),
        ),
        Column(
            "SIZE",
            5,
            _size,
            Number(
                "size",
                "its size",
                lambda entry, _: entry.size if entry.kind is Kind.FILE else None,
                Quantity.SIZE,
            ),
            keep=80,
            right=True,
            falls=True,
        ),
        Column(
            "MODIFIED",
            12,
            _modified,
            Number(
                "age",
                "how long ago it was written",
                lambda entry, now: elapsed(_moment(entry), now),
                Quantity.TIME,
                dates=True,
            ),
            keep=60,
        ),
        Column(
            "MODE",
            10,
            _mode,
            Text("mode", "what it allows", lambda entry, now: _mode(entry, now).text),
            keep=40,
        ),
    )
    SEVERAL = frozenset({"copy_over", "delete"})

    class Asked(Message):
        """A key of this pane asks the screen for something that both panes are about."""

        def __init__(self, pane: "FilePane", action: str) -> None:
            super().__init__()
            self.pane = pane
            self.action = action

    def __init__(self, state: HubState, clock: Clock, machine: str, short: str = "") -> None:
        """`machine` is how its machine is called, `short` how it is where there is little room."""
        super().__init__(state, clock)
        self.machine = machine
        self._short = printable(short or machine)
        self.path = b""
        self._found: Sequence[Entry] = ()
        self._is_cut = False
        self._waits = "Reading…"
        self._puts = 0
        self.shows_hidden = False

    # What is shown

    def wait(self, what: str = "Reading…") -> None:
        """Say that it is being read, or that something is waited for."""
        self._waits = what
        self.show()

    def put(self, path: bytes, found: Sequence[Entry], *, is_cut: bool, cursor: bytes = b"") -> None:
        """Show a directory; `is_cut` says that it has more. The cursor goes to what has that name."""
        if path != self.path:
            self.rows.selected.clear()
            self.rows.move_to(0)
            self.set_filter("")
        self.path, self._found, self._is_cut, self._waits = path, found, is_cut, ""
        self._changed()
        if cursor:
            self.rows.find(os.fsdecode(cursor))
        self.table.scroll_to_cursor()
        self.show()

    def fail(self, problem: str) -> None:
        """Say why it cannot be read; what was shown before stays."""
        self._waits = problem
        self.show()

    def toggle_hidden(self) -> None:
        """Show names that begin with a dot, or hide them."""
        self.shows_hidden = not self.shows_hidden
        self._changed()

    @property
    def found(self) -> Sequence[Entry]:
        """All that the directory has, shown or not."""
        return self._found

    def _changed(self) -> None:
        self._puts += 1
        self.take()

    # What a panel says

    def version(self) -> int:
        """A number that increases with each change of the items."""
        return self._puts

    def key_of(self, item: Entry) -> str:
        """What identifies an entry."""
        return os.fsdecode(item.name)

    def items(self) -> Iterable[Entry]:
        """What the directory has."""
        return [each for each in self._found if self.shows_hidden or not each.name.startswith(b".")]

    def _title(self) -> str:
        shown_rows, total = len(self.rows.shown), self.rows.total
        words = ["/ " + printable(" ".join(map(str, self.rows.terms)))] if self.rows.terms else []
        if shown_rows != total:
            words.append(f"{shown_rows} of {total}")
        if self.rows.selected:
            words.append(f"✓ {len(self.rows.selected)} selected")
        rest = "".join(f" · {word}" for word in words + self.extra())
        room = max(_LEAST_PATH, self.size.width - _FRAME - cell_len(self._short + rest))
        path = shown(self.path)
        return f"{self._short}:{path if cell_len(path) <= room else fitted(path, room, keep_end=True)}{rest}"

    def extra(self) -> list[str]:
        """What is not shown, and what is waited for."""
        hidden = len(self._found) - self.rows.total
        words = [f"only {MOST_ENTRIES:,} are shown"] if self._is_cut else []
        words += [f"{hidden} hidden"] if hidden else []
        return [*words, self._waits] if self._waits and self.rows.total else words

    def _knowledge(self) -> str:
        return ""

    def why_empty(self) -> str:
        """Return why no row is shown."""
        if self.rows.total:
            return super().why_empty()
        if self._waits:
            return self._waits if self._waits.endswith(ELLIPSIS) else sentence(self._waits)
        hidden = len(self._found)
        if hidden == 1:
            return "The only entry is hidden: `.` shows it."
        return f"All {hidden} are hidden: `.` shows them." if hidden else "The directory is empty."

    def identify(self, item: Entry) -> tuple[str, str]:
        """What one copies first."""
        return "PATH", shown(self.path.rstrip(b"/") + b"/" + item.name)

    def open(self, item: Entry) -> None:  # noqa: ARG002 - the screen asks for the row
        """Have the screen open it."""
        self._ask("open")

    # Keys

    def _ask(self, action: str) -> None:
        self.post_message(self.Asked(self, action))

    def action_above(self) -> None:
        """Go to the directory above."""
        self._ask("above")

    def action_other_pane(self) -> None:
        """Go to the other pane."""
        self._ask("other_pane")

    def action_copy_over(self) -> None:
        """Copy to the other pane."""
        self._ask("copy_over")

    def action_view(self) -> None:
        """View the file."""
        self._ask("view")

    def action_edit(self) -> None:
        """Edit the file."""
        self._ask("edit")

    def action_rename(self) -> None:
        """Rename it."""
        self._ask("rename")

    def action_delete(self) -> None:
        """Delete what is selected."""
        self._ask("delete")

    def action_make_folder(self) -> None:
        """Make a directory."""
        self._ask("make_folder")

    def action_go_to(self) -> None:
        """Go to a directory."""
        self._ask("go_to")

    def action_hidden(self) -> None:
        """Show or hide what is hidden."""
        self.toggle_hidden()

    def action_reload(self) -> None:
        """Read the directory again."""
        self._ask("reload")

    def action_stop(self) -> None:
        """Stop copying."""
        self._ask("stop")

    def action_close(self) -> None:
        """Leave."""
        self._ask("close")
