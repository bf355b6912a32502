"""`top` and `events` of the installed program: in a real terminal, in a pipe, and while the hub is killed."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hub_process import HubProcess
from support.stack import Certificates
from support.tmux import OMNYSHELL, Terminal

HOSTILE = "env=\x1b[31mred"


class Machines:
    """A hub and a node, each a process of its own, and what a command needs to reach them."""

    def __init__(self, certificates: Certificates, directory: Path) -> None:
        self.hub = HubProcess(certificates, directory / "hub")
        self.hub.start_and_wait()
        self._ca = certificates.ca
        words = ["--id", "n1", "--label", HOSTILE, "--state-dir", str(directory / "node"), "--log-level", "error"]
        self._node = subprocess.Popen([OMNYSHELL, "node", "start", *words], env=self.environment("box"))
        deadline = time.monotonic() + 20
        while (
            "n1"
            not in subprocess.run(
                [OMNYSHELL, "nodes", "list"], env=self.environment("admin"), capture_output=True, text=True, timeout=20
            ).stdout
        ):
            assert time.monotonic() < deadline

    def variables(self, principal: str) -> dict[str, str]:
        return {
            "OMNYSHELL_HUB": f"wss://127.0.0.1:{self.hub.port}",
            "OMNYSHELL_PRINCIPAL": principal,
            "OMNYSHELL_TOKEN": f"{principal}-token",
            "OMNYSHELL_CA": str(self._ca),
            "OMNYSHELL_HOME": os.environ["OMNYSHELL_HOME"],
        }

    def environment(self, principal: str) -> dict[str, str]:
        return os.environ | self.variables(principal) | {"SHELL": "/bin/sh"}

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [OMNYSHELL, *words], env=self.environment("admin"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def close(self) -> None:
        self._node.terminate()
        self._node.wait(10)
        self.hub.kill()


@pytest.fixture
def machines(certificates: Certificates, tmp_path: Path) -> Iterator[Machines]:
    made = Machines(certificates, tmp_path)
    try:
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
            assert run.wait(20) == 0
        machines.hub.kill()
        assert "the hub is lost" in following.stderr.readline()
        machines.hub.start_and_wait()
        while "the hub is back" not in (line := following.stderr.readline()):
            assert "the hub is lost" in line
        assert hear("nodes", "online")["nodeId"] == "n1"
    finally:
        following.terminate()
        following.communicate(timeout=20)


def test_without_follow_events_and_top_print_what_there_is(machines: Machines) -> None:
    for words in (("events",), ("top",)):
        with machines.start(*words) as run:
            out, err = run.communicate(timeout=20)
            assert (run.returncode, err) == (0, "")
            assert "n1" in out
            assert "\x1b" not in out
    with machines.start("events", "--hub", "wss://127.0.0.1:1") as run:
        assert (run.wait(20), run.stderr.read().count("\n") if run.stderr else 0) == (255, 1)
    with machines.start("events", "--part", "weather") as run:
        assert run.wait(20) == 255


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_top_draws_resizes_outlives_the_hub_and_gives_the_terminal_back(machines: Machines, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, machines.variables("admin"))
    try:
        terminal.type("echo be''fore; omnyshell top", "Enter")
        terminal.shows("online")
        run = machines.start("exec", "n1", "echo busy; sleep 60")
        terminal.shows("echo busy")
        run.terminate()
        run.communicate(timeout=20)
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
