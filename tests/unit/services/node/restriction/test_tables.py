"""`[[commands]]` in a file: what is understood, and mistakes named by file, line and key."""

import itertools
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import ConfigException
from omnyshell.cli.grammar.commands import NODE_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.node.start import config_from
from omnyshell.options.toml_file import read_options
from omnyshell.services.node.options import OPTIONS
from omnyshell.services.node.restriction.environment import HARMLESS, fixed_environment
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.variables import DANGEROUS, variable_flaw

GOOD = """
hub = "wss://h:1"
id = "n"
principal = "p"
token = "t"
allow-command = ["df *"]

[[commands]]
program = "/usr/bin/uptime"

[[commands]]
program = "/usr/bin/journalctl"
arguments = ["-u", "*.service"]
rest = ["-n", "[0-9]*"]
environment = ["TZ", "LC_TIME"]
directory = "/var/log"
pty = true
"""


def rules(tmp_path: Path, text: str) -> tuple[CommandRule, ...]:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return read_options(path, OPTIONS).values["commands"]


def test_a_table_is_a_rule_and_what_is_not_said_is_nothing(tmp_path: Path) -> None:
    first, second = rules(tmp_path, GOOD)
    assert (first.program, first.arguments, first.rest, first.environment) == ("/usr/bin/uptime", (), (), ())
    assert (first.directory, first.pty) == (None, False)
    assert second == CommandRule(
        program="/usr/bin/journalctl",
        arguments=("-u", "*.service"),
        rest=("-n", "[0-9]*"),
        environment=("TZ", "LC_TIME"),
        directory="/var/log",
        pty=True,
        origin=f"[[commands]] at {tmp_path}/node.toml, line 11",
    )


def test_tables_and_patterns_hold_together(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(GOOD)
    policy = config_from(parse(NODE_START, ["--config", str(path)])).commands
    assert [rule.program for rule in policy.all_rules] == ["df", "/usr/bin/uptime", "/usr/bin/journalctl"]
    # The command line replaces the patterns of the file, and leaves its tables.
    policy = config_from(parse(NODE_START, ["--config", str(path), "--allow-command", "id"])).commands
    assert [rule.program for rule in policy.all_rules] == ["id", "/usr/bin/uptime", "/usr/bin/journalctl"]


ONE = '[[commands]]\nprogram = "/bin/a"\n[[commands]]\n'


@in_one_test(
    ("text", "line", "words"),
    [
        (ONE, 3, "a rule must say 'program'"),
        (ONE + 'program = "ls"\n', 4, "is not absolute"),
        (ONE + 'program = "./ls"\n', 4, "is not absolute"),
        (ONE + 'program = ""\n', 4, "is not absolute"),
        (ONE + 'program = "/opt/tools/../../bin/sh"\n', 4, "has '..' in it"),
        (ONE + 'program = "/opt//ls"\n', 4, "is not written plainly"),
        (ONE + 'program = "/opt/./ls"\n', 4, "is not written plainly"),
        (ONE + 'program = "/opt/ls/"\n', 4, "is not written plainly"),
        (ONE + 'program = "//opt/ls"\n', 4, "is not written plainly"),
        (ONE + 'program = "/bin/l\\u0000s"\n', 4, "is not written plainly"),
        (ONE + "program = 1\n", 4, "'program' must be text"),
        (ONE + 'program = "/bin/b"\narguments = 1\n', 5, "'arguments' must be a list of texts"),
        (ONE + 'program = "/bin/b"\narguments = [1]\n', 5, "'arguments' must be a list of texts"),
        (ONE + 'program = "/bin/b"\nrest = ["*", 1]\n', 5, "'rest' must be a list of texts"),
        (ONE + 'program = "/bin/b"\narguments = ["[a"]\n', 5, "'[a' has a '[' without its ']'"),
        (ONE + 'program = "/bin/b"\nrest = ["[^a]"]\n', 5, "write [!...] for all characters but some"),
        (ONE + 'program = "/bin/b"\nenvironment = ["TZ=[^a]"]\n', 5, "write [!...] for all characters but some"),
        (ONE + 'program = "/bin/b"\nrest = true\n', 5, "'rest' must be a list of texts"),
        (ONE + 'program = "/bin/b"\nenvironment = {}\n', 5, "'environment' must be a list of texts"),
        (ONE + 'program = "/bin/b"\nenvironment = ["LD_PRELOAD"]\n', 5, "'LD_PRELOAD' can make programs run"),
        (ONE + 'program = "/bin/b"\nenvironment = ["TZ", "LC_*"]\n', 5, "'LC_*' is no variable's name"),
        (ONE + 'program = "/bin/b"\ndirectory = "srv"\n', 5, "is not absolute"),
        (ONE + 'program = "/bin/b"\ndirectory = "/srv/../x"\n', 5, "has '..' in it"),
        (ONE + 'program = "/bin/b"\npty = 1\n', 5, "'pty' must be true or false"),
        (ONE + 'program = "/bin/b"\nargs = []\n', 5, "there is no key 'args' in a rule; did you mean 'arguments'?"),
        (ONE + 'program = "/bin/b"\nservice = true\n', 5, "there is no key 'service' in a rule; known are"),
        ('id = "n"\ncommands = []\n', 2, "'commands' is empty: write one [[commands]] for each rule"),
        ('id = "n"\n[commands]\nprogram = "/bin/a"\n', 2, "are tables: begin each with [[commands]]"),
        ("commands = [1]\n", 1, "are tables: begin each with [[commands]]"),
        ('commands = "ls"\n', 1, "are tables: begin each with [[commands]]"),
        ('[[command]]\nprogram = "/bin/a"\n', 1, "there is no option 'command'"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigException) as caught:
        rules(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/node.toml, line {line}: ")
    assert words in str(caught.value)


def test_what_the_environment_fixes_cannot_be_let_through() -> None:
    assert [name for name in fixed_environment("/home/x") if not variable_flaw(name)] == ["LANG"]
    assert all(variable_flaw(name) for name in HARMLESS)


def test_every_name_that_is_known_to_be_dangerous_is_refused() -> None:
    names = [pattern.replace("[0-9]", "4").replace("*", "X") for pattern in DANGEROUS]
    assert list(itertools.filterfalse(variable_flaw, names)) == []


@in_one_test("name", ["TZ", "LANG", "LC_ALL", "LC_TIME", "TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "APP_MODE"])
def test_names_that_only_say_how_something_looks_can_be_let_through(name: str) -> None:
    assert not variable_flaw(name)


@given(st.text(max_size=8))
@example("A=")
@example("=A")
@example("A*=x")
def test_only_a_name_is_a_name(name: str) -> None:
    said = name.partition("=")[0]
    assert variable_flaw(name) or (said.isascii() and said.isidentifier())


@in_one_test(
    "changes",
    [
        {"program": "./x"},
        {"program": "/opt/../bin/sh"},
        {"program": "~/x"},
        {"directory": "/srv/../x"},
        {"directory": "srv/x"},
        {"directory": "srv"},
        {"directory": ""},
        {"environment": ("TZ", "LD_PRELOAD")},
        {"environment": ("PATH",)},
        {"environment": ("*",)},
    ],
)
def test_a_rule_that_could_not_be_held_to_cannot_be_made(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigException):
        CommandRule(**{"program": "/bin/ls"} | changes)
