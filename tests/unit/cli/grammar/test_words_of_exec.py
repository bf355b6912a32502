"""Which words of `exec` are its own, and which the command's: behind the first word those of 0.1.0 alone."""

import itertools
from typing import Any

import pytest
from support.in_one_test import in_one_test

from omnyshell.cli.grammar.command import Command
from omnyshell.cli.grammar.commands import COMMANDS, OF_0_1_0_EXEC
from omnyshell.cli.grammar.parsing import build_parser, find_command, parse
from omnyshell.options.option import Option

(EXEC,) = (command for command in COMMANDS if command.words == ("exec",))


def read(line: str) -> tuple[list[str], dict[str, Any]]:
    """The words of the command, and the options that were given."""
    command, words = find_command(line.split())
    assert command is not None
    options = vars(parse(command, words))
    given = {option.key: options[option.key] for option in command.options if options[option.key] != option.empty}
    return options["rest"], given


@in_one_test(
    ("line", "rest", "given"),
    [
        ("exec n1 ls", "ls", {}),
        ("exec n1 ls -la /", "ls -la /", {}),
        ("exec n1 -- ls -la /", "ls -la /", {}),
        ("exec n1 ls --hub U", "ls", {"hub": "U"}),
        ("exec n1 ls --hub=U --foo", "ls --foo", {"hub": "U"}),
        ("exec n1 -- ls --hub U", "ls --hub U", {}),
        ("exec n1 ls / --hub U", "ls / --hub U", {}),
        ("exec n1 df -h", "df -h", {}),
        ("exec n1 df --help", "df --help", {}),
        ("exec n1 grep -- --hub", "grep -- --hub", {}),
        ("exec n1 - x", "- x", {}),
        ("exec -- n1 ls -x", "ls -x", {}),
        ("exec -n n1 ls -n", "ls -n", {"n": True}),
        ("exec n1 -n ls", "ls", {"n": True}),
        ("exec --hub U n1 --cwd / ls --tty -la --hub V", "ls -la --hub V", {"hub": "U", "cwd": "/", "tty": True}),
    ],
)
def test_whose_a_word_is(line: str, rest: str, given: dict[str, Any]) -> None:
    found, options = read(line)
    assert found == rest.split()
    assert options == {"node": "n1", **given}


@in_one_test("option", [option for option in EXEC.options if option.name.startswith("--")])
def test_an_option_is_its_own_before_the_command_and_behind_its_first_word_only_where_it_was(option: Any) -> None:
    word = option.choices[0] if option.choices else "3"
    words = option.name if option.kind == "flag" else f"{option.name} {word}"
    value: Any = True if option.kind == "flag" else [word] if option.kind == "list" else word
    for line in (f"exec {words} n1 ls -x {words}", f"exec n1 {words} ls -x {words}"):
        assert read(line) == (["ls", "-x", *words.split()], {"node": "n1", option.key: value})
    rest, given = read(f"exec n1 ls {words}")
    if option.name in OF_0_1_0_EXEC:
        assert (rest, given) == (["ls"], {"node": "n1", option.key: value})
    else:
        assert (rest, given) == (["ls", *words.split()], {"node": "n1"})


@in_one_test("places", list(itertools.product((0, 1, 2), repeat=2)))
def test_options_of_0_1_0_may_stand_anywhere_around_node_and_command(places: tuple[int, int]) -> None:
    words = ["n1", "true"]
    for place, option in sorted(zip(places, ("--cwd=/", "--env=A=b"), strict=True), reverse=True):
        words.insert(place, option)
    assert read(" ".join(["exec", *words])) == (["true"], {"node": "n1", "cwd": "/", "env": ["A=b"]})


@in_one_test("line", ["exec", "exec n1", "exec n1 --", "exec n1 -x ls", "exec n1 ls --env"])
def test_what_names_no_command_is_an_error(line: str) -> None:
    with pytest.raises(SystemExit):
        read(line)


@pytest.mark.parametrize("words", ["-l root n1 ls", "-p 22 n1 ls", "-oBatchMode=yes n1 ls", "n1 -q ls"])
def test_options_of_ssh_are_answered_with_what_to_leave_out(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(f"exec {words}")
    assert ended.value.code == 255
    assert "without the options and ports of ssh" in capsys.readouterr().err


def _takes_one_word(option: Option) -> bool:
    return option.kind not in ("flag", "list", "tables", "int", "float") and not option.is_in_file_only


@in_one_test("command", COMMANDS, ids=lambda command: command.name)
def test_an_empty_word_is_never_taken_for_an_option_that_was_not_given(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = build_parser(command)
    for option in filter(_takes_one_word, command.options):
        words = ["" if each == option else (*each.choices, "1")[0] for each in command.options if each.is_argument]
        if not option.is_argument:
            words += [option.name, ""]
        with pytest.raises(SystemExit):
            parser.parse_args(words)
        assert "it is empty" in capsys.readouterr().err, option.name


def test_behind_dashes_nothing_is_an_option() -> None:
    for line, paths, is_recursive in (
        ("cp -- -rf n1:", ["-rf", "n1:"], False),
        ("cp -r a -- -p --hub n1:", ["a", "-p", "--hub", "n1:"], True),
        ("cp a -r -- n1:", ["a", "n1:"], True),
    ):
        command, words = find_command(line.split())
        assert command is not None
        options = parse(command, words)
        assert (options.paths, options.r, options.hub) == (paths, is_recursive, None), line
