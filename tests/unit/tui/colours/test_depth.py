"""How many colours a terminal is taken to have."""

import subprocess
import sys

import pytest
from support.deadline import DEADLINE
from support.in_one_test import in_one_test

from omnyshell.services.local.console_options import COLOURS
from omnyshell.tui.colours.depth import AUTO, Depth, depth_of


@in_one_test(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.TRUE),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, Depth.TRUE),
        ({"TERM": "xterm-direct"}, Depth.TRUE),
        ({"TERM": "xterm-256color"}, Depth.INDEXED),
        ({"TERM": "screen-256color", "COLORTERM": ""}, Depth.INDEXED),
        ({"TERM": "xterm-16color"}, Depth.NAMED),
        ({"TERM": "xterm"}, Depth.NAMED),
        ({"TERM": "linux"}, Depth.NAMED),
        ({"TERM": "screen"}, Depth.NAMED),
        ({"TERM": "linux-m"}, Depth.NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, Depth.NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}, Depth.TRUE),
    ],
)
def test_the_environment_says_the_depth(environment: dict[str, str], depth: Depth) -> None:
    assert depth_of(AUTO, environment) is depth


@pytest.mark.parametrize(
    ("told", "depth"),
    [
        ("xterm-256color 256,RGB,bpaste,title", Depth.TRUE),
        ("xterm-256color 256,bpaste,title", Depth.INDEXED),
        ("foot bpaste,256", Depth.INDEXED),
        ("xterm-16color bpaste,title", Depth.NAMED),
        ("linux-m ", Depth.NONE),
        ("", Depth.INDEXED),
    ],
)
@pytest.mark.parametrize("term", ["screen", "tmux-256color"])
def test_within_tmux_the_terminal_around_it_counts(
    term: str, told: str, depth: Depth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.tui.colours.depth._told_by_tmux", lambda _: told)
    assert depth_of(AUTO, {"TERM": term, "TMUX": "/tmp/tmux-0/default,1,0"}) is depth


def test_where_no_tmux_answers_there_are_256_colours() -> None:
    environment = {"TERM": "screen", "TMUX": "/nowhere/default,1,0", "PATH": "/nowhere"}
    assert depth_of(AUTO, environment) is Depth.INDEXED
    # Its variables, handed on to another terminal, say nothing of that.
    assert depth_of(AUTO, environment | {"TERM": "xterm"}) is Depth.NAMED


@in_one_test(
    ("term", "depth"),
    [
        ("vt100", Depth.NONE),
        ("xterm-256color-but-otherwise", Depth.NAMED),
        ("screen.xterm-256color", Depth.INDEXED),
        ("xterm", Depth.NAMED),
        ("", Depth.NAMED),
    ],
)
def test_other_names_are_looked_up_in_terminfo(term: str, depth: Depth) -> None:
    """In a process of its own, as curses opens one terminal in a process."""
    program = f"from omnyshell.tui.colours.depth import *; print(depth_of('auto', {{'TERM': {term!r}}}))"
    words = [sys.executable, "-c", program]
    found = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, check=True)
    assert found.stdout.strip() == depth


def test_what_is_chosen_counts_more_than_the_environment() -> None:
    environment = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}
    assert [depth_of(depth, environment) for depth in Depth] == list(Depth)
    assert set(COLOURS) == {AUTO, *Depth}
