"""Looking for a terminal's output before it is read."""

import os
import tty

import pytest

from omnyshell.services.node.processes.pty import WORTH_A_READ, look_for_output


def test_what_was_written_is_there_afterwards() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    for size in (WORTH_A_READ, 1):
        os.write(slave, bytes(size))
        look_for_output(master)
        assert os.read(master, 4096) == bytes(size)
    os.close(slave)
    os.close(master)


def test_a_terminal_that_is_silent_or_gone_holds_nobody_up() -> None:
    master, slave = os.openpty()
    look_for_output(master)
    os.close(slave)
    look_for_output(master)
    with pytest.raises(OSError, match="Input/output error"):
        os.read(master, 100)
    os.close(master)
    look_for_output(master)
