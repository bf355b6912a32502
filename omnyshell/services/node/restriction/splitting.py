"""Splits a command line into words by a POSIX shell's rules for quotes, without its expansions.

The result is that of `shlex.split`, whose time is quadratic in a word's length: 128 KiB would block a node for half a
second.
"""

import re

_PIECE = re.compile(
    r"""(?P<blank>[ \t\r\n]+)|(?P<plain>[^ \t\r\n'"\\]+)|'(?P<single>[^']*)'"""
    r"""|"(?P<double>(?:[^"\\]++|\\.)*)"|\\(?P<one>.)""",
    re.DOTALL,
)
_ESCAPED_IN_QUOTES = re.compile(r'\\(["\\])')


def split_line(line: str) -> list[str]:
    """Return the words of a line. Raises `ValueError` where a quotation or an escape does not end."""
    words: list[str] = []
    word: list[str] | None = None
    at = 0
    while at < len(line):
        piece = _PIECE.match(line, at)
        if piece is None:
            raise ValueError("No escaped character" if line[at] == "\\" else "No closing quotation")
        at = piece.end()
        if piece.lastgroup != "blank":
            word = word or []
            word.append(_text(piece))
        elif word is not None:
            words.append("".join(word))
            word = None
    if word is not None:
        words.append("".join(word))
    return words


def quoted_part(line: str) -> str:
    """Return all characters that are quoted or escaped in a line that can be split."""
    return "".join(_text(piece) for piece in _PIECE.finditer(line) if piece.lastgroup in ("single", "double", "one"))


def _text(piece: re.Match[str]) -> str:
    kind = piece.lastgroup or ""
    text = piece[kind]
    return _ESCAPED_IN_QUOTES.sub(r"\1", text) if kind == "double" else text
