"""What is kept of live children, and what a next start does with it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnyshell.services.node.ledger import LINE_SIZE, ChildLedger
from omnyshell.services.node.process_table import ProcessIdentity, identity_of

KILLED_NODE = """
import os, subprocess, sys
from pathlib import Path
from omnyshell.services.node.ledger import ChildLedger
from omnyshell.services.node.process_table import identity_of
ledger, quiet = ChildLedger(Path(sys.argv[1])), subprocess.DEVNULL
gone = subprocess.Popen(["true"], start_new_session=True)
ledger.add(identity_of(gone.pid))
for _ in range(2):
    child = subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=quiet, stderr=quiet)
    ledger.add(identity_of(child.pid))
    print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(name="left")
def _left(tmp_path: Path) -> Iterator[list[ProcessIdentity]]:
    """What a node that was killed has left behind."""
    done = subprocess.run([sys.executable, "-c", KILLED_NODE, tmp_path], capture_output=True, text=True, check=False)
    left = [identity_of(int(pid)) for pid in done.stdout.split()]
    yield left
    for process in left:
        if is_running(process):
            os.kill(process.pid, 9)


@pytest.fixture(name="child")
def _child() -> Iterator[ProcessIdentity]:
    """A process that leads its session."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield identity_of(process.pid)
        process.kill()


def is_running(process: ProcessIdentity) -> bool:
    return process.started > 0 and identity_of(process.pid) == process


def noted(directory: Path) -> list[list[str]]:
    return [path.read_text().split() for path in directory.iterdir()]


async def test_what_a_killed_node_left_is_ended_and_forgotten(tmp_path: Path, left: list[ProcessIdentity]) -> None:
    assert len(left) == 2
    assert all(is_running(process) for process in left)
    assert await ChildLedger(tmp_path).end_leftovers() == 2
    assert not any(is_running(process) for process in left)
    assert noted(tmp_path) == []
    assert await ChildLedger(tmp_path).end_leftovers() == 0


async def test_a_process_that_has_the_id_of_a_child_now_is_left_alone(
    tmp_path: Path, left: list[ProcessIdentity]
) -> None:
    (file,) = tmp_path.iterdir()
    lines = [f"{process.pid} {process.started + 1}".ljust(LINE_SIZE - 1) for process in left]
    file.write_text("\n".join(lines) + "\n")
    assert await ChildLedger(tmp_path).end_leftovers() == 0
    assert all(is_running(process) for process in left)
    assert noted(tmp_path) == []


async def test_a_line_that_a_full_disk_did_not_take_hides_no_other(tmp_path: Path, left: list[ProcessIdentity]) -> None:
    (file,) = tmp_path.iterdir()
    lines = file.read_bytes()
    file.write_bytes(bytes(LINE_SIZE) + lines[LINE_SIZE:-7])
    assert await ChildLedger(tmp_path).end_leftovers() == 2
    assert not any(is_running(process) for process in left)


async def test_the_children_of_a_node_that_lives_are_left_alone(tmp_path: Path, child: ProcessIdentity) -> None:
    ChildLedger(tmp_path).add(child)
    assert await ChildLedger(tmp_path).end_leftovers() == 0
    assert is_running(child)
    assert noted(tmp_path) == [[str(child.pid), str(child.started)]]


async def test_what_is_no_ledger_or_of_an_earlier_run_of_the_machine_is_dropped(
    tmp_path: Path, left: list[ProcessIdentity]
) -> None:
    (file,) = tmp_path.iterdir()
    boot, _, rest = file.name.partition(".")
    file.rename(tmp_path / f"{'0' * len(boot)}.{rest}")
    for name in ("4711", "a.b.c.d", "notes"):
        (tmp_path / name).touch()
    assert await ChildLedger(tmp_path).end_leftovers() == 0
    assert all(is_running(process) for process in left)
    assert noted(tmp_path) == []


async def test_a_line_is_used_again_and_the_file_goes_with_its_node(tmp_path: Path) -> None:
    ledger = ChildLedger(tmp_path)
    first, second, third = (ProcessIdentity(pid, 2**63) for pid in (1, 2**22, 3))
    ledger.add(first)
    ledger.add(second)
    ledger.remove(first)
    ledger.remove(first)
    ledger.add(third)
    assert noted(tmp_path) == [["3", str(2**63), str(2**22), str(2**63)]]
    ledger.remove(second)
    assert noted(tmp_path) == [["3", str(2**63)]]
    await ledger.close()
    assert noted(tmp_path) == []
    ledger.remove(third)
    assert noted(tmp_path) == []


async def test_a_directory_that_takes_nothing_refuses_no_child(tmp_path: Path) -> None:
    ledger = ChildLedger(tmp_path / "children")
    (tmp_path / "children").rmdir()
    ledger.add(ProcessIdentity(1, 1))
    ledger.remove(ProcessIdentity(1, 1))
    await ledger.close()
