"""In-band resize (DEC mode 2048): a program learns its terminal's size by its input, and heeds no signal.

The terminal that such a program was started in reports; the one that takes its session up may know no such mode. So
the node reports where the terminal that is attached has not. What that reports itself comes later, and is the same.
"""

import re
from typing import Final

from omnyshell.model.sessions import PtySpec

_report: Final = re.compile(rb"\x1b\[48;[0-9]+;[0-9]+(?:;[0-9]+){0,2}t").search


class SizeReports:
    """What is known of one session's reports, from what its terminals type."""

    def __init__(self) -> None:
        self._relied_on = False
        self._terminal_reports = False

    def typed(self, data: bytes) -> None:
        """Look for reports in input."""
        if b"\x1b[48;" in data and _report(data):
            self._relied_on = self._terminal_reports = True

    def attached(self) -> None:
        """Another terminal has the session."""
        self._terminal_reports = False

    def report(self, size: PtySpec) -> bytes:
        """Return what tells the program, while its mode is on, of a size; b"" where its terminal does, or never did."""
        if not self._relied_on or self._terminal_reports:
            return b""
        return b"\x1b[48;%d;%d;0;0t" % (size.rows, size.cols)
