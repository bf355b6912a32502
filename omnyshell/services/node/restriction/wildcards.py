"""Patterns for words: a shell's patterns for file names, each matched against one word."""

import re
from fnmatch import fnmatchcase

from omnyshell.services.node.restriction.escapes import Escapes

WORDS = "*"
"""The pattern for any word that is no option."""

OPTIONS = "-*"
"""The pattern for any option except those that are known to run programs or to write files."""

_ANY_OPTION = (OPTIONS, "--*")
_WILD = frozenset("*?[")
_SET = re.compile(r"\[!?+\]?+[^\]]*+\]")
_STEP = re.compile(r"(?<![A-Za-z0-9_.-])\.\.(?![A-Za-z0-9_.-])")


def has_wildcard(pattern: str) -> bool:
    """Tell whether a pattern matches more than itself."""
    return not _WILD.isdisjoint(pattern)


def pattern_flaw(pattern: str) -> str:
    """Return the part of a pattern that a shell would read differently, or not at all; "" if there is none."""
    if "\0" in pattern:
        return "has a NUL in it, which no word has"
    if not has_wildcard(pattern):
        return ""
    if "\\" in pattern:
        return r"has a '\' in it, which takes no meaning from a wildcard here: write [*], [?] or [[]"
    if "[" in _SET.sub("", pattern):
        return "has a '[' without its ']': write [[] for the character"
    sets = _SET.findall(pattern)
    if any(found.startswith("[^") for found in sets):
        return "has '[^' in it: write [!...] for all characters but some"
    if any(sign in found for found in sets for sign in ("[:", "[.", "[=")):
        return "names a class of characters, which is not known here: write [0-9], [a-z] and the like"
    return ""


def matches(word: str, pattern: str, escapes: Escapes) -> bool:
    """Tell whether a word matches a pattern.

    A wildcard matches no option unless the pattern begins with `-`, no dangerous option unless the pattern names it,
    and nothing that steps up by `..` unless it is the whole pattern.
    """
    # A shortcut, as a client may send thousands of words.
    if pattern == WORDS:
        return not word.startswith("-")
    if pattern in _ANY_OPTION:
        return word.startswith(pattern[:-1]) and not escapes.has(word)
    if not has_wildcard(pattern):
        return word == pattern
    if word.startswith("-") and not _takes_option(word, pattern, escapes):
        return False
    return (not steps_up(word) or steps_up(pattern)) and fnmatchcase(word, pattern)


def reason(word: str, pattern: str, escapes: Escapes) -> str:
    """Return why a word does not match, if the pattern does not make that obvious; else ""."""
    if not has_wildcard(pattern):
        return ""
    if word.startswith("-") and not pattern.startswith("-"):
        return "no wildcard takes an option in the place of a word"
    if escapes.has(word):
        return "no wildcard takes an option that is known to run programs or to write files: name it in full"
    return "no wildcard takes '..'" if steps_up(word) and not steps_up(pattern) else ""


def steps_up(path: str) -> bool:
    """Tell whether a path, or one within a word, leaves the directory that it begins with."""
    return ".." in path and _STEP.search(path) is not None


def _takes_option(word: str, pattern: str, escapes: Escapes) -> bool:
    if not pattern.startswith("-"):
        return False
    return not escapes.has(word) or escapes.is_named_by(re.split(r"[*?[]", pattern, maxsplit=1)[0], word)
