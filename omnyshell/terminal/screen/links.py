"""How much text the links of one screen have: a link has 2 KB at most, and each cell can have its own."""

from collections.abc import Callable, Iterable
from typing import Final

from omnyshell.terminal.screen.rows import Row, distinct
from omnyshell.terminal.screen.style import Style

MOST_LINK_TEXT: Final = 256 * 1024
"""Characters of all different links on a screen together."""

_RECOUNTED_AFTER: Final = 64 * 1024
"""Characters of refused links after which those are counted again that the screen still has."""


class Links:
    """The links that may be on a screen. `in_use` gives the styles that there are, which takes a while."""

    def __init__(self, in_use: Callable[[], Iterable[Style]]) -> None:
        self._in_use = in_use
        self._known: set[str] = set()
        self._size = 0
        self._refused = _RECOUNTED_AFTER

    def admits(self, link: str) -> bool:
        """Whether there is room for a link; if so, it counts from now on."""
        if link in self._known:
            return True
        if self._size + len(link) > MOST_LINK_TEXT:
            self._refused += len(link)
            if self._refused < _RECOUNTED_AFTER:
                return False
            self._recount()
            if self._size + len(link) > MOST_LINK_TEXT:
                return False
        self._known.add(link)
        self._size += len(link)
        return True

    def _recount(self) -> None:
        self._known = {style.fields[-1] for style in self._in_use()}
        self._size = sum(map(len, self._known))
        self._refused = 0


def styles_of(rows: Iterable[Row]) -> Iterable[Style]:
    """Yield the styles that cells of these rows have, each of them once a row at least."""
    for row in rows:
        yield from distinct(row.styles).values()
