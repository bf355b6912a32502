"""Sessions that outlive a terminal, in real terminals and with the installed program."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import start_command
from support.deadline import DEADLINE
from support.machines import Machines
from support.stack import Certificates
from support.tmux import Terminal

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def machines(certificates: Certificates, tmp_path: Path) -> Iterator[Machines]:
    made = Machines(certificates, tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def terminal(machines: Machines, tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path, machines.variables("admin"))
    try:
        machines.wait_for_node()
        yield made
    finally:
        made.close()


def connect(terminal: Terminal) -> None:
    terminal.type("clear; omnyshell connect n1", "Enter")
    terminal.prompts()
    terminal.type("PS1='remote> '; echo in=$((6*7))", "Enter")
    terminal.shows("in=42")


def test_a_session_is_detached_listed_peeked_at_resumed_and_killed(terminal: Terminal, machines: Machines) -> None:
    connect(terminal)
    terminal.type("cd /usr/lib; printf '\\033[31mred\\033[0m\\033[?1000h\\n'; sleep 400", "Enter")
    terminal.shows("red\n")
    terminal.type("Enter", "~&")
    terminal.shows("\ndetached; `omnyshell sessions resume n1")
    terminal.type("echo back=$((6*7))", "Enter")
    terminal.shows("back=42")
    assert terminal.tmux("display-message", "-p", "#{mouse_any_flag}").strip() == "0"

    (info,) = json.loads(machines.omnyshell("sessions", "list", "n1", "--json"))
    assert (info["state"], info["currentCommand"], info["currentCwd"]) == ("detached", "sleep 400", "/usr/lib")
    short = info["shortId"]
    table = machines.omnyshell("sessions", "list", "n1")
    assert table.split("\n")[1].split()[:2] == [short, "detached"]
    assert "\x1b" not in machines.omnyshell("sessions", "peek", "n1", short)
    assert "\nred\n" in machines.omnyshell("sessions", "peek", "n1", short)
    assert json.loads(machines.omnyshell("sessions", "peek", "n1", short, "--json"))["exitCode"] is None
    terminal.type(f"clear; omnyshell sessions peek n1 {short}; echo peeked=$((6*7))", "Enter")
    terminal.shows("peeked=42")
    assert "\x1b[31mred" in terminal.tmux("capture-pane", "-p", "-e")

    terminal.tmux("resize-window", "-x", "70", "-y", "20")
    terminal.type("clear; echo before=$((6*7)); omnyshell sessions resume n1 " + short[:4].upper(), "Enter")
    while json.loads(machines.omnyshell("sessions", "list", "n1", "--json"))[0]["state"] != "attached":
        time.sleep(0.02)
    terminal.shows("\nred\n")
    terminal.type("C-c", "")
    terminal.prompts()
    terminal.type("stty size", "Enter")
    assert "before=42" not in terminal.shows("20 70")
    assert "before=42" in terminal.tmux("capture-pane", "-p", "-S", "-50")
    assert machines.omnyshell("sessions", "detach", "n1", "--timeout", "30m").startswith(f"detached {short};")
    terminal.shows("detached; `omnyshell sessions resume")
    (info,) = json.loads(machines.omnyshell("sessions", "list", "n1", "--json"))
    assert info["expiresAt"] > info["detachedAt"]
    assert short in machines.omnyshell("sessions", "kill", "n1", short)
    assert machines.omnyshell("sessions", "list", "n1") == "no sessions on n1\n"


def test_sessions_are_found_without_their_node(terminal: Terminal, machines: Machines) -> None:
    assert machines.omnyshell("sessions", "list") == "no sessions\n"
    for word in ("first", "second"):
        connect(terminal)
        terminal.type(f"echo this is the {word}", "Enter")
        terminal.shows(f"\nthis is the {word}")
        terminal.type("Enter", "~&")
        terminal.shows("\ndetached")
    infos = json.loads(machines.omnyshell("sessions", "list", "--json"))
    assert [(info["nodeId"], info["state"]) for info in infos] == [("n1", "detached")] * 2
    header, *rows = machines.omnyshell("sessions", "list").splitlines()
    assert header.split()[:2] == ["NODE", "SESSION"]
    shorts = [row.split()[1] for row in rows]
    assert shorts == [info["shortId"] for info in infos]
    assert "this is the first" in machines.omnyshell("sessions", "peek", shorts[0])

    terminal.type("clear; unset OMNYSHELL_NO_PROMPT; omnyshell sessions resume", "Enter")
    terminal.shows("Which one? [1-2]")
    terminal.type("2", "Enter")
    terminal.shows("this is the second")
    terminal.type("Enter", "~&")
    terminal.shows("\ndetached")
    terminal.type(f"clear; omnyshell connect {shorts[0]}", "Enter")
    terminal.shows("this is the first")
    terminal.type("exit", "Enter")
    terminal.shows("local>")
    machines.omnyshell("sessions", "kill", shorts[1])
    assert machines.omnyshell("sessions", "list") == "no sessions\n"


def test_a_terminal_that_is_closed_leaves_its_session(terminal: Terminal, machines: Machines) -> None:
    connect(terminal)
    pane = terminal.tmux("display-message", "-p", "#{pane_id}").strip()
    terminal.tmux("new-window", "sh")
    terminal.tmux("kill-pane", "-t", pane)
    while (info := json.loads(machines.omnyshell("sessions", "list", "n1", "--json"))[0])["state"] != "detached":
        time.sleep(0.02)
    assert "expiresAt" in info
    # An admin need not be its owner, nor know where it is.
    assert machines.omnyshell("hub", "close-session", info["shortId"]) == f"ended session {info['shortId']}\n"
    assert machines.omnyshell("sessions", "list", "n1") == "no sessions on n1\n"


def test_connect_waits_for_its_hub_and_goes_on(terminal: Terminal, machines: Machines) -> None:
    connect(terminal)
    # Nothing is forked: bash that is interrupted while it forks loses its terminal now and then, and logs out.
    terminal.type("i=0; until read -rt 0.1; do i=$((i+1)); echo line $i; done", "Enter")
    terminal.shows("line 5\n")
    machines.hub.kill()
    terminal.shows("the connection to the hub was lost")
    machines.hub.start_and_wait()
    terminal.hides("the connection to the hub was lost")
    terminal.type("C-c", "")
    terminal.prompts()
    terminal.type("echo i is $i.", "Enter")
    terminal.shows("\ni is ")
    history = terminal.tmux("capture-pane", "-p", "-S", "-")
    shown = [int(line.split()[1]) for line in history.split("\n") if line.startswith("line ")]
    last = int(history.split("\ni is ")[-1].split(".")[0])
    assert shown[-1] in (last - 1, last)
    # What was printed before the screen was painted anew is in the history as well.
    assert sorted(set(shown)) == list(range(1, shown[-1] + 1))
    terminal.type("exit", "Enter")


def test_the_line_that_says_so_leaves_the_bottom_row_as_it_was(terminal: Terminal, machines: Machines) -> None:
    connect(terminal)
    terminal.type("seq 100", "Enter")
    terminal.shows("\n100\nremote>")
    terminal.type("echo unfin''ished")
    terminal.shows("\nremote> echo unfin''ished")
    machines.hub.kill()
    terminal.shows("the connection to the hub was lost")
    machines.hub.start_and_wait()
    terminal.hides("the connection to the hub was lost")
    screen = terminal.shows("\n100\nremote> echo unfin''ished")
    assert screen.rstrip("\n").endswith("echo unfin''ished")
    terminal.type("Enter")
    terminal.shows("\nunfinished\nremote>")


def test_the_line_that_says_so_goes_with_whoever_leaves(terminal: Terminal, machines: Machines) -> None:
    connect(terminal)
    machines.hub.kill()
    terminal.shows("waiting for it")
    terminal.type("Enter", "~.")
    assert "waiting for it" not in terminal.shows("left the session")


def test_vim_is_painted_anew_when_the_hub_is_back(terminal: Terminal, machines: Machines) -> None:
    if shutil.which("vim") is None:
        pytest.skip("vim is not installed")
    connect(terminal)
    terminal.type("vim -u NONE -N", "Enter")
    terminal.shows("~\n~\n")
    terminal.type("i", "some words")
    terminal.shows("some words")
    machines.hub.kill()
    terminal.shows("the connection to the hub was lost")
    terminal.type(" and more")
    machines.hub.start_and_wait()
    terminal.hides("the connection to the hub was lost")
    screen = terminal.shows("some words and more")
    assert "INSERT" in screen
    terminal.type("Escape", "")
    terminal.type(":q!", "Enter")
    terminal.shows("remote>")


def test_exec_waits_for_its_hub_and_loses_nothing(machines: Machines) -> None:
    machines.wait_for_node()
    command = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; [ $((i%50)) != 0 ] || sleep 0.05; done; exit 4"
    env = os.environ | machines.variables("admin")
    process = start_command("exec", "n1", command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=env)
    assert process.stdout is not None
    begun = process.stdout.read(100)
    machines.hub.kill()
    machines.hub.start_and_wait()
    output, errors = process.communicate(timeout=DEADLINE)
    assert begun + output == b"".join(b"%d\n" % number for number in range(1, 3001))
    assert b"the connection to the hub was lost" in errors
    assert process.returncode == 4
