"""Some three hundred short outputs of our own: each function where the cursor may be, with and without margins."""

from collections.abc import Iterator
from typing import Final

COLUMNS, LINES = 20, 6

_FILLED: Final = "".join(f"{letter * 10}{letter.lower() * 10}" for letter in "ABCDE")
_PLACES: Final = {
    "home": "\x1b[H",
    "middle": "\x1b[3;8H",
    "last column": "\x1b[3;20H",
    "bottom": "\x1b[6;5H",
    "wrap pending": "\x1b[3;16Hvwxyz",
}
_REGIONS: Final = {"": "", " in a region": "\x1b[2;4r"}
_FUNCTIONS: Final = {
    "CUU": "\x1b[2A",
    "CUD": "\x1b[2B",
    "CUF": "\x1b[4C",
    "CUB": "\x1b[4D",
    "CNL": "\x1b[2E",
    "CPL": "\x1b[2F",
    "CHA": "\x1b[7G",
    "VPA": "\x1b[2d",
    "HVP beyond": "\x1b[99;99f",
    "BS": "\b",
    "HT": "\t",
    "CHT": "\x1b[2I",
    "CBT": "\x1b[Z",
    "CR": "\r",
    "LF": "\n",
    "IND": "\x1bD",
    "RI": "\x1bM",
    "NEL": "\x1bE",
    "ICH": "\x1b[3@",
    "DCH": "\x1b[3P",
    "ECH": "\x1b[3X",
    "IL": "\x1b[2L",
    "DL": "\x1b[2M",
    "SU": "\x1b[2S",
    "SD": "\x1b[2T",
    "EL": "\x1b[K",
    "EL 1": "\x1b[1K",
    "ED": "\x1b[J",
}
_ALONE: Final = {
    "SGR flags": "\x1b[1;3;4;7;9mab\x1b[22;27mcd\x1b[mef",
    "SGR 256 colours": "\x1b[38;5;200;48;5;17mab\x1b[39mcd",
    "SGR true colours": "\x1b[38;2;1;2;3mab\x1b[48;2;9;8;7mcd",
    "SGR bright": "\x1b[97;101mab",
    "background erased": "\x1b[44m\x1b[2J\x1b[3;3Hx",
    "background scrolled in": "\x1b[42m\x1b[6;1H\n\nx",
    "insert mode": "abcdef\x1b[3G\x1b[4hXY\x1b[4lZ",
    "insert mode at the edge": "\x1b[17Gwxyz\x1b[17G\x1b[4hQ",
    "no autowrap": "\x1b[?7l" + "abcdefghij" * 3 + "!",
    "autowrap": "abcdefghij" * 3 + "!",
    "origin mode": "\x1b[2;4r\x1b[?6h\x1b[Hx\x1b[9;1Hy",
    "DECALN": "\x1b#8",
    "DECSC, DECRC": "\x1b[2;3H\x1b[31m\x1b7\x1b[5;5H\x1b[m\x1b8x",
    "SCOSC, SCORC": "\x1b[2;3H\x1b[s\x1b[5;5H\x1b[ux",
    "alternate screen": "main\x1b[?1049halt\x1b[?1049lx",
    "alternate screen shown": "main\x1b[?1049halt",
    "special graphics": "\x1b(0lqqk\x1b(B x",
    "shift out": "\x1b)0a\x0eq\x0fb",
    "wide": "漢字かな",
    "wide at the edge": "\x1b[20G漢",
    "half overwritten": "漢字\x1b[2Gx",
    "half erased": "漢字\x1b[2G\x1b[K",
    "wide moved": "漢字\x1b[H\x1b[@",
    "mark": "e\u0301a\u0308x",
    "tab stops": "\x1b[3g\x1b[5G\x1bH\x1b[H\tx",
    "RIS": "text\x1b[5;5H\x1bcx",
    "DECSTR": "\x1b[2;4r\x1b[1m\x1b[!px\x1b[6;1H\ny",
    "REP": "ab\x1b[3bc",
    "VT, FF": "a\x0bb\x0cc",
    "controls within": "\x1b[3\n1mred",
    "cancelled": "\x1b[31\x18mx",
    "unknown": "\x1b[5;7yx\x1b]999;y\x07z",
}


def cases() -> Iterator[tuple[str, bytes]]:
    """Yield each case's name and output."""
    for place, there in _PLACES.items():
        for region, margins in _REGIONS.items():
            for name, function in _FUNCTIONS.items():
                yield f"{name}, {place}{region}", f"{_FILLED}{margins}{there}{function}!".encode()
    for name, text in _ALONE.items():
        yield name, text.encode()
