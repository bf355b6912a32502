"""A state file that another process holds a lock on: what waits for it, and for how long."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.hub.ground.database import LOCKED_WAIT
from omnyshell.services.hub.ground.state_file import LOOP_WAIT, STATE_FILE, StateFile
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.truth.changes import ClaimNode, together


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection to the file of an open hub."""
    StateFile(tmp_path / STATE_FILE).close()
    with closing(sqlite3.connect(tmp_path / STATE_FILE, isolation_level=None)) as other:
        yield other


async def test_a_lock_of_another_process_does_not_hold_up_a_running_hub(
    tmp_path: Path, locked: sqlite3.Connection
) -> None:
    records = HubRecords(tmp_path)
    locked.execute("BEGIN IMMEDIATE")
    with pytest.raises(ConfigException, match="locked"):
        records.log.append(together(ClaimNode("n1", "ann"))).now()
    assert records.log._file.run("PRAGMA busy_timeout") == [(1000 * LOOP_WAIT,)]
    assert (records.log.applied_seq, records.owners.owners()) == (0, {})
    locked.execute("ROLLBACK")
    assert records.log.append(together(ClaimNode("n1", "ann"))).now() == 1
    await records.aclose()


def test_a_command_and_a_start_wait_for_the_lock(tmp_path: Path) -> None:
    with closing(StateFile(tmp_path / STATE_FILE)) as file:
        assert file.run("PRAGMA busy_timeout") == [(LOCKED_WAIT * 1000,)]


def test_a_start_waits_where_another_connection_makes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite waits for nobody then, whatever it was told: each would have what the other one waits for."""
    path = tmp_path / STATE_FILE
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("omnyshell.services.hub.ground.database.sleep", lambda _: other.execute("ROLLBACK"))
        with closing(StateFile(path)) as file:
            assert file.run("PRAGMA journal_mode") == [("wal",)]
