"""Whether a rule restricts a program to one purpose, for programs known to run commands or write files."""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from omnyshell.services.node.restriction.splitting import split_line
from omnyshell.services.node.restriction.uncontained import FIXED, RUNS, UNCONTAINED, Uncontained, Use
from omnyshell.services.node.restriction.wildcards import has_wildcard

_INPUT = re.compile(r"-|--server|/dev/(stdin|tty|console|fd/.*|pts/.*)|/proc/.*")
"""Words that make a program read its terminal or standard input, which a client controls."""

_WORDS = frozenset(
    (
        *("at", "batch", "crash", "ed", "env", "ex", "exec", "expect", "go", "info", "init", "install", "links"),
        *("login", "mail", "make", "more", "most", "node", "patch", "rename", "screen", "script", "split", "sponge"),
        *("time", "view", "watch", "tee", "touch", "as", "R", "rc", "es"),
    )
)
"""Names that a user's own script may have by chance."""


def find_uncontained(names: Collection[str], *, is_script: bool = False) -> Uncontained | None:
    """Return the kind that one of a program's names belongs to; None for unknown programs."""
    known = {name for name in names if name not in _WORDS} if is_script else {*names, *map(_stem, names)}
    return next((kind for kind in UNCONTAINED if any(_is_one_of(name, kind.names) for name in known)), None)


def runs_others(name: str) -> bool:
    """Tell whether a program runs the program that its arguments name, so that it interprets no script itself."""
    kind = find_uncontained([name])
    if kind is None:
        return False
    return kind.contained is None or (kind.contained.runs_words and not kind.contained.by_path)


def is_contained(kind: Uncontained, arguments: Sequence[str], rest: Sequence[str] = ()) -> bool:
    """Tell whether these patterns restrict a program of this kind, whatever a client types or sends."""
    use = kind.contained
    if use is None:
        return False
    is_fixed = not any(map(has_wildcard, (*arguments, *rest)))
    if kind.by_options and not is_fixed:
        return not _client_chooses(arguments, rest)
    told = _Deciding(by_option=False, words=tuple(arguments)) if use in (FIXED, RUNS) else _deciding(use, arguments)
    if told is None or (use.runs_words and _runs_uncontained(told.words)):
        return False
    is_open = use.open_behind_option if told.by_option else use.open_behind_operand
    return is_open or (is_fixed and not any(map(_INPUT.fullmatch, (*arguments, *rest))))


class _Deciding(NamedTuple):
    """The arguments that tell a program what to do."""

    by_option: bool
    words: tuple[str, ...]


def _deciding(use: Use, arguments: Sequence[str]) -> _Deciding | None:
    """Find the arguments that tell a program what to do; None where it may do other things as well."""
    for at, word in enumerate(arguments):
        by_option = bool(re.fullmatch(use.told_by, word))
        words = tuple(arguments[at + 1 : at + 2] if by_option else arguments[at : at + use.operands])
        wanted = 1 if by_option else use.operands
        if len(words) == wanted > 0 and all(_is_plain(word) for word in words):
            if not by_option and use.by_path and not words[0].startswith("/"):
                return None
            return _Deciding(by_option, words if by_option or use.by_path else tuple(arguments[at:]))
        if not re.fullmatch(use.fine, word):
            return None
    return None


def _is_plain(word: str) -> bool:
    return not (has_wildcard(word) or word.startswith("-") or _INPUT.fullmatch(word))


def _client_chooses(arguments: Sequence[str], rest: Sequence[str]) -> bool:
    """Whether a client can choose the first argument, or an option."""
    first = arguments[0] if arguments else next(iter(rest), "")
    return has_wildcard(first) or any(takes_options(pattern) for pattern in (*arguments, *rest))


def takes_options(pattern: str) -> bool:
    """Tell whether this pattern lets a client choose an option."""
    option = pattern.partition("=")[0] if pattern.startswith("--") else pattern
    return pattern.startswith("-") and has_wildcard(option)


def _runs_uncontained(arguments: Sequence[str]) -> bool:
    """Whether the first known program among these arguments is not restricted by the arguments after it."""
    words = [part for word in arguments for part in _split(word)]
    for at, word in enumerate(words):
        kind = find_uncontained([os.path.basename(word)])  # noqa: PTH119
        if kind is not None:
            return not is_contained(kind, words[at + 1 :])
    return False


def _split(word: str) -> list[str]:
    try:
        return split_line(word) or [word]
    except ValueError:
        return [word]


def _stem(name: str) -> str:
    """A program's name without version or variant: `nc` for `nc.openbsd`, `busybox` for `busybox-1.36`."""
    return re.split(r"-?[0-9]|\.|-static", name, maxsplit=1)[0]


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
