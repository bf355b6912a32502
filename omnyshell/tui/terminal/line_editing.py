"""A line that is edited by the keys of readline, without I/O."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 500
"""Characters of a line; what is typed or pasted beyond is left out."""

_word_end = re.compile(r"\W*\w*")
_word_start = re.compile(r"\w*\W*$")
_blank_start = re.compile(r"\S*\s*$")


@dataclass(slots=True)
class EditedLine:
    """The text, and the place of the cursor in it."""

    text: str = ""
    cursor: int = 0

    def replace(self, text: str) -> None:
        """Have another text, with the cursor behind it."""
        self.text = text[:LONGEST]
        self.cursor = len(self.text)

    def insert(self, text: str) -> None:
        """Put text at the cursor, without what cannot be shown."""
        shown = "".join(filter(str.isprintable, text))[: LONGEST - len(self.text)]
        self.text = self.text[: self.cursor] + shown + self.text[self.cursor :]
        self.cursor += len(shown)

    def press(self, key: str, character: str | None) -> None:
        """Handle a key, by Textual's name; unknown ones with a character type it, unless Alt is held."""
        if key in _MOTIONS:
            self.cursor = _MOTIONS[key](self)
        elif key in _CUTS:
            self._cut(_CUTS[key](self))
        elif character and not key.startswith("alt+"):
            self.insert(character)

    def _cut(self, until: int) -> None:
        """Leave out what is between the cursor and another place."""
        start, end = sorted((self.cursor, until))
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start

    def left(self) -> int:
        """Return the place before the cursor."""
        return max(0, self.cursor - 1)

    def right(self) -> int:
        """Return the place behind the cursor."""
        return min(len(self.text), self.cursor + 1)

    def word_left(self) -> int:
        """Return where the word starts that is before the cursor."""
        return _start_of(_word_start, self.text[: self.cursor])

    def word_right(self) -> int:
        """Return where the word ends that is behind the cursor."""
        found = _word_end.match(self.text, self.cursor)
        return found.end() if found else len(self.text)

    def blank_left(self) -> int:
        """Return where what is before the cursor begins, up to a blank."""
        return _start_of(_blank_start, self.text[: self.cursor])


def _start_of(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return found.start() if found else 0


_Place = Callable[[EditedLine], int]

_MOTIONS: Final[dict[str, _Place]] = {
    **dict.fromkeys(("left", "ctrl+b"), EditedLine.left),
    **dict.fromkeys(("right", "ctrl+f"), EditedLine.right),
    **dict.fromkeys(("ctrl+left", "alt+left", "alt+b"), EditedLine.word_left),
    **dict.fromkeys(("ctrl+right", "alt+right", "alt+f"), EditedLine.word_right),
    **dict.fromkeys(("home", "ctrl+a"), lambda _line: 0),
    **dict.fromkeys(("end", "ctrl+e"), lambda line: len(line.text)),
}
_CUTS: Final[dict[str, _Place]] = {
    **dict.fromkeys(("backspace", "ctrl+h"), EditedLine.left),
    **dict.fromkeys(("delete", "ctrl+d"), EditedLine.right),
    **dict.fromkeys(("alt+backspace", "ctrl+backspace"), EditedLine.word_left),
    **dict.fromkeys(("alt+d", "ctrl+delete"), EditedLine.word_right),
    "ctrl+w": EditedLine.blank_left,
    "ctrl+u": lambda _line: 0,
    "ctrl+k": lambda line: len(line.text),
}
