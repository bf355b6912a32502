"""Whole journeys with the installed console on a real terminal: from nothing to a shell, vim, and what survives."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.machines import Machines
from support.stack import Certificates
from support.tmux import Terminal

from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import LocalSetup

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

START = (
    "stty -g > before; sh -c 'echo $$ > pid; exec omnyshell-console'; stty -g > after; cmp before after && echo same"
)
NUMBERS = range(100, 400)
"""Printed while the hub is lost and found; they fit on the screen."""

COLUMNS = 90


def wait(condition: Callable[[], object]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_restored(terminal: Terminal) -> bool:
    """Whether the terminal has its own screen, no mouse reports and a cursor."""
    flags = "#{alternate_on}#{mouse_any_flag}#{mouse_sgr_flag}#{cursor_flag}#{keypad_flag}"
    return terminal.tmux("display-message", "-p", flags).strip() == "00010"


def open_shell(terminal: Terminal) -> None:
    """A shell on the node under the cursor, with a prompt that is known."""
    terminal.type("Enter", "Enter")
    terminal.hides("● online")
    terminal.shows("#" if os.geteuid() == 0 else "$")
    terminal.type("PS1='remote> '; clear; echo in=$((6*7))", "Enter")
    terminal.shows("\nin=42")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A shell where nothing is configured; whatever hub and node it leaves is ended."""
    # Sizes that shells of old exported are no news to anybody.
    variables = {"OMNYSHELL_HOME": os.environ["OMNYSHELL_HOME"], "SHELL": "/bin/bash", "COLUMNS": "80", "LINES": "24"}
    terminal = Terminal(tmp_path, variables)
    try:
        yield terminal
    finally:
        terminal.close()
        wait(lambda: LocalSetup.default().running() is None)
        assert LocalNode(LocalSetup.default()).end(DEADLINE)


def test_from_nothing_to_a_shell_and_back_to_it_after_leaving(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type(START, "Enter")
    terminal.shows("● online")
    open_shell(terminal)
    terminal.type("stty size", "Enter")
    terminal.shows("\n29 90\n")
    terminal.type("""sh -c "trap 'stty size; exit' WINCH; echo waits; while :; do sleep 0.05; done" """, "Enter")
    terminal.shows("\nwaits")
    terminal.tmux("resize-window", "-x", "100", "-y", "40")
    terminal.shows("\n39 100\n")

    if shutil.which("vim") is not None:
        terminal.type(f"vim -u NONE -N {tmp_path}/notes", "Enter")
        terminal.shows("~\n~\n")
        # Escape is followed at once by a letter, which must not make it Alt and that letter.
        terminal.type("i", "one", "Enter", "two", "Escape", "k", "A", ".", "Escape", ":wq", "Enter")
        terminal.shows("remote>")
        wait((tmp_path / "notes").exists)
        assert (tmp_path / "notes").read_text() == "one.\ntwo\n"

    terminal.type("clear; echo kept=$((7*7)); sleep 600", "Enter")
    terminal.shows("\nkept=49")
    terminal.type("C-]", "d")
    # The only tab is gone, so the node's page is shown, then the overview; small terminals have one panel at a time.
    terminal.shows("esc q Back")
    terminal.type("q")
    terminal.shows("● online")
    terminal.type("2")
    terminal.shows("◐ detached")
    terminal.type("Enter")
    terminal.shows("\nkept=49")

    terminal.type("C-]", "o")
    terminal.shows("● attached")
    terminal.type("C-q")
    left = terminal.shows("\nsame")
    assert "1 session was detached and goes on." in left
    assert "This machine's node goes on with its sessions" in left
    assert is_restored(terminal)

    terminal.type("clear; " + START, "Enter")
    terminal.shows("● online")
    terminal.type("2")
    terminal.shows("sleep 600")
    terminal.type("Enter")
    terminal.shows("\nkept=49")
    terminal.type("C-c", "exit", "Enter")
    terminal.shows("Ended with exit code")

    # A node without sessions ends with its console.
    terminal.type("C-]", "o")
    terminal.shows("ctrl+q Quit")
    terminal.type("C-q")
    assert "goes on" not in terminal.shows("same\nlocal>")
    setup = LocalSetup.default()
    wait(lambda: LocalNode(setup).pid() is None and setup.running() is None)


@pytest.fixture
def machines(certificates: Certificates, tmp_path: Path) -> Iterator[Machines]:
    made = Machines(certificates, tmp_path)
    try:
        made.wait_for_node()
        yield made
    finally:
        made.close()


def test_a_killed_hub_costs_no_byte_and_a_killed_console_no_session(machines: Machines, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, machines.variables("admin"))
    try:
        terminal.type(f"cd {tmp_path}; " + START, "Enter")
        terminal.shows("● online")
        open_shell(terminal)
        numbers = f"for i in $(seq {NUMBERS[0]} {NUMBERS[-1]}); do printf '%s ' $i; sleep 0.02; done; echo"
        terminal.type(f"clear; stty -echo; {numbers}; read a; stty echo; echo said=$a.", "Enter")
        terminal.shows(" 130 ")
        machines.hub.kill()
        waiting = terminal.shows("The hub is lost")
        assert " 120 121 " in waiting, "its screen stays"
        wait(lambda: "~" in terminal.tmux("capture-pane", "-p").splitlines()[0])
        terminal.type("meanwhile", "Enter")
        machines.hub.start_and_wait()
        terminal.hides("The hub is lost")
        screen = terminal.shows("said=meanwhile.")
        # Blanks at the ends of lines are not captured.
        shown = "".join(line.ljust(COLUMNS) for line in screen.splitlines()).partition(" said=")[0]
        assert [int(word) for word in shown.split()[-len(NUMBERS) :]] == list(NUMBERS)

        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        left = terminal.shows("\nsame")
        assert "1 session was detached and goes on." in left
        assert is_restored(terminal)
        assert "detached" in machines.omnyshell("sessions", "list", "n1")

        # The terminals were in front, so that they are again.
        terminal.type("clear; " + START, "Enter")
        terminal.shows("said=meanwhile.")
    finally:
        terminal.close()
