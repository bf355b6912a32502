"""The short form of a rule; the same words as in 0.1.0 may mean less, and are then warned of, never more."""

import itertools
import shlex
from fnmatch import fnmatchcase

from hypothesis import assume, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.services.node.restriction.escapes import escapes_of
from omnyshell.services.node.restriction.pattern import narrowed, rule_from_pattern
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.services.node.restriction.uncontained import UNCONTAINED, Uncontained

WORDS = ["a", "ab", "-", "-a", "-b", "-ab", "a b", "b", "a/..", "-/.."]
LINES = [["p", *words] for size in range(4) for words in itertools.product(WORDS, repeat=size)]


def allowed_before(pattern: str, argv: list[str]) -> bool:
    """What version 0.1.0 did with a pattern."""
    return fnmatchcase(argv[0], pattern) or fnmatchcase(shlex.join(argv), pattern)


def allowed_now(pattern: str, argv: list[str]) -> bool:
    rule = rule_from_pattern(pattern)
    return not rule.flaw and argv[0] == rule.program and not rule.mismatch(argv[1:], escapes_of((rule.program,)))


PATTERN_WORDS = ["a", "ab", "-a", "*", "a*", "*b", "-*", "?", "a?", "[ab]", "[!b]", "[-a]b", "[ -a]b"]


def test_a_pattern_is_warned_of_exactly_where_it_became_narrower() -> None:
    for words in itertools.chain.from_iterable(itertools.product(PATTERN_WORDS, repeat=size) for size in range(3)):
        pattern = " ".join(["p", *words])
        if rule_from_pattern(pattern).flaw:
            # Which is warned of for itself.
            continue
        lost = [line for line in LINES if allowed_before(pattern, line) and not allowed_now(pattern, line)]
        assert bool(narrowed(pattern)) is bool(lost), (pattern, lost[:3])


@given(st.lists(st.sampled_from(PATTERN_WORDS), max_size=3), st.lists(st.sampled_from(WORDS), max_size=3))
def test_no_pattern_lets_more_words_run_than_before(words: list[str], argv: list[str]) -> None:
    pattern = " ".join(["p", *words])
    # Nothing behind the program was not covered by a last `*`, and blanks within a word were quoted.
    assume(argv and not (words and words[-1] == "*" and len(argv) < len(words)))
    assume(not any(" " in word for word in argv))
    line = ["p", *argv]
    assert allowed_before(pattern, line) or not allowed_now(pattern, line)


@in_one_test(
    ("pattern", "words"),
    [
        ("ls ngin*", "for each number of words that you mean"),
        ("uptime", "write 'uptime *' for that"),
        ("cp * /backup", "write a pattern for each number of words"),
        ("ls a?b", "write a pattern for each number of words"),
        ("/usr/bin/uptime", "write '/usr/bin/uptime *'"),
        ("git log *", "before 0.2 it took all options of git; those that are known"),
        ("journalctl *", "before 0.2 it took all options of journalctl"),
    ],
)
def test_a_warning_says_what_to_write(pattern: str, words: str) -> None:
    assert words in narrowed(pattern)


@in_one_test("pattern", ["uptime *", "cat /srv/a *", "git log -5", "ls [ab]", "echo 'a b'"])
def test_a_pattern_that_means_the_same_is_not_warned_of(pattern: str) -> None:
    assert not narrowed(pattern)


UNREADABLE = [
    *("*", "*ctl status", "/usr/bin/*", "/usr/bin/sys*ctl *", "[l]s", "l? x"),
    *("./tool", "bin/tool", "../tool", "~/tool", "/opt/tools/../../bin/sh", "/opt//tool", "/opt/./tool", "/opt/tool/"),
    *("ls [ab", "ls [^a]*", "ls [[:digit:]]*", "ls [a b]*", "ls x\0", "l\0s", "ls\0 *"),
    *("cat /srv/\\*", "cat '/srv/*'", 'cat "/srv/*"', "cat /srv/'*'", "cat '/srv/'\\*", "ls '[a]'", "ls \\?x", "'*'"),
    *("", " ", "''", "echo 'x", "//bin/ls", "/bin/..", "echo \\"),
]


@in_one_test("pattern", UNREADABLE)
def test_a_pattern_that_can_be_no_rule_lets_nothing_run_and_says_so(pattern: str) -> None:
    policy = CommandPolicy((pattern,))
    assert policy.is_restricted
    [rule] = policy.all_rules
    assert rule.flaw
    assert [text for text in policy.warnings() if "lets nothing run" in text]


def test_words_may_be_quoted() -> None:
    assert rule_from_pattern("echo *").rest == ("*", "-*")
    assert rule_from_pattern("'/opt/my tool' 'a b' *").program == "/opt/my tool"
    assert rule_from_pattern("'/opt/my tool' 'a b' *").arguments == ("a b",)


def test_a_policy_without_anything_restricts_nothing() -> None:
    assert not CommandPolicy().is_restricted
    assert not list(CommandPolicy().warnings())


@in_one_test("kind", UNCONTAINED, ids=lambda kind: kind.what)
def test_no_warning_tells_to_give_more_words_to_what_no_rule_contains(kind: Uncontained) -> None:
    for name in kind.names:
        program = name.replace("*", "")
        for pattern in (program, f"{program} x", f"{program} -", f"{program} x*", f"{program} x* *", f"/opt/{program}"):
            assert f"{pattern} *" not in narrowed(pattern)
