"""How many colours a terminal is taken to have."""

import subprocess
import sys

import pytest
from support.deadline import DEADLINE

from omnyshell.services.local.console_options import COLOURS
from omnyshell.tui.colours.depth import AUTO, Depth, depth_of


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Depth.TRUE),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, Depth.TRUE),
        ({"TERM": "xterm-direct"}, Depth.TRUE),
        ({"TERM": "xterm-256color"}, Depth.INDEXED),
        ({"TERM": "screen-256color", "COLORTERM": ""}, Depth.INDEXED),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, Depth.INDEXED),
        ({"TERM": "xterm-16color"}, Depth.NAMED),
        ({"TERM": "xterm"}, Depth.NAMED),
        ({"TERM": "linux"}, Depth.NAMED),
        ({"TERM": "screen", "TMUX": "/tmp/tmux-0/default,1,0"}, Depth.NAMED),
        ({"TERM": "linux-m"}, Depth.NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, Depth.NONE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}, Depth.TRUE),
    ],
)
def test_the_environment_says_the_depth(environment: dict[str, str], depth: Depth) -> None:
    assert depth_of(AUTO, environment) is depth


@pytest.mark.parametrize(
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
