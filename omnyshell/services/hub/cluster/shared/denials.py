"""Locks and revocations that are made while the engine is away (docs/architecture.md#a-change).

They hold at once, beside the tables: tables that went ahead of the log would differ from those of other hubs. When the
engine is back they become changes like all others.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.services.hub.ground.state_file import StateFile, blob, number
from omnyshell.services.hub.truth.changes import AnyChange, PutLock, RemoveLock, RemovePrincipal, Transaction, together

WHY = "revoked while the hubs' engine is away"

_LONG_AGO = datetime.fromtimestamp(0, UTC)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS denials (
    id  INTEGER PRIMARY KEY,
    raw BLOB NOT NULL
);
"""

Deny = Callable[[Transaction], None]
"""Has locks hold, and what they forbid end; the tables stay as they are."""

logger = logging.getLogger("omnyshell.cluster")


class Denials:
    """What was denied, in a table of its own, and in the locks of the hub. All methods raise `ConfigException`."""

    def __init__(self, file: StateFile) -> None:
        """The file is the hub's own."""
        self._file = file
        self._deny: Deny = lambda _: None
        self._lift: Deny = lambda _: None
        file.create(_SCHEMA)

    def begin(self, deny: Deny, lift: Deny) -> None:
        """Have what waits hold. `lift` ends locks that `deny` made, and leaves those of the tables."""
        self._deny, self._lift = deny, lift
        for _, transaction in self.waiting():
            deny(_as_locks(transaction))

    @staticmethod
    def can_be(transaction: Transaction) -> bool:
        """Whether a transaction does nothing but deny."""
        return all(isinstance(change, PutLock | RemovePrincipal) for change in transaction.changes)

    def take(self, transaction: Transaction) -> None:
        """Have a transaction hold until it is in the log; it is on disk when this returns."""
        self._file.run("INSERT INTO denials (raw) VALUES (?)", transaction.encode())
        logger.warning("a lock or revocation holds at this hub alone until the engine is back")
        self._deny(_as_locks(transaction))

    def waiting(self) -> list[tuple[int, Transaction]]:
        """Return what is not in the log yet, oldest first, by its number."""
        return self._file.read("the denial", _row, "SELECT id, raw FROM denials ORDER BY id")

    def done(self, number: int, transaction: Transaction) -> None:
        """The log has a transaction: what it says is in the tables from now on."""
        self._file.run("DELETE FROM denials WHERE id = ?", number)
        locks = [change.lock for change in _as_locks(transaction).changes if isinstance(change, PutLock)]
        self._lift(together(*(RemoveLock(lock.kind, lock.name, lock.id) for lock in locks)))


def _as_locks(transaction: Transaction) -> Transaction:
    return Transaction(tuple(_as_lock(change) for change in transaction.changes))


def _as_lock(change: AnyChange) -> AnyChange:
    if not isinstance(change, RemovePrincipal):
        return change
    name = change.principal
    lock = LockInfo(
        id=f"revoked-{name}", kind=LockKind.PRINCIPAL, name=name, why=WHY, created_at=_LONG_AGO, created_by="hub"
    )
    return PutLock(lock)


def _row(id_: object, raw: object) -> tuple[int, Transaction]:
    return number(id_), Transaction.decode(blob(raw))
