"""`omnyshell down` asks on a terminal where something would end with it, and nowhere else."""

import argparse
import io
import sys
from typing import Any

import pytest

from omnyshell.cli.local import down as ending
from omnyshell.services.local.setup import LocalSetup, Running

RUNNING = Running(12345, 8443, "vm")
WHAT = ["2 tunnels, with the connections through them"]


class Local:
    """A hub that runs until it is signalled, and a terminal where something is answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running: Running | None = RUNNING
        self.lines: list[str] = WHAT
        self.asked = 0
        monkeypatch.setattr(LocalSetup, "running", lambda _: self.running)
        monkeypatch.setattr(ending.os, "kill", self._kill)
        monkeypatch.setattr(ending, "what_ends", self._what_ends)
        monkeypatch.setattr("omnyshell.cli.ground.prompts.can_ask", lambda: True)
        self._patch = monkeypatch

    def answers(self, text: str, *, is_terminal: bool = True) -> None:
        terminal = io.StringIO(text)
        terminal.isatty = lambda: is_terminal  # type: ignore[method-assign]
        self._patch.setattr(sys, "stdin", terminal)

    def _kill(self, pid: int, _number: int) -> None:
        assert pid == RUNNING.pid
        self.running = None

    async def _what_ends(self, *_: Any) -> list[str]:
        self.asked += 1
        return self.lines


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Local:
    return Local(monkeypatch)


def down(*, yes: bool = False) -> int:
    return ending.down(argparse.Namespace(yes=yes))


@pytest.mark.parametrize(
    ("answer", "ends"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_what_would_end_is_named_and_the_answer_heeded(
    local: Local, capsys: pytest.CaptureFixture[str], answer: str, *, ends: bool
) -> None:
    local.answers(answer)
    assert down() == (0 if ends else ending.NOT_MEANT)
    out, err = capsys.readouterr()
    assert (local.running is None) is ends
    assert err.startswith("this ends:\n  2 tunnels, with the connections through them\nEnd it? [y/N] ")
    assert err.endswith("nothing was ended\n") is not ends
    assert out == ("down\n" if ends else "")


@pytest.mark.parametrize("case", ["nothing ends", "yes", "no terminal"])
def test_nothing_is_asked_where_nothing_ends_or_nobody_is_there(
    local: Local, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    local.answers("", is_terminal=case != "no terminal")
    local.lines = [] if case == "nothing ends" else WHAT
    assert down(yes=case == "yes") == 0
    assert capsys.readouterr() == ("down\n", "")
    assert local.asked == (case == "nothing ends")
