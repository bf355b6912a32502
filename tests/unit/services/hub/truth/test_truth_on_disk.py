"""The log of what is true on a disk: killed in the middle of a write, or with no room left for it."""

import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from support.truth_logs import BEGIN

from omnyshell.errors import ConfigException
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.changes import AddPrincipal, ClaimNode, SetLabels, together
from omnyshell.services.hub.truth.log import SqliteLog
from omnyshell.services.hub.truth.records import EnrolledPrincipal

WRITER = """
import sys
from pathlib import Path
from datetime import datetime, UTC
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.changes import AddPrincipal, ClaimNode, SetLabels, together
from omnyshell.services.hub.truth.log import SqliteLog
from omnyshell.services.hub.truth.records import EnrolledPrincipal
log = SqliteLog(StateFile(Path(sys.argv[1])))
while True:
    name = f"p{log.applied_seq + 1}"
    row = EnrolledPrincipal(principal=name, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    log.append(together(AddPrincipal(row), ClaimNode(name, name), SetLabels(name, {"a": "b" * 5000}))).now()
    print(log.applied_seq, flush=True)
"""


def whole(file: StateFile) -> int:
    """Return how many transactions are in the tables, each of which is whole."""
    log = SqliteLog(file)
    names = {(f"p{number}",) for number in range(1, log.applied_seq + 1)}
    for query in ("principal FROM principals", "node_id FROM node_owners", "node_id FROM node_labels"):
        assert set(file.run(f"SELECT {query}")) == names
    assert file.run("PRAGMA integrity_check") == [("ok",)]
    return log.applied_seq


def test_whatever_moment_the_hub_is_killed_at_each_transaction_is_whole_or_not_there(tmp_path: Path) -> None:
    """Each takes a process; over a second for that. What was answered is there, and nothing beyond the next one."""
    path, chance = tmp_path / "hub.sqlite3", random.Random(3)
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            answered = 0
            for _ in range(chance.randrange(1, 30)):
                answered = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            answered = int((writer.stdout.read().split() or [answered])[-1])
        with closing(StateFile(path)) as file:
            assert whole(file) in (answered, answered + 1)


def test_a_transaction_for_which_the_disk_has_no_room_has_not_happened_and_the_next_one_can(tmp_path: Path) -> None:
    told: list[str] = []
    with closing(StateFile(tmp_path / "hub.sqlite3")) as file:
        log = SqliteLog(file)
        log.follow(lambda transaction: lambda: told.append(repr(transaction)))
        ((pages,),) = file.run("PRAGMA page_count")
        file.run(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(ConfigException, match="full"):
            _fill(log)
        for _ in range(3):
            assert whole(file) == log.applied_seq == len(told) > 0
            with pytest.raises(ConfigException, match="full"):
                _append(log)
        file.run("PRAGMA max_page_count = 1000000")
        _append(log)
        assert whole(file) == log.applied_seq == len(told)


def _fill(log: SqliteLog) -> None:
    while True:
        _append(log)


def _append(log: SqliteLog) -> None:
    name = f"p{log.applied_seq + 1}"
    row = EnrolledPrincipal(principal=name, created_at=BEGIN)
    log.append(together(AddPrincipal(row), ClaimNode(name, name), SetLabels(name, {"a": "b" * 5000}))).now()
