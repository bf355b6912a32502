"""What need not be on disk at once is written in batches, off the loop, and survives the hub's end."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from omnyshell.services.hub.ground.database import open_database
from omnyshell.services.hub.ground.late_writes import LateTable, LateWriter

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID"

Numbers = LateTable[str, tuple[str, int]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "hub.sqlite3"
    open_database(found, SCHEMA).close()
    return found


@pytest.fixture
def table() -> Numbers:
    return LateTable("INSERT OR REPLACE INTO numbers VALUES (?, ?)", "DELETE FROM numbers WHERE name = ?", tuple)


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_database(path, "")) as found:
        yield found


def put(table: Numbers, name: str, number: int) -> None:
    table.put(name, (name, number))


def written(database: sqlite3.Connection) -> dict[str, int]:
    return dict(database.execute("SELECT * FROM numbers"))


async def test_many_changes_are_one_batch_and_the_last_one_counts(
    path: Path, table: Numbers, database: sqlite3.Connection
) -> None:
    writer = LateWriter(path, [table])
    for number in range(1_000):
        put(table, f"n{number % 10}", number)
    writer.tick()
    put(table, "later", 1)
    await writer.aclose()
    assert written(database) == {**{f"n{number}": 990 + number for number in range(10)}, "later": 1}


async def test_the_loop_goes_on_while_another_has_the_file(
    path: Path, table: Numbers, database: sqlite3.Connection
) -> None:
    writer = LateWriter(path, [table])
    database.execute("BEGIN IMMEDIATE")
    put(table, "n", 1)
    writer.tick()
    await asyncio.sleep(0)
    put(table, "n", 2)
    writer.tick()
    assert not writer._running.done()  # type: ignore[union-attr]
    database.execute("COMMIT")
    await writer.aclose()
    assert written(database) == {"n": 2}


def test_what_comes_and_goes_between_two_batches_is_never_written(table: Numbers) -> None:
    put(table, "short", 1)
    table.remove("short")
    table.remove("unknown")
    assert table.take() == {}


async def test_what_was_read_or_is_being_written_is_removed(
    path: Path, table: Numbers, database: sqlite3.Connection
) -> None:
    database.execute("INSERT INTO numbers VALUES ('old', 1)")
    table.hold(["old"])
    writer = LateWriter(path, [table])
    put(table, "new", 1)
    writer.tick()
    table.remove("new")
    table.remove("old")
    await writer.aclose()
    assert written(database) == {}


async def test_what_cannot_be_written_is_tried_again_and_said_once(
    path: Path, table: Numbers, database: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    writer = LateWriter(path, [table])
    database.execute("ALTER TABLE numbers RENAME TO away")
    for number in range(3):
        put(table, "n", number)
        put(table, f"only-{number}", number)
        writer.tick()
        assert writer._running is not None
        await writer._running
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    database.execute("ALTER TABLE away RENAME TO numbers")
    await writer.aclose()
    assert written(database) == {"n": 2, "only-0": 0, "only-1": 1, "only-2": 2}


async def test_tables_are_written_together_or_not_at_all(
    path: Path, table: Numbers, database: sqlite3.Connection
) -> None:
    wrong: Numbers = LateTable("INSERT INTO nowhere VALUES (?, ?)", "DELETE FROM nowhere WHERE name = ?", tuple)
    writer = LateWriter(path, [table, wrong])
    put(table, "n", 1)
    put(wrong, "n", 1)
    writer.tick()
    assert writer._running is not None
    await writer._running
    assert written(database) == {}
    wrong.take()
    await writer.aclose()
    assert written(database) == {"n": 1}
