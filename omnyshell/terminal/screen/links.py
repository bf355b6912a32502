"""How much text the links of one screen have: a link has 2 KB at most, and each cell can have its own."""

from typing import Final

MOST_LINK_TEXT: Final = 256 * 1024
"""Characters of all different links on a screen together."""

_RECOUNTED_AFTER: Final = 64 * 1024
"""Characters of refused links after which those are counted again that the screen still has."""


class Links:
    """The links that may be on a screen."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._size = 0
        self._refused = _RECOUNTED_AFTER

    def admits(self, link: str) -> bool:
        """Whether there is room for a link; if so, it counts from now on."""
        if link in self._known:
            return True
        if self._size + len(link) > MOST_LINK_TEXT:
            self._refused += len(link)
            return False
        self._known.add(link)
        self._size += len(link)
        return True

    @property
    def are_due(self) -> bool:
        """Whether those should be counted again that the screen still has, as so many were refused."""
        return self._refused >= _RECOUNTED_AFTER

    def recounted(self, links: set[str]) -> None:
        """Take these for all that the screen has."""
        self._known = links
        self._size = sum(map(len, links))
        self._refused = 0
