"""Colours as xterm reports them: `rgb:` with four digits each."""

import re
from collections.abc import Iterable

_HASHED = re.compile(r"#((?:[0-9A-Fa-f]{3}){1,4})").fullmatch
_PARTS = re.compile(r"rgb:([0-9A-Fa-f]{1,4})/([0-9A-Fa-f]{1,4})/([0-9A-Fa-f]{1,4})").fullmatch
_INTENSITIES = re.compile(r"rgbi:([0-9.]+)/([0-9.]+)/([0-9.]+)").fullmatch


def reported_colour(command: str) -> str:
    """Return the colour that an OSC sets; what only a terminal can make a colour of stays as it is."""
    given = command.removesuffix("\x1b\\").rpartition(";")[2]
    if found := _HASHED(given):
        size = len(found[1]) // 3
        return _rgb(found[1][at : at + size] for at in range(0, 3 * size, size))
    if found := _PARTS(given):
        return _rgb(found.groups())
    if found := _INTENSITIES(given):
        return _rgb(f"{round(float(part) * 0xFF):02x}" for part in found.groups())
    return given


def _rgb(parts: Iterable[str]) -> str:
    """The first eight bits of each part, which is what an X server has."""
    return "rgb:" + "/".join(part.lower().ljust(2, "0")[:2] * 2 for part in parts)


def default_colour(number: str, index: str) -> str:
    """Return some colour of a new terminal, another for each; text is black."""
    if number == "10":
        return _rgb(["00"] * 3)
    return _rgb([f"{(int(number) * 16 + int(index or 0)) % 256:02x}"] * 3)
