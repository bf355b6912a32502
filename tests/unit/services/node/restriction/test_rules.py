"""Rules match word by word, and wildcards leave options alone that they were not meant for."""

import re
import string

from hypothesis import assume, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.services.node.restriction.containment import find_uncontained
from omnyshell.services.node.restriction.escapes import OPTIONS_BY_PROGRAM, escapes_of
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.wildcards import has_wildcard, pattern_flaw

RULE = CommandRule(program="/usr/bin/x", arguments=("status", "ng*"), rest=("[ab]", "-n", "--lines=[0-9]"))


def allows(rule: CommandRule, *words: str, names: tuple[str, ...] = ("x",)) -> bool:
    return not rule.mismatch(words, escapes_of(names))


@in_one_test(
    "words",
    [
        ("status", "ng"),
        ("status", "nginx"),
        ("status", "ng\n"),
        ("status", "ng x y"),
        ("status", "ng", "a"),
        ("status", "ng", "b", "-n", "--lines=5", "a"),
    ],
)
def test_words_that_match_one_by_one_may_be_given(words: tuple[str, ...]) -> None:
    assert allows(RULE, *words)


@in_one_test(
    "words",
    [
        (),
        ("status",),
        ("status ng",),
        ("status", ""),
        ("", "status", "ng"),
        ("Status", "ng"),
        ("status\n", "ng"),
        (" status", "ng"),
        ("ｓtatus", "ng"),  # noqa: RUF001 - a letter that only looks like another
        ("status", "xng"),
        ("status", "\nng"),
        ("status", "ng", "c"),
        ("status", "ng", "ab"),
        ("status", "ng", ""),
        ("status", "ng", "a", "-x"),
        ("status", "ng", "--lines=55"),
        ("status", "ng", "-n5"),
        ("-x", "status", "ng"),
        ("ng", "status"),
    ],
)
def test_words_that_do_not_are_refused(words: tuple[str, ...]) -> None:
    assert not allows(RULE, *words)


@in_one_test("pattern", ["*", "?*", "??", "[-]x", "[!a]x", "[+--]x", "*x"])
def test_a_wildcard_at_the_beginning_matches_no_option(pattern: str) -> None:
    assert not allows(CommandRule(program="/x", arguments=(pattern,)), "-x")
    assert not allows(CommandRule(program="/x", rest=(pattern,)), "-x")


@in_one_test(
    ("pattern", "word"),
    [
        ("/var/log/*", "/var/log/../../etc/shadow"),
        ("/var/log/*", "/var/log/.."),
        ("/var/log*", "/var/log/a/../../x"),
        ("/var/*/messages", "/var/../messages"),
        ("--file=/var/log/*", "--file=/var/log/../x"),
        ("--file=*", "--file=.."),
        ("*/", "../"),
        ("??", ".."),
        ("k=*", "k=a:../x"),
        ("k=*", "k=a,../x"),
        ("/srv/*", "/srv/x\\.."),
        ("/srv/*", "/srv/a,../x"),
        ("/srv/*", "/srv/a ../x"),
        ("/srv/*", "/srv/é/.."),
        ("@*", "@../x"),
        ("if=*", "if=../x"),
    ],
)
def test_a_wildcard_does_not_step_up(pattern: str, word: str) -> None:
    assert not allows(CommandRule(program="/x", arguments=(pattern,)), word)
    assert not allows(CommandRule(program="/x", rest=(pattern,)), word)
    assert allows(CommandRule(program="/x", arguments=(word,)), word)
    assert allows(CommandRule(program="/x", rest=("*", word)), word)


def test_dots_that_do_not_step_up_are_dots() -> None:
    for word in ("/var/log/...", "/var/log/a..b", "/var/log/..a", "/var/log/.a", "/var/log/a.."):
        assert allows(CommandRule(program="/x", arguments=("/var/log/*",)), word)


@given(st.lists(st.sampled_from(["a", "-b", "--c=d", "", "-", "--", "\n", "x y"]), max_size=4))
def test_a_rest_of_words_and_options_takes_any_number_of_both(words: list[str]) -> None:
    rule = CommandRule(program="/x", rest=("*", "-*"))
    assert allows(rule, *words)
    assert allows(CommandRule(program="/x", rest=("*",)), *words) is not any(word.startswith("-") for word in words)
    assert allows(CommandRule(program="/x"), *words) is (not words)


ESCAPES = [
    ("git", ["--output=/x", "--output", "--outpu=x", "--ou=x", "-c", "-calias.x=!sh", "--exec-path=/x", "-o/x"]),
    ("git-upload-pack", ["--upload-pack=/x"]),
    ("find", ["-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint", "-fprintf", "-fprint0", "-fls"]),
    ("sort", ["-o", "-o/x", "-ro/x", "-nro", "--output=/x", "--compress-program=/x", "--comp=/x"]),
    ("journalctl", ["--cursor-file=/x", "--cursor-f=/x", "-Hx", "--host=x", "--rotate"]),
    ("systemctl", ["-Hx", "-H", "-lHx", "-THx", "-kMx", "--host=x", "--ho=x", "-M", "--root=/x", "--image=/x"]),
    ("journalctl", ["--update-catalog", "--update", "--root=/x", "-eMx", "-xMx", "--flush"]),
    ("busctl", ["-jHx", "--address=unixexec:path=/x"]),
    ("machinectl", ["-EHx"]),
    ("coredumpctl", ["--debugger=/x", "-qo/x", "-o"]),
    ("dbus-send", ["--address=unixexec:path=/x"]),
    ("date", ["-s", "-us", "--set=x"]),
    ("man", ["-Psh", "--pager=sh", "-P", "-Hsh", "-C/x"]),
    ("less", ["-o/x", "-k/x", "--log-file=/x"]),
    ("tcpdump", ["-z", "-w/x", "-nw"]),
    ("tar", ["--to-command=sh", "--checkpoint-action=exec=sh", "-Ish", "--use-compress-program=sh"]),
]
HARMLESS = [
    ("git", ["--oneline", "-5", "--", "-", "-p", "--format=%H", "--stat"]),
    ("find", ["-name", "-type", "-newer", "-print", "-maxdepth"]),
    ("sort", ["-n", "-k2", "-r", "--", "--key=2"]),
    ("journalctl", ["-u", "-n", "-f", "-umyservice", "--since=today", "--no-pager", "-o", "-ojson"]),
    ("systemctl", ["-l", "--no-pager", "-pId", "--all"]),
    ("ls", ["-o", "--output", "-H", "-c", "-exec"]),
]


@in_one_test(("program", "word"), [(name, word) for name, words in ESCAPES for word in words])
def test_a_wildcard_takes_no_option_that_is_known_to_run_programs_or_write_files(program: str, word: str) -> None:
    for rest in (("*", "-*"), ("-*",), ("--*", "-[!-]*", "-*")[:1]):
        if rest != ("--*",) or word.startswith("--"):
            assert not allows(CommandRule(program="/x", rest=rest), word, names=(program, "x"))
    assert not allows(CommandRule(program="/x", arguments=("-*",)), word, names=(program,))
    assert allows(CommandRule(program="/x", rest=(word,)), word, names=(program,))


@in_one_test(("program", "word"), [(name, word) for name, words in ESCAPES for word in words])
def test_no_wildcard_that_does_not_name_such_an_option_takes_it(program: str, word: str) -> None:
    escapes = escapes_of([program])
    for at in range(1, len(word) + 1):
        for pattern in (f"{word[:at]}*", f"{word[:at]}?*", f"-*{word[at:]}", f"{word[:at]}[!x]*"):
            beginning = re.split(r"[*?[]", pattern)[0]
            if not escapes.is_named_by(beginning, word):
                rule = CommandRule(program="/x", arguments=(pattern,), rest=(pattern,))
                assert rule.mismatch((word,), escapes), pattern
    if word.startswith("--"):
        # Nor what it may be shortened to.
        assert CommandRule(program="/x", rest=("--[a-z]*=*", "--?*", "--*=*")).mismatch((word,), escapes)


@given(st.data())
def test_no_letter_that_does_harm_hides_among_others(data: st.DataObject) -> None:
    program = data.draw(st.sampled_from(sorted(name.replace("*", "x") for name in OPTIONS_BY_PROGRAM)))
    escapes = escapes_of([program])
    assume(escapes.letters)
    letter = data.draw(st.sampled_from(sorted(escapes.letters)))
    harmless = st.text(sorted(set(string.ascii_letters + string.digits) - escapes.letters), max_size=4)
    before, behind = data.draw(harmless), data.draw(st.text(max_size=4))
    for pattern in ("-*", "-[!-]*", f"-{before}*", f"-{before}?*", f"-{before}[!x]*", "-?*", f"-*{behind}", "[-]*"):
        if has_wildcard(pattern) and not pattern_flaw(pattern) and letter not in pattern.partition("*")[0]:
            assert CommandRule(program="/x", rest=("*", pattern)).mismatch((f"-{before}{letter}{behind}",), escapes)


def test_a_pattern_that_names_such_an_option_takes_it_and_no_other() -> None:
    git = escapes_of(["git"])
    rule = CommandRule(program="/x", rest=("--output=/srv/*", "-n*"))
    assert not rule.mismatch(("--output=/srv/a", "-n5"), git)
    for word in (
        "--output=/etc/a",
        "--output=/srv/../a",
        "--exec-path=/srv/a",
        "-no/tmp/x",
        "--output-directory=/srv/a",
    ):
        assert rule.mismatch((word,), git)
    assert not CommandRule(program="/x", rest=("-exec*",)).mismatch(("-exec", "-execdir"), escapes_of(["find"]))


@in_one_test(("program", "word"), [(name, word) for name, words in HARMLESS for word in words])
def test_other_options_are_left_alone(program: str, word: str) -> None:
    assert not escapes_of([program]).has(word)
    assert allows(CommandRule(program="/x", rest=("*", "-*")), word, names=(program,))


def test_the_name_that_a_link_hides_counts_too() -> None:
    assert not allows(CommandRule(program="/x", rest=("-*",)), "-exec", names=("search", "find"))


@in_one_test(
    "name", ["sh", "bash", "python3.11", "perl", "vim.basic", "less", "env", "xargs", "git", "find", "tar", "rsync"]
)
def test_programs_that_nothing_contains_are_known(name: str) -> None:
    assert find_uncontained([name])


@in_one_test("name", ["uptime", "df", "journalctl", "ls", "cat", "grep", "ps"])
def test_programs_that_do_one_thing_are_not_blamed(name: str) -> None:
    assert find_uncontained([name]) is None


def test_an_explanation_names_the_word() -> None:
    said = [RULE.mismatch(words, escapes_of(())) for words in (("status",), ("stop", "ng"), ("status", "ng", "z"))]
    assert said == [
        "word 3 is missing; it must match 'ng*'",
        "word 2, 'stop', does not match 'status'",
        "word 4, 'z', matches none of '[ab]', '-n', '--lines=[0-9]'",
    ]
    assert CommandRule(program="/x").mismatch(("a",), escapes_of(())) == "word 2, 'a', is one too many"
    assert len(CommandRule(program="/x").mismatch(("a" * 100_000,), escapes_of(()))) < 200


@in_one_test(
    ("patterns", "word", "why"),
    [
        (("*",), "-exec", "no wildcard takes an option in the place of a word"),
        (("/srv/*", "*"), "--output=/x", "no wildcard takes an option in the place of a word"),
        (("*", "-*"), "--output=/x", "known to run programs or to write files: name it in full"),
        (("--outp*",), "--output=/x", "name it in full"),
        (("/srv/*",), "/srv/../x", "no wildcard takes '..'"),
        (("--lines=*",), "--lines=../x", "no wildcard takes '..'"),
        (("-n", "a*"), "b", ""),
        (("-n",), "-exec", ""),
    ],
)
def test_an_explanation_says_what_a_pattern_does_not(patterns: tuple[str, ...], word: str, why: str) -> None:
    said = CommandRule(program="/x", rest=patterns).mismatch((word,), escapes_of(["git"]))
    assert said.startswith(f"word 2, {word!r}, matches none of ")
    assert said.endswith(why or repr(patterns[-1]))
