"""`top` and `events` of the installed program: in a real terminal, in a pipe, and while the hub is killed."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.machines import Machines
from support.stack import Certificates
from support.tmux import Terminal

HOSTILE = "env=\x1b[31mred"


@pytest.fixture
def machines(certificates: Certificates, tmp_path: Path) -> Iterator[Machines]:
    made = Machines(certificates, tmp_path, "--label", HOSTILE)
    try:
        made.wait_for_node()
        yield made
    finally:
        made.close()


def test_events_are_json_lines_and_go_on_after_the_hub_was_killed(machines: Machines) -> None:
    following = machines.start("events", "--follow", "--json", "--part", "nodes", "--part", "sessions")
    assert following.stdout is not None
    assert following.stderr is not None

    def hear(part: str, event: str) -> dict[str, object]:
        assert following.stdout is not None
        for line in following.stdout:
            told = json.loads(line)
            if (told["part"], told["event"]) == (part, event):
                return dict(told["item"])
        raise AssertionError(f"no {event} of {part}")

    try:
        first = json.loads(following.stdout.readline())
        assert (first["part"], first["item"]["nodeId"]) == ("nodes", "n1")
        with machines.start("exec", "n1", "echo done; sleep 0.5") as run:
            opened = hear("sessions", "open")
            assert (opened["nodeId"], opened["command"]) == ("n1", "echo done; sleep 0.5")
            closed = hear("sessions", "closed")
            assert (closed["sessionId"], closed["reason"]) == (opened["sessionId"], "normal")
            assert run.wait(DEADLINE) == 0
        machines.hub.kill()
        assert "the hub is lost" in following.stderr.readline()
        machines.hub.start_and_wait()
        while "the hub is back" not in (line := following.stderr.readline()):
            assert "the hub is lost" in line
        assert hear("nodes", "online")["nodeId"] == "n1"
    finally:
        following.terminate()
        following.communicate(timeout=DEADLINE)


def test_without_follow_events_and_top_print_what_there_is(machines: Machines) -> None:
    for words in (("events",), ("top",)):
        with machines.start(*words) as run:
            out, err = run.communicate(timeout=DEADLINE)
            assert (run.returncode, err) == (0, "")
            assert "n1" in out
            assert "\x1b" not in out
    with machines.start("events", "--hub", "wss://127.0.0.1:1") as run:
        assert (run.wait(DEADLINE), run.stderr.read().count("\n") if run.stderr else 0) == (255, 1)
    with machines.start("events", "--part", "weather") as run:
        assert run.wait(DEADLINE) == 255


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_top_draws_resizes_outlives_the_hub_and_gives_the_terminal_back(machines: Machines, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, machines.variables("admin"))
    try:
        terminal.type("echo be''fore; omnyshell top", "Enter")
        terminal.shows("online")
        run = machines.start("exec", "n1", "echo busy; sleep 60")
        terminal.shows("echo busy")
        run.terminate()
        run.communicate(timeout=DEADLINE)
        terminal.hides("echo busy")
        terminal.tmux("resize-window", "-x", "60", "-y", "12")
        screen = terminal.shows("omnyshell top")
        assert max(map(len, screen.splitlines())) <= 60
        machines.hub.kill()
        terminal.shows("NO CONNECTION")
        machines.hub.start_and_wait()
        terminal.hides("NO CONNECTION")
        terminal.type("q")
        screen = terminal.shows("before")
        assert "omnyshell top -" not in screen
        terminal.type("omnyshell top; stty -a | grep -o '.icanon'; echo e''nd", "Enter")
        terminal.shows("SESSION")
        terminal.type("C-c")
        assert "-icanon" not in terminal.shows("end")
    finally:
        terminal.close()
