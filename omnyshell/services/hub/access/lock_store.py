"""Locks in the hub's SQLite file; they can also be removed there while the hub is stopped."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.schema import read_timestamp, write_timestamp
from omnyshell.services.hub.audit.offline_notes import SCHEMA, note
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile, text
from omnyshell.services.hub.ground.state_lock import StateLock
from omnyshell.services.hub.truth.changes import RemoveLock, together
from omnyshell.services.hub.truth.log import SqliteLog, check_alone

DAMAGED = "what it says is damaged"

logger = logging.getLogger("omnyshell.hub")


class LockStore:
    """Reads the table, which the log changes. Raises `ConfigException` if the file cannot be used."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    def locks(self) -> list[LockInfo]:
        """Return all locks, also expired ones. A damaged one is in force, without expiry.

        Raises `ConfigException` if what is locked cannot be determined.
        """
        query = "SELECT kind, name, id, why, created_at, created_by, expires_at FROM locks"
        return [_lock(*row) for row in self._file.run(query)]


class OfflineLocks(LockStore):
    """The locks of a stopped hub."""

    def __init__(self, file: StateFile) -> None:
        super().__init__(file)
        check_alone(file)
        self._log = SqliteLog(file)
        file.create(SCHEMA)

    def remove(self, kind: LockKind, name: str, at: datetime, by: str) -> bool:
        """Remove a lock, and note that for the next start of the hub to audit; return whether there was one.

        Raises `ConfigException`, and changes nothing, if that cannot be written.
        """
        with self._file.transaction():
            found = self._file.run("SELECT id FROM locks WHERE kind = ? AND name = ?", kind, name)
            if not found:
                return False
            id_ = found[0][0] if isinstance(found[0][0], str) else ""
            self._log.append(together(RemoveLock(kind, name, id_))).now()
            note(self._file.connection, "lock.remove", f"{kind} {name}, offline at {write_timestamp(at)} by {by}")
        return True


@contextmanager
def offline_locks(directory: Path) -> Iterator[OfflineLocks]:
    """Open the locks of a stopped hub, and keep it from starting meanwhile.

    Raises `ConfigException` if it runs, or if the directory is not a hub's.
    """
    path = directory / STATE_FILE
    if not path.is_file():
        raise ConfigException(f"{directory} is no state directory of a hub: {STATE_FILE} is missing")
    held = StateLock(directory)
    try:
        with closing(StateFile(path)) as file:
            yield OfflineLocks(file)
    finally:
        held.release()


def _lock(
    kind: object, name: object, id_: object, why: object, created_at: object, created_by: object, expires_at: object
) -> LockInfo:
    try:
        of, named = LockKind(text(kind)), text(name)
    except ValueError as exc:
        what = "a lock in the hub's state file is damaged, and nobody can tell whom it locks"
        raise ConfigException(f"{what}: restore a backup, or delete it from the table `locks`") from exc
    try:
        return LockInfo(
            id=text(id_),
            kind=of,
            name=named,
            why=text(why),
            created_at=read_timestamp(text(created_at)),
            created_by=text(created_by),
            expires_at=read_timestamp(text(expires_at)) if expires_at is not None else None,
        )
    except ValueError:
        logger.error("the lock of %s %s is damaged: it holds until it is removed", of, named)
        long_ago = datetime.fromtimestamp(0, UTC)
        id_ = id_ if isinstance(id_, str) else f"{of}-{named}"
        return LockInfo(id=id_, kind=of, name=named, why=DAMAGED, created_at=long_ago, created_by="")
