"""Who puts a terminal back when its program is killed. Real processes on a real PTY."""

import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE

PROGRAM = """
import os, signal, sys, tty
from omnyshell.guardian import guarding
with guarding() as guardian:
    tty.setraw(0)
    os.set_blocking(0, False)
    os.write(1, b"begun ")
    for undo in (b"<one>", b"<two>", b"x" * 100_000, b"<undone>"):
        guardian.remember(undo)
    {end}
os.write(1, b"left")
"""


class Pty:
    """A program on a terminal that is another's, as a shell's is."""

    def __init__(self, end: str) -> None:
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(end=end)], stdin=self.slave, stdout=self.slave, start_new_session=True
        )

    def shows(self, text: bytes) -> None:
        deadline = time.monotonic() + DEADLINE
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            if select.select([self.master], [], [], 0.1)[0]:
                self.output += os.read(self.master, 4096)

    def ended(self) -> int:
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        os.close(self.master)
        os.close(self.slave)


Start = Callable[[str], Pty]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program that ends in some way; its terminal is closed afterwards."""
    opened: list[Pty] = []

    def starts(end: str) -> Pty:
        opened.append(Pty(end))
        return opened[-1]

    yield starts
    for pty in opened:
        pty.close()


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)", "os.killpg(0, signal.SIGKILL)"])
def test_the_terminal_is_put_back_where_the_program_says_no_word(end: str, start: Start) -> None:
    pty = start(end)
    assert pty.ended() in (-signal.SIGKILL, 3)
    pty.shows(b"<undone>")
    assert b"<one>" not in pty.output
    assert b"<two>" not in pty.output
    deadline = time.monotonic() + DEADLINE
    while termios.tcgetattr(pty.slave)[:4] != pty.before[:4]:
        assert time.monotonic() < deadline
    assert b"left" not in pty.output


def test_a_program_that_leaves_puts_its_terminal_back_itself(start: Start) -> None:
    pty = start("guardian.remember(b'')")
    assert pty.ended() == 0
    pty.shows(b"left")
    assert b"<" not in pty.output


def test_settings_that_another_program_has_made_since_are_left_alone(start: Start) -> None:
    pty = start("os.write(1, b'ready'); import time; time.sleep(30)")
    pty.shows(b"ready")
    attributes = termios.tcgetattr(pty.slave)
    attributes[3] |= termios.ISIG
    termios.tcsetattr(pty.slave, termios.TCSANOW, attributes)
    pty.process.kill()
    pty.ended()
    pty.shows(b"<undone>")
    assert termios.tcgetattr(pty.slave)[3] == attributes[3]


def test_it_is_not_found_by_the_programs_name(start: Start) -> None:
    pty = start("os.write(1, b'ready'); import time; time.sleep(30)")
    pty.shows(b"ready")
    pid = pty.process.pid
    (guard,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    deadline = time.monotonic() + DEADLINE
    while Path(f"/proc/{guard}/cmdline").read_bytes().strip(b"\0") != b"terminal-guard":
        assert time.monotonic() < deadline
    pty.process.kill()
    pty.ended()
    pty.shows(b"<undone>")
