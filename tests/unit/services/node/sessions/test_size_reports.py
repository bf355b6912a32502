"""Reports of a terminal's size (DEC mode 2048)."""

from omnyshell import PtySpec
from omnyshell.services.node.sessions.size_reports import SizeReports


def test_sizes_are_reported_to_who_relies_on_it_where_its_terminal_does_not() -> None:
    reports, size = SizeReports(), PtySpec(cols=60, rows=20)
    for typed in (b"\x1b[48;24;80t"[:6], b"ls\r", b"\x1b[48;1t", b"\x1b[8;24;80t"):
        reports.typed(typed)
    reports.attached()
    assert reports.report(size) == b""
    reports.typed(b"x\x1b[48;24;80;0;0ty")
    assert reports.report(size) == b""
    reports.attached()
    assert reports.report(size) == b"\x1b[48;20;60;0;0t"
