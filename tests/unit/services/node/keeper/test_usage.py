"""What a session takes, in trees of plain files."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE

from omnyshell.services.node.keeper.usage import Usage, usage_of
from omnyshell.services.node.sessions.usage_reader import MOST_AT_ONCE, UsageReader

KEEPER = 4194303
"""A process of which there is none."""


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process that is stopped, so that what is resident of it stays the same."""
    process = subprocess.Popen(["sleep", "1000"])
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    yield process.pid
    process.kill()
    process.wait(DEADLINE)


def group(place: Path, **files: str) -> str:
    place.mkdir()
    for name, text in files.items():
        (place / name.replace("_", ".", 1)).write_text(text)
    return str(place)


def test_the_systems_counts_are_told(tmp_path) -> None:
    counted = group(
        tmp_path / "a", cgroup_procs="1\n7\n", cpu_stat="usage_usec 2500000\nuser_usec 1\n", memory_current="8192\n"
    )
    assert usage_of({"s": counted}, KEEPER) == {"s": Usage(8192, 2500, 2)}


def test_memory_that_the_system_does_not_count_is_what_is_resident(tmp_path, sleeper: int) -> None:
    counted = group(tmp_path / "a", cgroup_procs=f"{sleeper}\n4194304\n", cpu_stat="usage_usec 1000\n")
    found = usage_of({"s": counted}, KEEPER)["s"]
    assert found.memory == int(Path(f"/proc/{sleeper}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert found[1:] == (1, 2)


def test_the_keeper_is_none_of_the_sessions_whose_group_it_is_in(tmp_path, sleeper: int) -> None:
    counted = group(tmp_path / "a", cgroup_procs=f"{os.getpid()}\n{sleeper}\n", cpu_stat="usage_usec 1000\n")
    alone = group(tmp_path / "b", cgroup_procs=f"{sleeper}\n", cpu_stat="usage_usec 1000\n")
    found = usage_of({"s": counted, "t": alone}, os.getpid())
    assert found["s"] == found["t"]
    assert found["s"].processes == 1


def test_what_sessions_before_it_took_is_none_of_its(tmp_path) -> None:
    counted = group(tmp_path / "a", cgroup_procs="", cpu_stat="usage_usec 9000\n", memory_current="0\n")
    try:
        os.setxattr(counted, "user.omnyshell.earlier", b"7000")
    except OSError:
        pytest.skip("no access lists here")
    assert usage_of({"s": counted}, KEEPER)["s"] == Usage(0, 2, 0)


@pytest.mark.parametrize("files", [{}, {"cgroup_procs": "1"}, {"cgroup_procs": "x", "cpu_stat": "usage_usec 1"}])
def test_what_cannot_be_read_is_not_known(tmp_path, files: dict[str, str]) -> None:
    assert usage_of({"s": group(tmp_path / "a", **files), "t": "/nowhere"}, KEEPER) == {"s": Usage(), "t": Usage()}


class _Slow:
    """A backend whose keeper does not answer."""

    def __init__(self) -> None:
        self.waiting: list = []

    def groups(self, found) -> None:
        self.waiting.append(found)


def test_few_are_read_at_a_time_and_nothing_is_known_without_groups() -> None:
    backend, told = _Slow(), []
    reader = UsageReader(backend)
    for _ in range(MOST_AT_ONCE + 1):
        reader.read(told.append)
    assert told == [{}]
    for found in backend.waiting:
        found({}, KEEPER)
    assert told == [{}] * (MOST_AT_ONCE + 1)
    reader.read(told.append)
    assert len(backend.waiting) == MOST_AT_ONCE + 1
    UsageReader(object()).read(told.append)
    assert told[-1] == {}
