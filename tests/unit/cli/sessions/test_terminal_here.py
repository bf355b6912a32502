"""What `connect` says of the terminal that it runs in."""

import pytest

from omnyshell import Widths
from omnyshell.cli.sessions.connect import _terminal_here


@pytest.mark.parametrize(
    ("term", "program", "widths"),
    [
        ("xterm-256color", "", Widths.SEPARATE),
        ("xterm-256color", "WezTerm", Widths.CLUSTERS),
        ("tmux-256color", "WezTerm", Widths.JOINED),
    ],
)
def test_it_says_how_columns_are_counted(
    monkeypatch: pytest.MonkeyPatch, term: str, program: str, widths: Widths
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("TERM_PROGRAM", program)
    monkeypatch.delenv("LC_TERMINAL", raising=False)
    here = _terminal_here()
    assert (here.term, here.widths) == (term, widths)
