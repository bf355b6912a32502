"""How many colours the terminal has: decided once, at the start."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Depth(StrEnum):
    """How many colours are used; the value is what users call it."""

    NONE = "none"
    """Attributes alone: bold, underlined, reversed."""

    NAMED = "16"
    """The sixteen colours that have names; what they look like is the terminal's own setting."""

    INDEXED = "256"
    """The cube and the greys of xterm (ctlseqs, "CSI Pm m", 38;5)."""

    TRUE = "true"


AUTO: Final = "auto"

UNABLE: Final = ("", "dumb", "unknown")
"""Values of TERM for terminals without a cursor that could be moved."""

ANSWER: Final = 0.5
"""Seconds that tmux has to answer."""

_TRUE: Final = ("direct", "truecolor", "24bit")
_MANY: Final = 256


def depth_of(wanted: str, environment: Mapping[str, str]) -> Depth:
    """Return the depth that was chosen (a `Depth`), or, by "auto", what the environment says of the terminal.

    NO_COLOR counts if it is not empty (no-color.org). COLORTERM is believed as it stands. tmux is asked; of another
    terminal counts the end of its name in TERM, and else its entry in terminfo.
    """
    if wanted != AUTO:
        return Depth(wanted)
    if environment.get("NO_COLOR"):
        return Depth.NONE
    if environment.get("COLORTERM", "").lower() in _TRUE:
        return Depth.TRUE
    term = environment.get("TERM", "").lower()
    if environment.get("TMUX") and term.startswith(("screen", "tmux")):
        return _in_tmux(environment)
    return _by_name(term)


def _in_tmux(environment: Mapping[str, str]) -> Depth:
    """Return the depth of the terminal around tmux, which takes every colour and shows the nearest that it has."""
    term, _, features = _told_by_tmux(environment).partition(" ")
    if "RGB" in features.split(","):
        return Depth.TRUE
    if not term or "256" in features.split(","):
        return Depth.INDEXED
    return _by_name(term.lower())


def _told_by_tmux(environment: Mapping[str, str]) -> str:
    """Ask tmux for its terminal's name and features, which takes a few milliseconds; "" if it does not say."""
    # Imported late: only tmux is asked.
    import subprocess

    words = ["tmux", "display-message", "-p", "#{client_termname} #{client_termfeatures}"]
    try:
        done = subprocess.run(  # noqa: S603
            words, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _by_name(term: str) -> Depth:
    kind = term.rpartition("-")[2]
    if kind in _TRUE:
        return Depth.TRUE
    if kind in ("256color", "16color"):
        return Depth.INDEXED if kind == "256color" else Depth.NAMED
    if kind in ("m", "mono"):
        return Depth.NONE
    return _by_number(_colours_in_terminfo(term))


def _by_number(colours: int | None) -> Depth:
    """Return the depth for terminfo's number of colours: -1 for none, None where the terminal is not known."""
    if colours is None or 0 < colours < _MANY:
        # Nearly all terminals that name eight colours have the bright ones too, as ncurses assumes for bold.
        return Depth.NAMED
    if colours <= 0:
        return Depth.NONE
    return Depth.TRUE if colours > _MANY else Depth.INDEXED


def _colours_in_terminfo(term: str) -> int | None:
    try:
        # Imported late: most names say it themselves. Some builds of Python have no curses.
        import curses

        curses.setupterm(term, 1)
        return curses.tigetnum("colors")
    except (ImportError, OSError, RuntimeError):
        return None
    except Exception as exc:
        if type(exc).__name__ != "error":
            raise
        return None
