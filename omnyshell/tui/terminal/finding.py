"""Goes from find to find in a terminal and counts them, in slices, so that nothing else waits."""

import asyncio
from collections import deque
from collections.abc import Callable

from omnyshell.tui.terminal.lines import Lines, Point
from omnyshell.tui.terminal.searching import Search


class Finder:
    """`found` is called with each find that was asked for, None if there is none; `counted` once all are counted."""

    def __init__(self, found: Callable[[Point | None], None], counted: Callable[[], object]) -> None:
        self._found = found
        self._counted = counted
        self.needle = ""
        """What was searched last."""

        self.search: Search | None = None
        self.at: Point | None = None
        """The find that is shown."""

        self.tally: tuple[int, int] | None = None
        """Which of how many finds is shown, once they are counted."""

        self._wanted: deque[bool] = deque()
        """Which finds were asked for and are not shown yet: the next ones, or upwards."""

        self._looking: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None

    def begin(self, needle: str) -> None:
        """Search for another text; `go` goes to the first find."""
        self.stop()
        self.needle, self.search = needle, Search(needle)

    def stop(self) -> None:
        """Search no more."""
        for task in (self._looking, self._counting):
            if task is not None:
                task.cancel()
        self._looking = self._counting = None
        self._wanted.clear()
        self.search = self.at = self.tally = None

    def go(self, lines: Lines, start: Callable[[], Point], *, backwards: bool) -> None:
        """Go to the find next to `start`, upwards where `backwards`, after those that were asked for before."""
        if self.search is None:
            return
        self._wanted.append(backwards)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(self.search, lines, start))

    async def _look(self, search: Search, lines: Lines, start: Callable[[], Point]) -> None:
        while self._wanted:
            point = await _next(search, lines, start(), backwards=self._wanted.popleft())
            if point is None:
                # It is nowhere: the others, of a key that is held, need not look again.
                self._wanted.clear()
            else:
                self.at = point
                self._count_anew(search, lines, point)
            self._found(point)

    def _count_anew(self, search: Search, lines: Lines, at: Point) -> None:
        if self._counting is not None:
            self._counting.cancel()
        self._counting = asyncio.create_task(self._count(search, lines, at))

    async def _count(self, search: Search, lines: Lines, at: Point) -> None:
        for tally in search.tally(lines, at):
            if tally is None:
                await asyncio.sleep(0)
            else:
                self.tally = tally
                self._counted()


async def _next(search: Search, lines: Lines, start: Point, *, backwards: bool) -> Point | None:
    for point in search.steps(lines, start, backwards=backwards):
        if point is not None:
            return point
        await asyncio.sleep(0)
    return None
