"""What a terminal in the console costs: a scrolling log, the way from a key to its echo, ctrl+c under a flood, panes.

    python -m bench.console_terminal [scroll] [echo] [flood] [panes]

The console runs in a pseudo-terminal of this process, with a hub and a node of its own in processes of their own, so
that its processor time can be read from outside.
"""

import fcntl
import os
import pty
import re
import shlex
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

COLUMNS, LINES = 120, 40
MARK = "@"
PANES = ((1, 0), (4, 0), (9, 0), (2, 1), (4, 1), (9, 1), (9, 8))
"""How many panes are measured, and how many of them show a flood."""


class Screen:
    """A program in a pseudo-terminal, whose output is read by a thread."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvpe(command[0], command, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.output = b""
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            with self.changed:
                self.output = (self.output + data)[-4_000_000:]
                self.changed.notify_all()

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def forget(self) -> None:
        with self.changed:
            self.output = b""

    def shows(self, pattern: bytes, timeout: float = 20.0) -> float:
        """Wait for output; returns when it came."""
        with self.changed:
            if not self.changed.wait_for(lambda: re.search(pattern, self.output), timeout):
                raise TimeoutError(f"{pattern!r} not in {self.output[-2000:]!r}")
        return time.perf_counter()

    def quiet(self, seconds: float = 0.15) -> float:
        """Wait until nothing comes for a while; returns when the last output came."""
        while True:
            with self.changed:
                came = time.perf_counter()
                if not self.changed.wait(seconds):
                    return came

    def processor_time(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def here(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def console(env: dict[str, str]) -> Screen:
    screen = Screen([here("omnyshell-console"), "--local"], env)
    screen.shows(rb"online")
    time.sleep(1)
    screen.type("\r")
    screen.shows(rb"ready> ")
    time.sleep(0.5)
    return screen


def measure_scroll(screen: Screen, seconds: float = 8.0) -> None:
    """A log that scrolls a line at a time, 30 times a second."""
    line = "%06d 2026-03-14 15:09:26 INFO  worker-7 served GET /api/v1/items/%d in 12 ms (cache miss), 2048 bytes"
    steps = int(30 * (seconds + 4))
    program = f"import time\nfor i in range({steps}):\n print('{line}' % (i, i), flush=True); time.sleep(1/30)"
    screen.type(f"python3 -c {shlex.quote(program)}\r".replace("\n", "\x16\n"))
    time.sleep(3)
    before, start = screen.processor_time(), time.perf_counter()
    time.sleep(seconds)
    used = (screen.processor_time() - before) / (time.perf_counter() - start)
    print(f"log at 30 lines a second, {COLUMNS}x{LINES}: {100 * used:.1f} % of a core")
    screen.type("\x03")
    screen.quiet()


def measure_echo(screen: Screen, rounds: int = 100) -> list[float]:
    """From a key to its echo."""
    times = []
    screen.type("cat\r")
    screen.quiet()
    for number in range(rounds):
        letter = "abcdefghij"[number % 10]
        screen.forget()
        start = time.perf_counter()
        screen.type(letter)
        times.append(screen.shows(letter.encode()) - start)
        time.sleep(0.02 + 0.013 * (number % 5))
        if number % 50 == 49:
            screen.type("\r")
            screen.quiet()
    screen.type("\x03")
    screen.quiet()
    return times


def measure_flood(screen: Screen, rounds: int = 5) -> None:
    """ctrl+c while `yes` runs, until nothing moves on the screen any more."""
    times = []
    for _ in range(rounds):
        screen.type("yes 'the flood goes on and on'\r")
        time.sleep(1.5)
        start = time.perf_counter()
        screen.type("\x03")
        times.append(screen.quiet(0.3) - start)
    print(f"ctrl+c under `yes`: worst {1000 * max(times):.0f} ms, median {1000 * statistics.median(times):.0f} ms")


def measure_panes(env: dict[str, str], count: int, floods: int, rounds: int = 40) -> None:
    """From a key to its echo in one of several panes, while others show a flood."""
    screen = console(env)
    for number in range(count - 1):
        screen.type("\x1ds" if number % 2 == 0 else "\x1dv")
        screen.shows(rb"ready> ")
        screen.quiet()
        screen.type("\x1d ")
        screen.quiet()
        screen.forget()
    for _ in range(floods):
        screen.type("yes 0123456789\r")
        time.sleep(0.3)
        screen.type("\x1d\t")
        time.sleep(0.3)
    screen.type("cat\r")
    time.sleep(2)
    times = []
    for number in range(rounds):
        letter = "bcfjkq"[number % 6]
        screen.forget()
        start = time.perf_counter()
        screen.type(letter)
        times.append(screen.shows(letter.encode()) - start)
        time.sleep(0.02 + 0.013 * (number % 5))
    told(f"{count} panes, {floods} of them flooded", times)
    screen.close()


def told(name: str, times: list[float]) -> float:
    times = sorted(times)
    middle = statistics.median(times)
    print(f"echo, {name}: p50 {1000 * middle:.1f} ms, p95 {1000 * times[int(0.95 * len(times))]:.1f} ms")
    return middle


def main() -> None:
    wanted = sys.argv[1:] or ["scroll", "echo", "flood"]
    with tempfile.TemporaryDirectory() as home:
        shell = Path(home, "sh")
        shell.write_text("#!/bin/sh\nPS1='ready> ' exec /bin/sh -i\n")
        shell.chmod(0o755)
        settings = Path(home, "config", "console.toml")
        settings.parent.mkdir()
        # Each console begins with the overview.
        settings.write_text('layout = "forgotten"\n')
        env = {
            **os.environ,
            "OMNYSHELL_HOME": home,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "SHELL": str(shell),
        }
        subprocess.run([here("omnyshell"), "up", "--background"], env=env, check=True, stdout=subprocess.DEVNULL)
        try:
            screen = console(env)
            if "scroll" in wanted:
                measure_scroll(screen)
            if "echo" in wanted:
                ours = told("console", measure_echo(screen))
            if "flood" in wanted:
                measure_flood(screen)
            screen.close()
            if "panes" in wanted:
                for count, floods in PANES:
                    measure_panes(env, count, floods)
            if "echo" in wanted:
                node = subprocess.run(
                    [here("omnyshell"), "nodes", "list"], env=env, check=True, capture_output=True, text=True
                )
                plain = Screen([here("omnyshell"), "connect", node.stdout.splitlines()[1].split()[0]], env)
                plain.shows(rb"ready> ")
                theirs = told("omnyshell connect", measure_echo(plain))
                print(f"difference of the medians: {1000 * (ours - theirs):.1f} ms")
                plain.close()
        finally:
            subprocess.run([here("omnyshell"), "down"], env=env, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
