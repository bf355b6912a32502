"""What is said of words that begin no command."""

import pytest
from support.in_one_test import in_one_test

from omnyshell.cli.grammar.overview import similar, without_command


@in_one_test(
    ("line", "commands"),
    [
        ("exce", ["exec"]),
        ("exce n1 true", ["exec"]),
        ("conect n1", ["connect"]),
        ("node list", ["nodes list"]),
        ("invite", ["nodes invite", "users invite"]),
        ("resume", ["sessions resume"]),
        ("frobnicate", []),
    ],
)
def test_commands_are_suggested_whatever_stands_behind_the_word(line: str, commands: list[str]) -> None:
    assert similar(line.split())[: len(commands)] == commands
    assert bool(similar(line.split())) is bool(commands)


@pytest.mark.parametrize("line", ["help exec", "--help exec", "help sessions resume", "-h exec n1"])
def test_help_about_one_command_is_its_own(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert without_command(line.split()) == 0
    assert capsys.readouterr().out.startswith("usage: omnyshell ")


@pytest.mark.parametrize("line", ["", "help", "help nodes", "nodes --help"])
def test_help_about_several_lists_them(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert without_command(line.split()) == 0
    assert "nodes list" in capsys.readouterr().out
