"""What is kept of live children, and what a next start does with it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnyshell.services.node.processes.ledger import LINE_SIZE, ChildLedger
from omnyshell.services.node.processes.process_table import ProcessIdentity, identity_of

KILLED_NODE = """
import os, subprocess, sys
from pathlib import Path
from omnyshell.services.node.processes.ledger import ChildLedger
from omnyshell.services.node.processes.process_table import identity_of
ledger, quiet = ChildLedger(Path(sys.argv[1])), subprocess.DEVNULL
gone = subprocess.Popen(["true"], start_new_session=True)
ledger.add(ledger.announce([]), identity_of(gone.pid))
for announced_only in (False, True):
    pipes = os.pipe() + os.pipe()
    line = ledger.announce([pipes[0], pipes[3]])
    child = subprocess.Popen(["sleep", "60"], start_new_session=True, stdin=pipes[0], stdout=pipes[3], stderr=quiet)
    if not announced_only:
        ledger.add(line, identity_of(child.pid))
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
    """What stands in each file that is not blank."""
    files = [path for path in directory.iterdir() if path.is_file()]
    return [words for path in files if (words := path.read_text().split())]


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
    file.write_bytes(bytes(LINE_SIZE) + lines[LINE_SIZE : 3 * LINE_SIZE - 7])
    assert await ChildLedger(tmp_path).end_leftovers() == 2
    assert not any(is_running(process) for process in left)


async def test_the_children_of_a_node_that_lives_are_left_alone(tmp_path: Path, child: ProcessIdentity) -> None:
    ledger = ChildLedger(tmp_path)
    ledger.add(ledger.announce([]), child)
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
    (tmp_path / "directory").mkdir()
    assert await ChildLedger(tmp_path).end_leftovers() == 0
    assert all(is_running(process) for process in left)
    assert noted(tmp_path) == []


async def test_a_line_is_used_again_and_the_file_goes_with_its_node(tmp_path: Path) -> None:
    ledger = ChildLedger(tmp_path)
    first, second, third = (ProcessIdentity(pid, 2**63) for pid in (1, 2**22, 3))
    ledger.add(ledger.announce([]), first)
    ledger.add(ledger.announce([]), second)
    ledger.remove(first)
    ledger.remove(first)
    ledger.withdraw(ledger.announce([]))
    ledger.add(ledger.announce([]), third)
    assert noted(tmp_path) == [["3", str(2**63), str(2**22), str(2**63)]]
    ledger.remove(second)
    assert noted(tmp_path) == [["3", str(2**63)]]
    await ledger.close()
    assert noted(tmp_path) == []
    ledger.remove(third)
    assert noted(tmp_path) == []


async def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    ledger = ChildLedger(tmp_path / "children")
    first, second = ProcessIdentity(1, 1), ProcessIdentity(2, 2)
    ledger.add(ledger.announce([]), first)
    shutil.rmtree(tmp_path / "children")
    ledger.add(ledger.announce([]), second)
    assert noted(tmp_path / "children") == [["1", "1", "2", "2"]]
    await ledger.close()


async def test_a_directory_that_takes_nothing_refuses_no_child_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ChildLedger(tmp_path / "children")
    shutil.rmtree(tmp_path / "children")
    (tmp_path / "children").touch()
    for pid in (1, 2):
        ledger.add(ledger.announce([]), ProcessIdentity(pid, 1))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "children cannot be noted" in caplog.text
    await ledger.close()
