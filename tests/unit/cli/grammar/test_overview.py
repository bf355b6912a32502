"""What is said of words that begin no command."""

import pytest
from support.in_one_test import in_one_test

from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.grammar.overview import SECTIONS, similar, without_command


@in_one_test(
    ("line", "commands"),
    [
        ("exce", ["exec"]),
        ("exce n1 true", ["exec"]),
        ("conect n1", ["connect"]),
        ("node list", ["nodes list"]),
        ("invite", ["nodes invite", "users invite"]),
        ("resume", ["sessions resume"]),
        ("ssh db-1", ["connect", "ssh-config"]),
        ("scp a db-1:", ["cp"]),
        ("status", ["hub info"]),
        ("frobnicate", []),
    ],
)
def test_commands_are_suggested_whatever_stands_behind_the_word(line: str, commands: list[str]) -> None:
    assert similar(line.split())[: len(commands)] == [f"omnyshell {command}" for command in commands]
    assert bool(similar(line.split())) is bool(commands)


@pytest.mark.parametrize("line", ["help exec", "--help exec", "help sessions resume", "-h exec n1"])
def test_help_about_one_command_is_its_own(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert without_command(line.split()) == 0
    assert capsys.readouterr().out.startswith("usage: omnyshell ")


@pytest.mark.parametrize("line", ["", "help", "help nodes", "nodes --help"])
def test_help_about_several_lists_them(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert without_command(line.split()) == 0
    assert "nodes list" in capsys.readouterr().out


def test_the_overview_has_all_commands_below_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    assert without_command([]) == 0
    lines = capsys.readouterr().out.splitlines()[2:-2]
    assert [line for line in lines if line and not line.startswith(" ")] == list(SECTIONS.values())
    assert [line[2:].split("  ")[0] for line in lines if line.startswith("  ")] == [one.name for one in COMMANDS]
