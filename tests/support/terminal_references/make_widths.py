"""Writes `omnyshell/terminal/text/width_table.py` from the C library of this machine.

Programs count columns with `wcwidth` of the C library, and so does tmux; a terminal that counts otherwise draws their
screens wrong. Characters that the library does not know yet are taken from the `wcwidth` package.

    python -m support.terminal_references.make_widths omnyshell/terminal/text/width_table.py
"""

import ctypes
import locale
import sys
import unicodedata
from pathlib import Path

from wcwidth import wcwidth as newest

HEAD = '''"""Characters that are not one column wide, as inclusive ranges; made by `make_widths.py`, not by hand."""

# fmt: off
'''


def width(code: int) -> int:
    known = LIBRARY.wcwidth(code)
    if known >= 0:
        return known
    if unicodedata.category(chr(code)) in ("Cn", "Co"):
        return max(1, newest(chr(code)))
    return 1


def ranges(wanted: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for code in (*range(0xA0, 0xD800), *range(0xE000, 0x110000)):
        if width(code) != wanted:
            continue
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return found


def table(name: str, wanted: int) -> str:
    cells = [f"(0x{first:X}, 0x{last:X})," for first, last in ranges(wanted)]
    lines = [" ".join(cells[at : at + 5]) for at in range(0, len(cells), 5)]
    return f"{name}: tuple[tuple[int, int], ...] = (\n" + "".join(f"    {line}\n" for line in lines) + ")\n"


if __name__ == "__main__":
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    LIBRARY = ctypes.CDLL(None)
    Path(sys.argv[1]).write_text(HEAD + table("WIDE", 2) + table("ZERO_WIDTH", 0))
