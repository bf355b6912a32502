"""Questions that programs ask their terminal, answered by the node while no terminal is attached.

See "Device queries" in docs/protocol.md#sessions.

Only the primary device attributes and the two status reports (DA1, DSR 5 and 6 in xterm's control sequences): their
answers hold nothing that the program chose.
"""

import re
from collections.abc import Iterator
from enum import Enum

_QUERY = re.compile(rb"\x1b\[(0*c|5n|6n)")
_LONGEST = 16


class DeviceQuery(Enum):
    """A question."""

    ATTRIBUTES = b"c"
    STATUS = b"5n"
    CURSOR = b"6n"


class DeviceQueryScanner:
    """Finds the questions in output, over any chunking."""

    def __init__(self) -> None:
        self._tail = b""

    def reset(self) -> None:
        """Forget what was seen: the next output does not follow on it."""
        self._tail = b""

    def split(self, data: bytes) -> Iterator[tuple[bytes, DeviceQuery | None, int]]:
        """Yield the output in pieces, each with the question it ends in, if any, and the question's length."""
        before = len(self._tail)
        text = self._tail + data
        done = 0
        for match in _QUERY.finditer(text):
            end = match.end() - before
            yield data[done:end], _kind(match[1]), len(match[0])
            done = end
        if done < len(data):
            yield data[done:], None, 0
        self._tail = _unfinished(text, before + done if done else 0)


def _kind(parameters: bytes) -> DeviceQuery:
    return DeviceQuery.ATTRIBUTES if parameters.endswith(b"c") else DeviceQuery(parameters)


def _unfinished(text: bytes, start: int) -> bytes:
    """The beginning of a question at the very end, which the next output may finish."""
    found = text.rfind(b"\x1b", max(start, len(text) - _LONGEST))
    return text[found:] if found >= 0 else b""
