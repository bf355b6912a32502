"""Real programs on a real PTY, followed; at each step a new screen is painted, and goes on like the first."""

import fcntl
import os
import select
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, state

COLUMNS, LINES = 80, 24
FEATURES = "256,margins,rectfill"
"""What an xterm has, which tmux would ask it for."""


class Tmux:
    """tmux in a terminal that has side margins and rectangles, and a screen that follows it."""

    def __init__(self, directory: Path) -> None:
        self._socket = str(directory / "tmux")
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", LINES, COLUMNS, 0, 0))
        words = ["tmux", "-S", self._socket, "-f", "/dev/null", "-T", FEATURES, "new", "env PS1=left: sh"]
        env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": str(directory), "LANG": "C.UTF-8"}
        self._client = subprocess.Popen(words, stdin=slave, stdout=slave, env=env, start_new_session=True)
        os.close(slave)
        self.screen = Emulator(COLUMNS, LINES, term="xterm-256color")
        self._painted = self.screen
        self.output = b""

    def command(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-S", self._socket, *words], capture_output=True, text=True, timeout=DEADLINE)
        return done.stdout

    def shows(self, pane: int, text: str) -> None:
        """Follow until the screen shows in a pane what tmux says of it."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.command("capture-pane", "-p", "-t", f":.{pane}") or not self.agrees():
            assert time.monotonic() < deadline, "\n".join(self.screen.display)
            if select.select([self.master], [], [], 0.02)[0]:
                self._follow(os.read(self.master, 4096))

    def agrees(self) -> bool:
        """Whether each pane is shown as tmux has it."""
        for geometry in self.command("list-panes", "-F", "#{pane_index} #{pane_left} #{pane_width}").splitlines():
            pane, left, width = map(int, geometry.split())
            wanted = self.command("capture-pane", "-p", "-t", f":.{pane}").split("\n")[: LINES - 1]
            shown = [line[left : left + width].rstrip() for line in self.screen.display[: LINES - 1]]
            if shown != [line.rstrip() for line in wanted]:
                return False
        return True

    def _follow(self, data: bytes) -> None:
        self.output += data
        self.screen.feed(data)
        if self._painted is not self.screen:
            self._painted.feed(data)
            assert state(self._painted) == state(self.screen)
        self._painted = Emulator(COLUMNS, LINES)
        self._painted.feed(paint(self.screen))
        assert state(self._painted) == state(self.screen)

    def close(self) -> None:
        self.command("kill-server")
        self._client.wait(DEADLINE)
        os.close(self.master)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    made = Tmux(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_two_panes_side_by_side_are_painted_as_they_are(tmux: Tmux) -> None:
    tmux.shows(0, "left:")
    tmux.command("split-window", "-h", "env PS1=right: sh")
    tmux.shows(1, "right:")
    for turn in range(4):
        tmux.command("send-keys", "-t", f":.{turn % 2}", f"seq {turn * 7} {turn * 9 + 30}; echo en''d {turn}", "Enter")
        tmux.shows(turn % 2, f"end {turn}")
    assert b"s\x1b[" in tmux.output
    assert b"\x1b[?69h" in tmux.output
