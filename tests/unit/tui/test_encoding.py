"""The encoding of the terminal: it is asked, and characters that it lacks become plain ones."""

import io
import os
import pty
import threading
from contextlib import suppress

import pytest
from rich.cells import cell_len
from support.deadline import DEADLINE

from omnyshell.tui import encoding
from omnyshell.tui.encoding import plain, settle_encoding


class Terminal:
    """The terminal's side of a pty: it answers each question for the cursor with a column."""

    def __init__(self, answer: bytes) -> None:
        self._master, slave = pty.openpty()
        self._answer = answer
        self.slave = slave
        self.seen = b""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError):
            while b"\x1b[6n" not in self.seen:
                self.seen += os.read(self._master, 1024)
            os.write(self._master, self._answer)

    def screen(self, named: str) -> io.TextIOWrapper:
        """What Python would make of the terminal in a locale."""
        return io.TextIOWrapper(io.FileIO(os.dup(self.slave), "w"), encoding=named, errors="backslashreplace")

    def close(self) -> None:
        """Hang up."""
        os.close(self.slave)
        self._thread.join(DEADLINE)
        os.close(self._master)

    def written(self, screen: io.TextIOWrapper, text: str) -> bytes:
        """What arrives of a text."""
        self._thread.join(DEADLINE)
        before = b""
        while not before.endswith(b"\x1b[K"):
            before += os.read(self._master, 1024)
        screen.write(text)
        screen.flush()
        return os.read(self._master, 1024)


@pytest.fixture(name="terminal")
def _terminal():
    made: list[Terminal] = []

    def terminal(answer: bytes) -> Terminal:
        made.append(Terminal(answer))
        return made[-1]

    yield terminal
    for each in made:
        each.close()


def test_a_terminal_that_speaks_utf8_gets_it_in_any_locale(terminal):
    asked = terminal(b"\x1b[24;2R")
    with asked.screen("iso-8859-1") as screen:
        assert settle_encoding(screen, asked.slave) == "utf-8"
        assert asked.written(screen, "╭─ é") == "╭─ é".encode()


def test_one_that_does_not_gets_plain_characters(terminal):
    asked = terminal(b"\x1b[1;3R")
    with asked.screen("iso-8859-1") as screen:
        assert settle_encoding(screen, asked.slave) == "iso8859-1"
        assert asked.written(screen, "╭─╮│▌● é ✓ 日本") == b"+-+||* \xe9 v ????"


def test_one_that_does_not_answer_is_taken_for_utf8(terminal, monkeypatch):
    monkeypatch.setattr(encoding, "ANSWER_SECONDS", 0.05)
    asked = terminal(b"typed meanwhile")
    with asked.screen("iso-8859-1") as screen:
        assert settle_encoding(screen, asked.slave) == "utf-8"


def test_where_the_locale_says_utf8_nothing_is_asked(terminal):
    asked = terminal(b"")
    with asked.screen("utf-8") as screen:
        assert settle_encoding(screen, asked.slave) == "utf-8"
    assert asked.seen == b""


def test_what_is_plain_is_ascii_and_as_wide():
    for character in map(chr, (*range(0x2500, 0x25FF), 0x2713, 0x65E5, 0x301, 0x200B)):
        assert plain(character).isascii()
        assert len(plain(character)) == cell_len(character)
