"""`omnyshell up --shell` and `connect` in a real terminal."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tmux import OMNYSHELL, Terminal

from omnyshell.services.local.setup import LocalSetup

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def home(local_home: dict[str, str]) -> str:
    """A home where hub and node are up."""
    return local_home["OMNYSHELL_HOME"]


def open_shell(terminal: Terminal, home: str) -> None:
    terminal.type(f"OMNYSHELL_HOME={home} SHELL=/bin/bash {OMNYSHELL} up --shell", "Enter")
    terminal.shows("a shell through both")


def test_up_ends_in_a_shell_that_behaves(terminal: Terminal) -> None:
    open_shell(terminal, os.environ["OMNYSHELL_HOME"])
    terminal.type("PS1='remote> '; stty size; echo up=$((40+2))", "Enter")
    assert "30 90" in terminal.shows("up=42")
    terminal.tmux("resize-window", "-x", "100", "-y", "35")
    # The new size and what is typed come by different ways: the line waits for the size.
    terminal.type("until stty size | grep '^35 1''00'; do sleep 0.1; done", "Enter")
    terminal.shows("35 100\nremote>")
    # Said by the program itself: before it has the foreground, ctrl+c would be the shell's.
    terminal.type("sh -c 'echo in\"\"side; exec sleep 60'", "Enter")
    terminal.shows("\ninside")
    terminal.type("C-c", "")
    # What is typed before the prompt is back may be thrown away with the line.
    terminal.shows("^C\nremote>")
    terminal.type("echo int=$((1+1))", "Enter")
    terminal.shows("int=2")
    terminal.type("~?")
    terminal.shows("leave the session")
    terminal.type("exit 5", "Enter")
    # What is typed before the session has ended belongs to the session.
    terminal.shows("logout\nlocal>")
    terminal.type("echo code=$?; stty -a | grep -o ' icanon'", "Enter")
    screen = terminal.shows("code=5")
    assert "code=5" in screen
    terminal.shows(" icanon")


def test_a_suspended_session_is_taken_up_by_fg_in_the_terminal_as_it_is_then(terminal: Terminal, home: str) -> None:
    open_shell(terminal, home)
    terminal.type("PS1='remote> '; printf '\\033[?1000h'; echo in=$((6*7))", "Enter")
    terminal.shows("in=42")
    terminal.type("Enter")
    terminal.type("~", "C-z")
    terminal.shows("topped")
    assert terminal.tmux("display-message", "-p", "#{mouse_any_flag}").strip() == "0"
    terminal.tmux("resize-window", "-x", "70", "-y", "20")
    terminal.type("clear; echo back=$((40+2))", "Enter")
    terminal.shows("back=42")
    terminal.type("fg", "Enter")
    terminal.shows("in=42")
    terminal.type("stty size; echo out=$((6*9))", "Enter")
    assert "20 70" in terminal.shows("out=54")
    assert terminal.tmux("display-message", "-p", "#{mouse_any_flag}").strip() == "1"


def test_a_path_that_begins_like_an_escape_and_what_is_pasted_go_to_the_shell(terminal: Terminal, home: str) -> None:
    open_shell(terminal, home)
    # Said once the shell's line editor has given the terminal back: before, what is typed is kept as it was typed.
    terminal.type("PS1='remote> '; echo in\"\"side; cat -v", "Enter")
    terminal.shows("\ninside")
    terminal.type("~deploy/bin/restart", "Enter")
    terminal.shows_times("~deploy/bin/restart", 2)
    terminal.tmux("send-keys", "-H", *(f"{byte:02x}" for byte in b"\x1b[200~\r~&~.\r\x1b[201~\r"))
    terminal.shows_times("~&~.", 2)
    terminal.type("still=here", "Enter")
    terminal.shows_times("still=here", 2)


def test_leaving_puts_the_terminal_back(terminal: Terminal, home: str) -> None:
    open_shell(terminal, home)
    terminal.type("printf '\\033[?1049h\\033[?25l\\033[?1000hIN''SIDE'; sleep 60", "Enter")
    terminal.shows("INSIDE")
    terminal.type("Enter", "~.")
    terminal.shows("left the session\nlocal>")
    terminal.type("echo back=$((6*7))", "Enter")
    assert "INSIDE" not in terminal.shows("back=42").split("left the session")[-1]
    assert terminal.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").split() == [
        "0",
        "0",
        "1",
    ]


def test_a_shell_that_is_killed_leaves_the_terminal_as_it_was(terminal: Terminal, home: str) -> None:
    open_shell(terminal, home)
    terminal.type("printf '\\033[?1049h\\033[?25l\\033[?1003h\\033[4h\\033[?1h'; kill -9 $$", "Enter")
    terminal.shows_times("local>", 2)
    terminal.type("echo back=$((6*7))", "Enter")
    assert "NDELAY" not in terminal.shows("back=42")
    terminal.is_put_back()


def test_the_terminal_is_put_back_where_connect_is_killed(terminal: Terminal, home: str) -> None:
    """By its guardian: the shell that is left here, dash, does nothing of it."""
    open_shell(terminal, home)
    terminal.type(
        "echo me=$PPID; printf '\\033[?1049h\\033[?25l\\033[?1003h\\033[4h\\033[?1hIN''SIDE'; sleep 60", "Enter"
    )
    terminal.shows("INSIDE")
    shell = int(terminal.tmux("display-message", "-p", "#{pane_pid}"))
    (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    terminal.is_put_back()
    terminal.type("Enter", "echo back=$((6*7)); stty -a | grep -o ' icanon'", "Enter")
    assert "INSIDE" not in terminal.shows("back=42\n icanon")


def test_a_killed_server_ends_its_shell(terminal: Terminal) -> None:
    open_shell(terminal, os.environ["OMNYSHELL_HOME"])
    terminal.type("PS1='remote> '; echo up=$((40+2))", "Enter")
    terminal.shows("up=42")
    running = LocalSetup.default().running()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    screen = terminal.shows("have ended")
    assert "\nomnyshell: the hub and its node have ended" in screen
    assert "waiting for it" not in screen
    terminal.type("echo code=$?; stty -a | grep -o ' icanon'", "Enter")
    terminal.shows("code=255\n icanon")
