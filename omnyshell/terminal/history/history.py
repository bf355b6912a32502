"""The lines that left the main screen at its top, oldest first."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from itertools import takewhile
from typing import Final, Protocol, overload

from omnyshell.terminal.history.budget import Budget
from omnyshell.terminal.history.kept_rows import WEIGHT_OF_PAGE, KeptRows, weight_of_row
from omnyshell.terminal.history.pages import Page, plain_row
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.work import finished

_HEAVIEST_PAGE: Final = 2 * WEIGHT_OF_PAGE
"""What a page may weigh so that a line is not cut in two, which another width would wrap as such."""

_MANY: Final = 1000
"""Cells of rows that are not packed at once, if they come together."""

_MOST_UNPACKED: Final = 4
"""Pages whose rows are at hand, because they were looked at."""


class Unsettled(Protocol):
    """Lines that are kept in another form until there is time to make rows of them."""

    count: int
    """About how many rows they will be."""

    @property
    def size(self) -> int:
        """Bytes of memory, about."""

    def work(self) -> bool:
        """Do a bounded part of the work; return whether more is left."""

    def pages(self) -> list[Page]:
        """Return the rows, once `work` has nothing left to do."""


class History(Sequence[Row]):
    """At most `limit` rows. New ones are kept as they are, older ones packed in pages (`Page`).

    As a sequence it has the rows as a screen of `width` columns shows them: lines that were wrapped for another width
    are wrapped anew when they are looked at. A row that was got from it must not be changed.
    """

    def __init__(self, limit: int, width: int) -> None:
        self.limit = limit
        self.cleared = 0
        """How often all rows were forgotten."""

        self._width = width
        self._weight_of_row = weight_of_row(width)
        self._weight = 0
        self._fresh: list[Row | str] = []
        """The newest rows; of one that is nothing but text, that alone."""

        self._pages: deque[Page | Unsettled] = deque()
        self._first = 0
        """The number of the oldest row."""

        self._end = 0
        """The number of the row after the last packed one."""

        self._twice: set[Row] = set()
        self._unpacked: dict[Page, list[Row]] = {}
        self._size = 0
        self._packed: int | None = 0
        """How many rows the pages have at this width; None where they have to be counted."""

        self._budget: Budget | None = None

    # What goes in

    def append(self, row: Row) -> int:
        """Add a row, which nobody changes any more, and return how many runs it has.

        Of a row that is nothing but text only that is taken: then the answer is 0, and the row may be used again.
        """
        text = None if self._twice else row.plain_text
        if text is not None:
            self._fresh.append(text)
            self._weight += self._weight_of_row
            if self._weight >= WEIGHT_OF_PAGE:
                self._pack()
            return 0
        self._fresh.append(row)
        runs = max(1, row.compact())
        self._weight += self._weight_of_row + runs
        if self._weight >= WEIGHT_OF_PAGE and (self._weight >= _HEAVIEST_PAGE or not row.goes_on):
            self._pack()
        return runs

    def append_text(self, rows: Sequence[Row], text: Unsettled) -> None:
        """Add `rows`, and text below them. When these rows are appended once more, they are ignored."""
        self._append_unsettled(*([KeptRows(rows, self._width)] if rows else []), text)
        self._twice.update(rows)

    def append_later(self, rows: Sequence[Row]) -> None:
        """Add rows, which nobody changes any more: many of them are packed when there is time."""
        if len(rows) * self._width > _MANY:
            self._append_unsettled(KeptRows(rows, self._width))
            return
        for row in rows:
            self.append(row)

    def _append_unsettled(self, *texts: Unsettled) -> None:
        self._pack()
        for text in texts:
            self._pages.append(text)
            self._end += text.count
            self._charge(text.size)
        self._forget_surplus()

    def prepend(self, pages: Sequence[Page]) -> int:
        """Add pages above all rows, the last ones first, as far as there is room; return how many rows."""
        room, taken, size = self.limit - len(self), 0, 0
        for page in reversed(pages):
            if taken >= room:
                break
            taken += page.count
            size += page.size
            self._first -= page.count
            page.start = self._first
            self._pages.appendleft(page)
        self._charge(size)
        return taken

    def clear(self) -> None:
        """Forget all rows. Their numbers are not given again."""
        self.cleared += 1
        self._first = self._end = self._end + len(self._fresh)
        self._fresh, self._weight = [], 0
        self._pages.clear()
        self._twice.clear()
        self._unpacked.clear()
        self._charge(-self._size)

    def resize(self, width: int) -> None:
        """Show rows as on a screen of another width from now on."""
        if width != self._width:
            self.settle()
            self._pack()
            self._width, self._packed = width, None
            self._weight_of_row = weight_of_row(width)
            self._unpacked.clear()

    def bring(self, count: int) -> bool:
        """Unpack a page, where `take_back` has to for `count` rows; return whether there was one."""
        self.settle()
        return len(self._fresh) < count and self._unpack_last()

    def take_back(self, count: int) -> list[Row]:
        """Remove up to `count` of the newest rows and return them; they are the caller's."""
        while self.bring(count):
            continue
        at = max(0, len(self._fresh) - count)
        taken = self._newest_rows(at, len(self._fresh))
        del self._fresh[at:]
        return taken

    def _newest_rows(self, start: int, end: int) -> list[Row]:
        """Return some of the newest rows, which are rows from then on."""
        made = [plain_row(row, self._width) if isinstance(row, str) else row for row in self._fresh[start:end]]
        self._fresh[start:end] = made
        return made

    def take_back_begun(self, most: int) -> list[Row]:
        """Remove the newest rows that are the beginning of a line which goes on below, at most `most`."""
        while self.bring_begun(most):
            continue
        return self.take_back(self._begun(most))

    def bring_begun(self, most: int) -> bool:
        """Unpack a page, where `take_back_begun` has to; return whether there was one."""
        self.settle()
        self._drop_doubled()
        return self._begun(most) == len(self._fresh) < min(most, self.limit) and self._unpack_last()

    def _begun(self, most: int) -> int:
        """Return how many of the unpacked rows are the beginning of a line, at most `most`."""
        newest = reversed(self._fresh[max(0, len(self._fresh) - min(most, self.limit)) :])
        return sum(1 for _ in takewhile(lambda row: isinstance(row, Row) and row.goes_on, newest))

    # What is looked at

    @property
    def end(self) -> int:
        """The number that the next row will have. A row's number lasts while it is kept and the width stays."""
        self.settle()
        self._drop_doubled()
        return self._end + len(self._fresh)

    def before(self, number: int, most: int) -> tuple[list[Row], int]:
        """Return up to `most` rows above the row of that number, as they were kept, and the number of their first.

        There are more where a line that was wrapped would be cut, at most twice as many. There are none where nothing
        older is kept.
        """
        return finished(self.finding_before(number, most))

    def finding_before(self, number: int, most: int) -> Generator[None, None, tuple[list[Row], int]]:
        """Do as `before` does, a page a step; nothing may be appended before the last one.

        The oldest may be forgotten meanwhile, as other histories take memory of the budget that they share.
        """
        end = max(self._first, min(number, self.end))
        rows = self._newest_rows(0, max(0, end - self._end))
        start = min(end, self._end)
        for page in reversed(list(self._pages)):
            if len(rows) > most:
                break
            if isinstance(page, Page) and page.start < start:
                rows[:0] = page.original()[: start - page.start]
                start = page.start
                yield
        return _newest(rows, start, most)

    def has_before(self, number: int) -> bool:
        """Whether there is a row above the row of that number."""
        return number > self._first

    def __len__(self) -> int:
        return min(self._total(), self.limit)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        length = len(self)
        if not -length <= index < length:
            raise IndexError("there is no such row")
        row = self.from_end(length - index % length)
        if row is None:
            raise IndexError("there is no such row")
        return row

    def __iter__(self) -> Iterator[Row]:
        return (self[at] for at in range(len(self)))

    def from_end(self, behind: int) -> Row | None:
        """Return the row that is the `behind`-th from the end, if there is one.

        Other than an index it needs no count of all rows, which takes its time once the width has changed.
        """
        self.settle()
        self._drop_doubled()
        if behind > self.limit:
            return None
        if behind <= len(self._fresh):
            at = len(self._fresh) - behind
            return self._newest_rows(at, at + 1)[0]
        behind -= len(self._fresh)
        for page in reversed(self._pages):
            if not isinstance(page, Page):
                continue
            count = page.count_at(self._width)
            if behind <= count:
                return self._rows_of(page)[count - behind]
            behind -= count
        return None

    def _rows_of(self, page: Page) -> list[Row]:
        rows = self._unpacked.get(page)
        if rows is None:
            if len(self._unpacked) >= _MOST_UNPACKED:
                del self._unpacked[next(iter(self._unpacked))]
            rows = self._unpacked[page] = page.rows(self._width)
        return rows

    def pages(self) -> list[Page]:
        """Pack all rows, and return them as they are packed."""
        self.settle()
        self._pack()
        return [page for page in self._pages if isinstance(page, Page)]

    def written(self) -> tuple[list[Page], int]:
        """Return all rows, and the number after the last: the newest in a page of its own, which is not kept here."""
        self.settle()
        self._drop_doubled()
        newest = [Page(self._fresh, self._width, self._end)] if self._fresh else []
        return [page for page in self._pages if isinstance(page, Page)] + newest, self._end + len(self._fresh)

    def begin_with(self, pages: Sequence[Page], end: int) -> None:
        """Have these rows, the last of which has a number below `end`. Nothing may be kept yet."""
        self._first = self._end = max(0, end - sum(page.count for page in pages))
        for page in pages:
            # The last one has the newest rows, which where they were written forgot nobody.
            self._forget_surplus()
            page.start = self._end
            self._end += page.count
            self._pages.append(page)
            self._charge(page.size)

    # How it is kept

    @property
    def size(self) -> int:
        """Bytes of memory that all but the newest rows take."""
        return self._size

    def share(self, budget: Budget) -> None:
        """Take memory from a budget. Nothing may be kept yet."""
        self._budget = budget

    def forget_oldest(self) -> bool:
        """Forget the oldest page, if there is one; return whether there was."""
        if not self._pages:
            return False
        page = self._pages.popleft()
        self._first += page.count
        if isinstance(page, Page):
            self._unpacked.pop(page, None)
        self._charge(-page.size)
        return True

    @property
    def is_unsettled(self) -> bool:
        """Whether there is anything to do for `work`."""
        return any(not isinstance(page, Page) for page in self._pages)

    def work(self) -> bool:
        """Do a bounded part of what is left to do for rows to be had; return whether there was anything."""
        for at, text in enumerate(self._pages):
            if not isinstance(text, Page):
                if not text.work():
                    self._settle_at(at, text)
                return True
        return False

    def settle(self) -> None:
        """Do all that is left to do."""
        while self.work():
            continue

    def _settle_at(self, at: int, text: Unsettled) -> None:
        """Put pages in the place of text, and number what follows anew."""
        made = text.pages()
        pages = list(self._pages)
        pages[at : at + 1] = made
        self._pages = deque(pages)
        number = self._first
        for page in pages:
            if isinstance(page, Page):
                page.start = number
            number += page.count
        self._end = number
        self._forget_surplus()
        self._charge(sum(page.size for page in made) - text.size)

    def _pack(self) -> None:
        self._drop_doubled()
        if not self._fresh:
            return
        page = Page(self._fresh, self._width, self._end)
        self._end += page.count
        self._fresh, self._weight = [], 0
        self._pages.append(page)
        self._forget_surplus()
        self._charge(page.size)

    def _drop_doubled(self) -> None:
        if self._twice:
            doubled = self._twice.intersection(self._fresh)
            self._fresh = [row for row in self._fresh if row not in doubled]
            self._twice -= doubled

    def _unpack_last(self) -> bool:
        if not self._pages:
            return False
        page = self._pages.pop()
        self._unpacked.clear()
        self._end -= page.count
        if isinstance(page, Page):
            self._fresh[:0] = page.rows(self._width)
        self._charge(-page.size)
        return True

    def _forget_surplus(self) -> None:
        surplus = self._end - self._first - self.limit
        while self._pages and surplus >= self._pages[0].count:
            surplus -= self._pages[0].count
            self.forget_oldest()

    def _total(self) -> int:
        self.settle()
        self._drop_doubled()
        if self._packed is None:
            self._packed = sum(page.count_at(self._width) for page in self._pages if isinstance(page, Page))
        return self._packed + len(self._fresh)

    def _charge(self, size: int) -> None:
        """Say that pages came or went, which now take `size` bytes more."""
        self._packed = None
        self._size += size
        if self._budget is not None:
            self._budget.charge(self, size)


def _newest(rows: list[Row], start: int, most: int) -> tuple[list[Row], int]:
    """Return the last `most` rows and the number of the first; more where a line would be cut."""
    at = max(0, len(rows) - most)
    while at and rows[at - 1].goes_on and len(rows) - at < 2 * most:
        at -= 1
    return rows[at:], start + at
