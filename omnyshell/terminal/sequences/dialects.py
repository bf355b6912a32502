"""What is written for one kind of terminal, and breaks the grammar of all others.

`ESC k title ST` sets the title of a window in screen and tmux. The Linux console's colours have no end: `ESC ] P` with
seven digits changes one, `ESC ] R` takes all back. They are rewritten as operating system commands of our own, whose
numbers begin with a control character that no program's do.
"""

import re
from typing import Final

_TITLE, _PALETTE = "\x1f", "\x1e"
_palette: Final = re.compile(r"\x1b\](?:P([0-9A-Fa-f]{7})|R)")
_palette_begun: Final = re.compile(r"\x1b\](?:P[0-9A-Fa-f]{0,6})?").fullmatch


class Dialect:
    """What TERM allows; without a TERM all of it, since none of it means something elsewhere."""

    def __init__(self, term: str) -> None:
        self._has_titles = term.startswith(("screen", "tmux")) or not term
        self._has_palette = term.startswith("linux") or not term

    def is_met(self, text: str) -> bool:
        """Whether `translate` may change anything."""
        return (self._has_titles and "\x1bk" in text) or (self._has_palette and ("\x1b]P" in text or "\x1b]R" in text))

    def translate(self, text: str) -> str:
        """Rewrite what is this terminal's own."""
        if self._has_titles:
            text = text.replace("\x1bk", f"\x1b]{_TITLE}")
        if self._has_palette:
            text = _palette.sub(lambda found: f"\x1b]{_PALETTE}{found[1] or ''}\x07", text)
        return text

    def may_begin(self, rest: str) -> bool:
        """Whether what is unfinished may become a sequence without an end."""
        return self._has_palette and _palette_begun(rest) is not None

    @staticmethod
    def original(text: str) -> str:
        """Return the beginning of a string as the program wrote it."""
        return text.replace(f"\x1b]{_TITLE}", "\x1bk", 1)


def own_command(payload: str) -> tuple[str, str]:
    """Return which command of ours a payload is ("title", "palette", or "" for none), and its text."""
    names = {_TITLE: "title", _PALETTE: "palette"}
    return names.get(payload[:1], ""), payload[1:]
