"""Which terminal counts columns how, by its names: TERM, TERM_PROGRAM, and what it answers to XTVERSION."""

import re
from collections.abc import Mapping
from typing import Final

from omnyshell.model.sessions import Widths

_MULTIPLEXERS: Final = {"tmux": Widths.JOINED, "screen": Widths.JOINED}
_TERMINALS: Final = {
    **dict.fromkeys(("kitty", "wezterm", "ghostty", "iterm2", "iterm.app", "foot", "contour"), Widths.CLUSTERS),
    **dict.fromkeys(
        ("vte", "gnome", "xterm.js", "vscode", "hyper", "alacritty", "mintty", "rxvt", "st", "linux", "apple_terminal"),
        Widths.SEPARATE,
    ),
}
_GENERIC: Final = {"xterm": Widths.SEPARATE}
"""What others say of themselves as well."""

_ANY: Final = _MULTIPLEXERS | _TERMINALS | _GENERIC
_words: Final = re.compile("[a-z0-9]+").findall
_name: Final = re.compile("[a-z0-9_.]+").match


def widths_of(term: str, program: str = "") -> Widths:
    """Return how a terminal counts columns, by its TERM and TERM_PROGRAM.

    What runs within a multiplexer is shown by that, and TERM says so; TERM_PROGRAM may be of a terminal around it.
    """
    words = _words(term.lower())
    for known in (_MULTIPLEXERS, _TERMINALS):
        for word in words[:1] if known is _MULTIPLEXERS else words:
            if word in known:
                return known[word]
    named = version_widths(program)
    if named is not None:
        return named
    return _GENERIC.get(words[0] if words else "", Widths.JOINED)


def version_widths(version: str) -> Widths | None:
    """Return the same by what a terminal calls itself, as it answers to XTVERSION; None where it is not known."""
    found = _name(version.lower())
    return _ANY.get(found[0]) if found else None


def widths_here(environment: Mapping[str, str]) -> Widths:
    """Return the same for the terminal that a program with this environment runs in.

    iTerm2 says its name once more in a variable that SSH passes on.
    """
    program = environment.get("TERM_PROGRAM") or environment.get("LC_TERMINAL") or ""
    return widths_of(environment.get("TERM", ""), program)
