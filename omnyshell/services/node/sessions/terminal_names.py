"""What the terminal that is attached calls itself, where a program asks it (XTVERSION) and it answers.

The node never asks: an answer that comes late would be typed into whatever runs then. It only heeds those that pass by.
"""

import re
from typing import Final

from omnyshell.model.sessions import PtySpec, Widths
from omnyshell.terminal.text.terminals import version_widths, widths_of

_BEGIN: Final = b"\x1bP>|"
_MOST_LOOKED_AT: Final = 4096
"""Bytes of input that may have an answer: what comes in larger pieces was pasted."""

_answer: Final = re.compile(rb"\x1bP>\|([\x20-\x7e]{1,64})\x1b\\").search


def answered_widths(data: bytes) -> Widths | None:
    """Return how a terminal counts columns that names itself in input; None where none does, or it is not known."""
    if len(data) > _MOST_LOOKED_AT or _BEGIN not in data:
        return None
    found = _answer(data)
    return version_widths(found[1].decode()) if found else None


def stated_widths(terminal: PtySpec) -> Widths:
    """Return how a client's terminal counts columns, as it says or as its TERM does."""
    return terminal.widths or widths_of(terminal.term)
