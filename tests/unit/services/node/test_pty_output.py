"""Looking for a terminal's output before it is read."""

import os
import tty
from collections.abc import Iterator

import pytest

from omnyshell.services.node.pty import output_comes


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, slave
    for fd in (master, slave):
        try:
            os.close(fd)
        except OSError:
            continue


def test_nothing_comes_from_a_program_that_is_silent(terminal: tuple[int, int]) -> None:
    assert not output_comes(terminal[0])


def test_what_was_written_comes(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    os.write(slave, b"hello")
    while not output_comes(master):
        pass
    assert os.read(master, 100) == b"hello"
    assert not output_comes(master)


def test_a_terminal_that_is_gone_is_left_to_be_read(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    os.close(slave)
    output_comes(master)
    with pytest.raises(OSError, match="Input/output error"):
        os.read(master, 100)
    os.close(master)
    assert output_comes(master)
