"""Changes that need not be on disk at once: they are written in batches, without delaying the hub's loop."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Generic, TypeVar

from omnyshell.services.hub.ground.database import open_database, transaction
from omnyshell.services.hub.ground.state_file import translated

Key = TypeVar("Key")
Value = TypeVar("Value")

Statement = tuple[str, list[Sequence[object]]]
"""A statement, and the values for each of its executions."""

logger = logging.getLogger("omnyshell.hub")


class LateTable(Generic[Key, Value]):
    """The unwritten changes of a table: the last one of each key. No I/O.

    A row that is added and removed between two writes is never written.
    """

    def __init__(
        self,
        put: str,
        remove: str,
        row: Callable[[Value], Sequence[object]],
        place: Callable[[Key], Sequence[object]] = lambda key: (key,),
    ) -> None:
        """`put` and `remove` are SQL statements; `row` and `place` make their values, in another thread."""
        self._put, self._remove = put, remove
        self._row, self._place = row, place
        self._written: set[Key] = set()
        self._changes: dict[Key, Value | None] = {}

    def hold(self, keys: Iterable[Key]) -> None:
        """Note the keys that are in the table already."""
        self._written.update(keys)

    def put(self, key: Key, value: Value) -> None:
        """Insert a row, or replace the one with that key."""
        self._changes[key] = value

    def remove(self, key: Key) -> None:
        """Remove a row. Idempotent."""
        if key in self._written:
            self._changes[key] = None
        else:
            self._changes.pop(key, None)

    def take(self) -> dict[Key, Value | None]:
        """Return the changes since the last call, and forget them."""
        taken, self._changes = self._changes, {}
        for key, value in taken.items():
            (self._written.discard if value is None else self._written.add)(key)
        return taken

    def give_back(self, taken: Mapping[Key, Value | None]) -> None:
        """Take back changes that could not be written; newer changes take precedence."""
        self._written.update(taken)
        self._changes = {**taken, **self._changes}

    def statements(self, taken: Mapping[Key, Value | None]) -> list[Statement]:
        """Return the statements that write the changes."""
        gone = [self._place(key) for key, value in taken.items() if value is None]
        rows = [self._row(value) for value in taken.values() if value is not None]
        return [(self._remove, gone), (self._put, rows)]


Taken = list[tuple[LateTable[Any, Any], dict[Any, Any]]]


class LateWriter:
    """Writes tables in batches, each completely or not at all. Call `tick` regularly, and `aclose` at the end.

    A written batch survives the end of the process, and a little later also a loss of power. If a write fails, nothing
    else fails: it is tried again at the next tick.
    """

    def __init__(self, path: Path, tables: Sequence[LateTable[Any, Any]]) -> None:
        """Open the state file, which has these tables. Raises `ConfigException` if it cannot be used."""
        with translated():
            self._db = open_database(path, "")
            self._db.execute("PRAGMA synchronous = NORMAL")
        self._tables = tables
        self._running: asyncio.Task[None] | None = None
        self._is_failing = False

    def tick(self) -> None:
        """Begin to write changes, unless the last batch is still being written."""
        if self._running is not None and not self._running.done():
            return
        if taken := self._take():
            self._running = asyncio.create_task(self._write(taken))

    async def aclose(self) -> None:
        """Write changes, and close the file. Idempotent."""
        if self._running is not None:
            await self._running
        with closing(self._db):
            if taken := self._take():
                await self._write(taken)

    def _take(self) -> Taken:
        taken = ((table, table.take()) for table in self._tables)
        return [(table, changes) for table, changes in taken if changes]

    async def _write(self, taken: Taken) -> None:
        try:
            await asyncio.to_thread(self._write_all, taken)
        except Exception as exc:
            for table, changes in taken:
                table.give_back(changes)
            text = "what the hub has learned is not recorded, and is forgotten at its next start: %s"
            logger.log(logging.DEBUG if self._is_failing else logging.ERROR, text, exc)
            self._is_failing = True
        else:
            self._is_failing = False

    def _write_all(self, taken: Taken) -> None:
        # Make the rows before the transaction, so that other writers do not wait for that.
        statements = [statement for table, changes in taken for statement in table.statements(changes)]
        with transaction(self._db):
            for statement, values in statements:
                self._db.executemany(statement, values)
