"""A real terminal: a shell in tmux, on a server of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.deadline import DEADLINE

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))
PROMPTS = ("$", "#", ">")
"""How the prompts of shells end."""


class Terminal:
    """A shell in that directory, whose prompt is `local> `; `variables` are set in it. `close` it."""

    def __init__(self, directory: Path, variables: Mapping[str, str] | None = None) -> None:
        self._socket = str(directory / "tmux")
        own = {"PATH": f"{Path(OMNYSHELL).parent}:{os.environ['PATH']}", "PS1": "local> ", **(variables or {})}
        words = " ".join(f"{name}='{value}'" for name, value in own.items())
        self.tmux("new-session", "-d", "-x", "90", "-y", "30", "-c", str(directory), f"env {words} sh")
        self.shows("local>")

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-f", "/dev/null", "-S", self._socket, *words],
            capture_output=True, text=True, check=True, timeout=DEADLINE,
        )  # fmt: skip
        return done.stdout

    def close(self) -> None:
        """End the shell and what runs in it."""
        self.tmux("kill-server")

    def type(self, *keys: str) -> None:
        """Press keys, by tmux's names, or type text."""
        self.tmux("send-keys", *keys)

    def shows(self, text: str) -> str:
        """Wait until the text is on the screen; returns the screen."""
        return self.shows_times(text, 1)

    def shows_times(self, text: str, times: int) -> str:
        """Wait until the text is on the screen so many times; returns the screen."""
        for pause in _pauses(DEADLINE):
            if (screen := self.tmux("capture-pane", "-p")).count(text) >= times:
                return screen
            time.sleep(pause)
        raise AssertionError(screen)

    def prompts(self) -> None:
        """Wait until the shell that was led to waits for a line: what is typed before may be thrown away."""
        for pause in _pauses(DEADLINE):
            screen = self.tmux("capture-pane", "-p").rstrip()
            if screen.endswith(PROMPTS) and not screen.endswith("local>"):
                return
            time.sleep(pause)
        raise AssertionError(screen)

    def is_put_back(self) -> None:
        """Wait until the main screen is shown, the cursor with it, and no program has mouse, keypad or insert mode."""
        asked = "#{alternate_on} #{mouse_any_flag} #{insert_flag} #{keypad_cursor_flag} #{cursor_flag}"
        for pause in _pauses(DEADLINE):
            if (state := self.tmux("display-message", "-p", asked).strip()) == "0 0 0 0 1":
                return
            time.sleep(pause)
        raise AssertionError(state)

    def hides(self, text: str) -> str:
        """Wait until the text is on the screen no more; returns the screen."""
        for pause in _pauses(DEADLINE):
            if text not in (screen := self.tmux("capture-pane", "-p")):
                return screen
            time.sleep(pause)
        raise AssertionError(screen)


def _pauses(seconds: float) -> Iterator[float]:
    """How long to wait before each next look, which is a process: shortly at first, within these seconds in all."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while time.monotonic() < deadline:
        yield pause
        pause = min(0.1, 1.3 * pause)
