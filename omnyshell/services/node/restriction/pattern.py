"""The short form of a rule, `--allow-command PATTERN`, and what it meant before version 0.2.

Before, the pattern was held against the program alone, or against the whole line. A pattern that cannot be a rule any
more makes a rule that lets nothing run: a node that was restricted stays so, and stays reachable.
"""

import re
import shlex
from fnmatch import fnmatchcase

from omnyshell.services.node.restriction.paths import path_flaw
from omnyshell.services.node.restriction.rule import OPTIONS, WORDS, CommandRule, has_wildcard

_QUOTES = frozenset("'\"\\")
_SPLIT_CLASS = re.compile(r"\[[^\]]*\s")
"""A set of characters with a blank in it, which stands between two words now."""


def rule_from_pattern(pattern: str) -> CommandRule:
    """Return the rule that a pattern means: its program, a pattern for each word, and for a last `*` any words."""
    origin = f"--allow-command {pattern!r}"
    try:
        program, *arguments = _words(pattern)
    except ValueError as exc:
        return CommandRule(program="", origin=origin, flaw=str(exc))
    rest: tuple[str, ...] = ()
    if _ends_open(pattern, arguments):
        arguments.pop()
        rest = (WORDS, OPTIONS)
    return CommandRule(
        program=program, arguments=tuple(arguments), rest=rest, pty=True, origin=origin, flaw=_program_flaw(program)
    )


def narrowed(pattern: str) -> str:
    """Return what a pattern let run before and does not now, and what to write instead; an empty text if nothing."""
    rule = rule_from_pattern(pattern)
    if rule.flaw or not rule.program:
        return ""
    if not rule.arguments and not rule.rest:
        return (
            f"it lets {rule.program} run without words only, before 0.2 with any: write '{pattern.strip()} *' for that"
        )
    # What any option reached over are the words that follow it.
    words = rule.arguments[:-1] if rule.rest and rule.arguments[-1:] in (("-*",), ("--*",)) else rule.arguments
    if not _SPLIT_CLASS.search(pattern) and not any(_could_reach_on(word) for word in words):
        return ""
    less = "a wildcard stays within its word; before 0.2 it reached over several"
    beginning = pattern.rstrip()[:-1]
    if rule.rest or not rule.arguments[-1].endswith("*") or not rule.arguments[-1].strip("-*"):
        return f"{less}: write a pattern for each number of words that you mean"
    return f"{less}: write '{beginning if beginning[-1].isalnum() else pattern.rstrip()} *' for any words that follow"


def _words(pattern: str) -> list[str]:
    words = pattern.split() if _QUOTES.isdisjoint(pattern) else shlex.split(pattern)
    if not words:
        raise ValueError("it names no program")
    return words


def _ends_open(pattern: str, arguments: list[str]) -> bool:
    """Whether it ends with a `*` that stands alone and is not quoted, which would make it one word."""
    return bool(arguments) and arguments[-1] == "*" and pattern.split()[-1] == "*"


def _program_flaw(program: str) -> str:
    if has_wildcard(program):
        return "a program cannot be named by a wildcard: write a pattern for each program"
    if "/" not in program:
        return "" if program else "it names no program"
    flaw = path_flaw(program)
    return f"the path of its program {flaw}" if flaw else ""


def _could_reach_on(word: str) -> bool:
    """Whether a word's pattern matched what it leaves alone now: a blank, and so further words, an option, or `..`."""
    atoms = _atoms(word)
    within = atoms[1:-1]
    return (
        "*" in atoms
        or any(has_wildcard(atom) and fnmatchcase(" ", atom) for atom in within)
        or (has_wildcard(atoms[0]) and fnmatchcase("-", atoms[0]))
    )


def _atoms(word: str) -> list[str]:
    """The characters and wildcards of a pattern, one by one."""
    atoms = []
    at = 0
    while at < len(word):
        end = word.find("]", at + (3 if word[at + 1 : at + 2] == "!" else 2)) if word[at] == "[" else -1
        atoms.append(word[at : end + 1] if end > 0 else word[at])
        at += len(atoms[-1])
    return atoms or [""]
