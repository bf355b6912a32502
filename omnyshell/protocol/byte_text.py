"""Bytes that are no UTF-8 within a request's text, where JSON can hold none (docs/extensions.md#byte-text).

Python holds such a byte in a string as a surrogate, as in `sys.argv`. On the wire it is a NUL, which no argument,
directory or variable can have, and the byte's two hexadecimal digits.
"""

import re

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.protocol.messages.sessions import SessionRequest

_SURROGATE = re.compile("[\udc80-\udcff]")
_ON_THE_WIRE = re.compile("\0([89a-f][0-9a-f])")


def to_wire(text: str) -> str:
    """Return what stands for a text on the wire. Raises `ValueError` for one that no program can be given."""
    if text.isascii() and "\0" not in text:
        return text
    if "\0" in text:
        raise ValueError("A NUL character cannot be passed to a program")
    wired = _SURROGATE.sub(lambda found: f"\0{ord(found[0]) - 0xDC00:02x}", text)
    if any("\ud800" <= character <= "\udfff" for character in wired):
        raise ValueError("There is half a character in the text, which no program can be passed")
    return wired


def from_wire(text: str) -> str:
    """Return the text for which `text` stands, with surrogates for bytes that are no UTF-8.

    Bytes that make a character together are that character, so that a text has one spelling alone. A NUL that begins
    no byte is left.
    """
    if "\0" not in text:
        return text
    held = _ON_THE_WIRE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)
    return held.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def is_text(text: str) -> bool:
    """Tell whether a text, as Python holds it, is without bytes that are no UTF-8."""
    return _SURROGATE.search(text) is None


def carry_bytes(request: SessionRequest) -> bool:
    """Have a request's words, paths and variables stand as they do on the wire; tell whether bytes are in them.

    Raises `SessionRejectedException` where one of them is nothing that a program can be given.
    """
    try:
        request.command = request.command and to_wire(request.command)
        request.args = tuple(map(to_wire, request.args))
        request.cwd = request.cwd and to_wire(request.cwd)
        request.target = request.target and to_wire(request.target)
        request.env = {to_wire(name): to_wire(value) for name, value in request.env.items()}
    except ValueError as exc:
        raise SessionRejectedException(str(exc), code=ErrorCodes.BAD_REQUEST) from exc
    return has_bytes(request)


def has_bytes(request: SessionRequest) -> bool:
    """Tell whether a request, as it is on the wire, holds bytes that are no UTF-8."""
    ones = (request.command, request.cwd, request.target)
    return any("\0" in text for text in (*ones, *request.args, *request.env, *request.env.values()) if text)


_LONGEST_SPELLING = 12
"""Characters that stand for one on the wire: four bytes that are a character together."""


def start_of(text: str, most: int) -> str:
    """Return what `from_wire` does for a text, or for so much of its start that it is more than `most` characters."""
    return from_wire(text[: _LONGEST_SPELLING * (most + 1)])[: most + 1]


def shown_start(text: str, most: int) -> str:
    """Return what `shown` does for a text, or for so much of its start that it is more than `most` characters."""
    return shown(start_of(text, most))[: most + 1]


def shown(text: str) -> str:
    r"""Return a text, of the wire or as Python holds it, for people: with `\xff` for a byte that is no UTF-8."""
    if text.isascii() and "\0" not in text:
        return text
    return _SURROGATE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", from_wire(text))
