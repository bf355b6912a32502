"""Whether output ends within an escape sequence or a string of one, over any chunking."""

import re
from typing import Final

ABORT: Final = b"\x18\x1b\\"
"""CAN ends an unfinished sequence; ST an unfinished string, in which tmux does not heed CAN."""

_STRINGS: Final = b"]PX^_k"
"""What begins a string behind ESC: a command, one for a device or a program, or (`k`) a title of screen."""

_END: Final = {
    b"[": re.compile(rb"[\x18\x1a@-~]"),
    b"]": re.compile(rb"[\x07\x18\x1a]"),
    b"P": re.compile(rb"[\x18\x1a]"),
    b"\x1b": re.compile(rb"[\x18\x1a0-~]"),
}
"""What ends a control sequence, a command, another string and a short sequence; ESC ends each, and begins another."""


class Unfinished:
    """Feed it all output; `is_within` tells whether a terminal takes what comes next for a part of a sequence."""

    def __init__(self) -> None:
        self._kind = b""

    @property
    def is_within(self) -> bool:
        """Whether the last sequence is not finished."""
        return self._kind != b""

    def feed(self, data: bytes) -> None:
        """Take more output."""
        begin = data.rfind(b"\x1b")
        if begin >= 0:
            self._kind, data = b"\x1b", data[begin + 1 :]
        if self._kind == b"\x1b" and data:
            first, rest = data[:1], data[1:]
            if first in (b"[", b"]"):
                self._kind, data = first, rest
            elif first in _STRINGS:
                self._kind, data = b"P", rest
        if self._kind and _END[self._kind].search(data):
            self._kind = b""
