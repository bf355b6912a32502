"""The language of libvterm's scripts: commands in capitals, below them what comes of them, strings as in Perl."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_REPEATED = re.compile(r"\$REP\s+(\d+):\s*(.*)").fullmatch
_COUNTED = re.compile(r"\$SEQ\s+(\d+)\s+(\d+):\s*(.*)").fullmatch
_COMMAND = re.compile(r"([A-Z]+[A-Z0-9]*)\s*(.*)").fullmatch
_TERM = re.compile(r'\s*(?:"((?:\\.|[^"\\])*)"|(\()|(0x[0-9A-Fa-f]+|\d+)|([.x)]))', re.DOTALL).match
_ESCAPE = re.compile(r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_NAMED = {"e": "\x1b", "n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "0": "\0"}


class Line(NamedTuple):
    """One line, where it stands; what `$REP` and `$SEQ` repeat are as many lines."""

    number: int
    text: str


class Step(NamedTuple):
    """A command with its argument, and the lines about what comes of it."""

    name: str
    argument: str
    expected: list[Line]


def lines_of(text: str) -> Iterator[Line]:
    """Yield the lines that say something, up to the end that a script may mark."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped == "__END__":
            return
        if stripped and stripped[0] not in "#!":
            for repeated in _repeated(stripped):
                yield Line(number, repeated)


def _repeated(line: str) -> list[str]:
    if found := _REPEATED(line):
        return _repeated(found[2]) * int(found[1])
    if found := _COUNTED(line):
        values = range(int(found[1]), int(found[2]) + 1)
        return [one for value in values for one in _repeated(found[3].replace("\\#", str(value)))]
    return [line]


def steps_of(text: str) -> list[Step]:
    """Return the commands in order."""
    steps: list[Step] = []
    for line in lines_of(text):
        command = _COMMAND(line.text)
        if command:
            steps.append(Step(command[1], command[2], []))
        elif steps:
            steps[-1].expected.append(line)
    return steps


def perl_bytes(expression: str) -> bytes:
    """Return the value of string literals, repeated by `x` and joined by `.`; each character is a byte.

    Raises ValueError where it is anything else.
    """
    value, rest = _joined(expression)
    if rest.strip():
        raise ValueError(expression)
    return value.encode("latin-1")


def _joined(text: str) -> tuple[str, str]:
    value, rest = _multiplied(text)
    while (found := _TERM(rest)) and found[4] == ".":
        more, rest = _multiplied(rest[found.end() :])
        value += more
    return value, rest


def _multiplied(text: str) -> tuple[str, str]:
    value, rest = _primary(text)
    while (found := _TERM(rest)) and found[4] == "x":
        count = _TERM(rest[found.end() :])
        if count is None or count[3] is None:
            raise ValueError(text)
        value, rest = value * int(count[3], 0), rest[found.end() + count.end() :]
    return value, rest


def _primary(text: str) -> tuple[str, str]:
    found = _TERM(text)
    if found is None:
        raise ValueError(text)
    if found[2]:
        value, rest = _joined(text[found.end() :])
        closing = _TERM(rest)
        if closing is None or closing[4] != ")":
            raise ValueError(text)
        return value, rest[closing.end() :]
    if found[1] is None:
        raise ValueError(text)
    return _ESCAPE.sub(_unescaped, found[1]), text[found.end() :]


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _NAMED.get(found[3], found[3])


def numbers(text: str) -> list[int]:
    """Return numbers between commas, decimal or as `0x41`."""
    return [int(part, 0) for part in text.split(",") if part.strip()]
