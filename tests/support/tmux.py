"""A real terminal: a shell in tmux, on a server of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))
DEADLINE = 20.0


class Terminal:
    """A shell in that directory, whose prompt is `local> `; `variables` are set in it. `close` it."""

    def __init__(self, directory: Path, variables: Mapping[str, str] | None = None) -> None:
        self._socket = str(directory / "tmux")
        own = {"PATH": f"{Path(OMNYSHELL).parent}:{os.environ['PATH']}", "PS1": "local> ", **(variables or {})}
        words = " ".join(f"{name}='{value}'" for name, value in own.items())
        self.tmux("new-session", "-d", "-x", "90", "-y", "30", "-c", str(directory), f"env {words} sh")

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
        deadline = time.monotonic() + DEADLINE
        while (screen := self.tmux("capture-pane", "-p")).count(text) < times:
            assert time.monotonic() < deadline, screen
            time.sleep(0.02)
        return screen

    def is_put_back(self) -> None:
        """Wait until the main screen is shown, the cursor with it, and no program has mouse, keypad or insert mode."""
        deadline = time.monotonic() + DEADLINE
        asked = "#{alternate_on} #{mouse_any_flag} #{insert_flag} #{keypad_cursor_flag} #{cursor_flag}"
        while (state := self.tmux("display-message", "-p", asked).strip()) != "0 0 0 0 1":
            assert time.monotonic() < deadline, state
            time.sleep(0.02)

    def hides(self, text: str) -> str:
        """Wait until the text is on the screen no more; returns the screen."""
        deadline = time.monotonic() + 2 * DEADLINE
        while text in (screen := self.tmux("capture-pane", "-p")):
            assert time.monotonic() < deadline, screen
            time.sleep(0.02)
        return screen
