"""Notices where a program leaves the alternate screen (docs/protocol.md#detached-sessions)."""

import re

_LEAVE = re.compile(rb"\x1b\[\?(?:[0-9]+;)*(?:47|1047|1049)(?:;[0-9]+)*l")
_LONGEST = 32


class MainScreenWatch:
    """Finds the first sequence that shows the main screen again, over any chunking of the output."""

    def __init__(self) -> None:
        self._tail = b""

    def find(self, data: bytes) -> int | None:
        """Return the offset in `data` behind the sequence, or None where it does not end here."""
        before = len(self._tail)
        text = self._tail + data
        match = _LEAVE.search(text)
        if match is not None:
            return match.end() - before
        start = text.rfind(b"\x1b", max(0, len(text) - _LONGEST))
        self._tail = text[start:] if start >= 0 else b""
        return None
