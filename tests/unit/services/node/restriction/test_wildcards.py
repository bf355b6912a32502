"""Patterns: what a shell means otherwise is refused, and the rest is as it is in a shell, but for `*` and `/`."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import ConfigException
from omnyshell.services.node.restriction.escapes import escapes_of
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.wildcards import has_wildcard, matches, pattern_flaw

NO_ESCAPES = escapes_of(())


@in_one_test(
    ("pattern", "words"),
    [
        ("[^.]*", "write [!...]"),
        ("a[^]]", "write [!...]"),
        ("[[:digit:]]*", "write [0-9]"),
        ("x[![:space:]]", "write [0-9]"),
        ("[[.a.]]", "write [0-9]"),
        ("[[=a=]]", "write [0-9]"),
        ("[", "without its ']'"),
        ("a[b", "without its ']'"),
        ("[]", "without its ']'"),
        ("[!]", "without its ']'"),
        ("[a]x[b*", "without its ']'"),
        (r"\*", r"has a '\'"),
        (r"a\b*", r"has a '\'"),
        (r"[\]]", r"has a '\'"),
        ("a\0", "a NUL"),
        ("*\0", "a NUL"),
    ],
)
def test_what_a_shell_means_otherwise_is_refused_and_says_what_to_write(pattern: str, words: str) -> None:
    assert words in pattern_flaw(pattern)
    for where in ("arguments", "rest"):
        with pytest.raises(ConfigException, match=re.escape(words)):
            CommandRule(program="/bin/ls", **{where: (pattern,)})
    with pytest.raises(ConfigException, match=re.escape(words)):
        CommandRule(program="/bin/ls", environment=(f"TZ={pattern}",))


@in_one_test(
    ("pattern", "word"),
    [("[[]*", "[x"), ("[*]", "*"), ("[?]", "?"), ("[]]", "]"), ("[!]]", "x"), (r"\.log$", r"\.log$")],
)
def test_what_is_advised_matches_the_character(pattern: str, word: str) -> None:
    assert not pattern_flaw(pattern)
    assert matches(word, pattern, NO_ESCAPES)


def test_a_star_matches_slashes_too() -> None:
    assert matches("/srv/a/b/c", "/srv/*", NO_ESCAPES)
    assert matches("/srv/a/b/c", "/srv/?*c", NO_ESCAPES)


SHELL = shutil.which("bash") or "/bin/sh"
ALPHABET = "ab[]!-^:*?\\"


@given(st.lists(st.tuples(st.text(ALPHABET, min_size=1, max_size=6), st.text("ab[]!^:", max_size=4)), max_size=20))
def test_the_rest_is_as_in_a_shell(pairs: list[tuple[str, str]]) -> None:
    pairs = [(pattern, word) for pattern, word in pairs if has_wildcard(pattern) and not pattern_flaw(pattern)]
    pairs = [(pattern, word) for pattern, word in pairs if not re.search(r"[ab!^:\]-]-", pattern)]
    script = "while [ $# -gt 0 ]; do case $2 in $1) echo 1;; *) echo 0;; esac; shift 2; done"
    argv = [SHELL, "-c", script, "sh", *(text for pair in pairs for text in pair)]
    answers = subprocess.run(argv, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout.split()
    assert [answer == "1" for answer in answers] == [matches(word, pattern, NO_ESCAPES) for pattern, word in pairs]


def test_only_what_is_no_letter_and_the_like_stands_before_a_step_up() -> None:
    for char in map(chr, range(1, 256)):
        is_part = char.isascii() and (char.isalnum() or char in "_-.")
        assert matches(f"/srv/x{char}../y", "/srv/*", NO_ESCAPES) is is_part, char
        assert matches(f"/srv/x/..{char}", "/srv/*", NO_ESCAPES) is is_part, char
