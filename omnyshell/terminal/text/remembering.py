"""Caches of what is found out about texts."""

from collections.abc import Callable
from typing import Final, TypeVar

_MOST: Final = 4096
_LONGEST: Final = 16

Found = TypeVar("Found")


class Remembering(dict[str, Found]):
    """A bounded cache of what `find` returns; of a text longer than `longest` nothing is kept."""

    def __init__(self, find: Callable[[str], Found], longest: int = _LONGEST) -> None:
        super().__init__()
        self._find = find
        self._longest = longest

    def __missing__(self, text: str) -> Found:
        if len(self) >= _MOST:
            self.clear()
        found = self._find(text)
        if len(text) <= self._longest:
            self[text] = found
        return found
