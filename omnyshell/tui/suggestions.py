"""Completing a line: what its end may become, and what a key for that makes of it. No I/O."""

import os.path
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Suggestion(NamedTuple):
    """A text in place of what is typed, and what it is."""

    text: str
    about: str = ""


class Suggestions(NamedTuple):
    """What may stand from `start` to the end of a line, the best first."""

    start: int
    found: Sequence[Suggestion]

    def inline(self, line: str) -> str | None:
        """Return the line with its end as the first one has it that goes on with what is typed."""
        lines = (line[: self.start] + one.text for one in self.found)
        return next((text for text in lines if text.startswith(line) and text != line), None)


NONE = Suggestions(0, ())


@dataclass(slots=True)
class Completing:
    """What tab has made of a line so far: first what all have in common, then one after another."""

    base: str = ""
    offered: Suggestions = NONE
    shown: int | None = field(default=None)
    """Which one the line has at present."""

    def press(self, line: str, offered: Suggestions, step: int = 1) -> str:
        """Return the line after the key; `offered` is for the line as it was typed. With -1 the one before."""
        if self.shown is None or line != self._line(self.shown):
            self.base, self.offered, self.shown = line, offered, None
            longer = self._common()
            if longer is not None:
                return longer
        if not self.offered.found:
            return line
        first = 0 if step > 0 else len(self.offered.found) - 1
        self.shown = first if self.shown is None else (self.shown + step) % len(self.offered.found)
        return self._line(self.shown)

    def _line(self, index: int) -> str:
        return self.base[: self.offered.start] + self.offered.found[index].text

    def _common(self) -> str | None:
        """The line as far as all agree, if that is longer than what is typed and not yet one of several."""
        start, typed = self.offered.start, self.base[self.offered.start :]
        common = os.path.commonprefix([one.text for one in self.offered.found])  # noqa: RUF071 - it is one of texts
        if len(self.offered.found) > 1 and len(common) > len(typed) and common.casefold().startswith(typed.casefold()):
            return self.base[:start] + common
        return None
