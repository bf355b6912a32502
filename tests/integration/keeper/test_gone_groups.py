"""A terminal names its foreground group by an id, which is anybody's once that group has gone."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.deadline import DEADLINE

from omnyshell.keeper.held import Held
from omnyshell.keeper.wire import GROUP, PTY


@contextmanager
def session() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True, cwd="/") as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_has_got_the_id_of_a_group_that_is_gone_is_neither_signalled_nor_looked_at(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with session() as leader, session() as other:
        held = Held(b"n1", b"s1", PTY, leader.pid, {})
        monkeypatch.setattr(held, "_foreground", lambda: other.pid)
        assert held.where() == (leader.pid, b"sleep", b"/")
        held.signal(GROUP, number)
        assert leader.wait(DEADLINE) == -number
        assert other.poll() is None


def test_a_group_of_the_session_is_signalled_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "set -m; sleep 600 & echo $!; wait $!; echo ended; exec sleep 600"
    with subprocess.Popen(
        ["bash", "-c", program], start_new_session=True, stdout=subprocess.PIPE, text=True, cwd="/"
    ) as leader:
        assert leader.stdout is not None
        held = Held(b"n1", b"s1", PTY, leader.pid, {})
        try:
            job = int(leader.stdout.readline())
            monkeypatch.setattr(held, "_foreground", lambda: job)
            assert held.where()[0] == job
            held.signal(GROUP, signal.SIGTERM)
            assert leader.stdout.readline() == "ended\n"
            assert leader.poll() is None
        finally:
            held.signal(b"session", signal.SIGKILL)
        assert leader.wait(DEADLINE) == -signal.SIGKILL
