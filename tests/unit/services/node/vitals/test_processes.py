"""Which processes belong to a session, with psutil and without."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.in_one_test import in_one_test

from omnyshell.model.vitals import SessionProcess
from omnyshell.protocol.messages.vitals import LONGEST_COMMAND
from omnyshell.services.node.vitals import processes as module
from omnyshell.services.node.vitals.processes import processes_of

ID = "0a1b2c3d-0000-4000-8000-000000000000"
TREE = "sleep 60 & setsid sleep 61 & echo ready; exec sleep 62"


@pytest.fixture
def leader() -> Iterator[int]:
    """A session with two children, one of which made a session of its own."""
    with subprocess.Popen(["/bin/sh", "-c", TREE], start_new_session=True, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        _wait_for_the_programs(started.pid)
        found = {process.pid for process in processes_of({started.pid: ID})}
        try:
            yield started.pid
        finally:
            for pid in found:
                os.kill(pid, 9)


def _wait_for_the_programs(pid: int) -> None:
    """A shell's child is a shell until it runs its program."""
    while any("sh" in one.command.split()[0] for one in processes_of({pid: ID})):
        pass


@pytest.mark.parametrize("has_proc", [True, False])
def test_all_that_a_session_started_belongs_to_it(
    leader: int, has_proc: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not has_proc:
        monkeypatch.setattr(module, "_PROC", tmp_path)
    found = processes_of({leader: ID})
    assert found[0].pid == leader
    assert {one.command for one in found} == {"sleep 60", "sleep 61", "sleep 62"}
    assert all(one.parent == leader for one in found[1:])
    assert {one.session_id for one in found} == {ID}
    me = psutil.Process()
    assert {one.user for one in found} == {me.username()}
    assert all(one.memory > 0 for one in found)
    assert all(SessionProcess.from_wire(one.to_wire()) == one for one in found)


def test_this_process_has_taken_time() -> None:
    (me, *_) = processes_of({os.getpid(): ID})
    assert me.cpu_millis > 0


def test_without_proc_and_psutil_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_PROC", tmp_path)
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert processes_of({os.getpid(): ID}) == []


def test_nothing_is_read_for_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_all", lambda: pytest.fail("read"))
    assert processes_of({}) == []


@in_one_test(
    ("arguments", "name", "shown"),
    [
        (["sh", "-c", "a b"], "sh", "sh -c 'a b'"),
        ([], "kworker/0:1", "[kworker/0:1]"),
        ([""], "x\x1b[2J", "[x�[2J]"),
        (["x" * 5_000], "x", "x" * LONGEST_COMMAND),
    ],
)
def test_a_command_is_one_printable_line_of_bounded_length(arguments: list[str], name: str, shown: str) -> None:
    assert module._command(arguments, name) == shown


def test_a_name_may_look_like_anything() -> None:
    fields = "S 5 7 6 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 99 1000 17 0"
    found = module._read(9, f"9 (a) b (c)) {fields}\n".encode())
    assert found == (9, 5, 6, "a) b (c)", 42, 17)
