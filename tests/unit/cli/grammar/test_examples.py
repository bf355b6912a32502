"""What a command's help shows as an example is taken as it stands, and what is not taken is told how."""

import shlex

import pytest

from omnyshell.cli.grammar.examples import of_cp, of_forward
from omnyshell.cli.grammar.parsing import find_command, parse


def test_examples_are_taken() -> None:
    lines = [line for text in (of_cp(), of_forward()) for line in text.splitlines()[1:]]
    assert len(lines) == 7
    for line in lines:
        command, words = find_command(shlex.split(line[:47])[1:])
        assert command is not None, line
        assert len(line) <= 100
        parse(command, words)


def test_a_key_of_several_words_is_asked_for_in_quotation_marks(capsys: pytest.CaptureFixture[str]) -> None:
    command, words = find_command(["keys", "add", "ann", "ssh-ed25519", "AAAA", "laptop"])
    assert command is not None
    with pytest.raises(SystemExit):
        parse(command, words)
    assert "stands in quotation marks" in capsys.readouterr().err
