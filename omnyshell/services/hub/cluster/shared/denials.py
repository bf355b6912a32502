"""Locks and revocations that are made while the engine is away (docs/architecture.md#a-change).

They hold at once, beside the tables: tables that went ahead of the log would differ from those of other hubs. Hubs tell
each other of them over their links. When the engine is back they become changes like all others, each once, whoever
appends it: its first change is a `Once`.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.services.hub.cluster.members.signing import denial_message
from omnyshell.services.hub.ground.state_file import StateFile, blob, text
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import (
    AnyChange,
    EndLock,
    Once,
    PutLock,
    RemoveLock,
    RemovePrincipal,
    Transaction,
    together,
)

WHY = "revoked while the hubs' engine is away"

MOST_OF_A_HUB = 1_000
"""Denials of one hub that are held at a time."""

LONGEST = 16 * 1024
"""Bytes of one denial."""

TOO_MANY = "too many locks and revocations wait for the engine"

_LONG_AGO = datetime.fromtimestamp(0, UTC)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS held_denials (
    id         TEXT PRIMARY KEY,
    generation TEXT NOT NULL,
    hub        TEXT NOT NULL,
    body       BLOB NOT NULL,
    signature  BLOB NOT NULL
) WITHOUT ROWID;
"""
_QUERY = "SELECT id, generation, hub, body, signature FROM held_denials"

Deny = Callable[[Transaction], None]
"""Has locks hold, and what they forbid end; the tables stay as they are."""

logger = logging.getLogger("omnyshell.cluster")


class Denial(NamedTuple):
    """A transaction that does nothing but deny, signed by the hub at which it was made."""

    hub: str
    body: bytes
    signature: bytes

    @property
    def transaction(self) -> Transaction:
        """What it changes. Raises `ValueError`."""
        return Transaction.decode(self.body)


class Denials:
    """What was denied and is not in the log yet, in a table of its own, and in the locks of the hub.

    All methods raise `ConfigException` if the file cannot be used.
    """

    def __init__(self, file: StateFile, generation: str, hub: str, key: Ed25519PrivateKey) -> None:
        """The file is the hub's own, and the key signs what is denied at this hub."""
        self._file = file
        self._generation, self._hub, self._key = generation, hub, key
        self._deny: Deny = lambda _: None
        self._lift: Deny = lambda _: None
        self.on_taken: Callable[[Denial], None] = lambda _: None
        """Called with each denial that is made at this hub."""

        file.create(_SCHEMA)
        rows = file.read("the denial", _row, _QUERY)
        self._held = {id_: self._of_now(made_in, denial) for id_, made_in, denial in rows}

    def begin(self, deny: Deny, lift: Deny) -> None:
        """Have what waits hold. `lift` ends locks that `deny` made, and leaves those of the tables."""
        self._deny, self._lift = deny, lift
        self._hold_all()

    @staticmethod
    def can_be(transaction: Transaction) -> bool:
        """Whether a transaction does nothing but deny."""
        return _denies(transaction) and all(
            isinstance(change, PutLock | RemovePrincipal | Once) for change in transaction.changes
        )

    def numbered(self, transaction: Transaction) -> Transaction:
        """Return a transaction as one that counts once, if it does nothing but deny."""
        if not self.can_be(transaction) or _ids(transaction):
            return transaction
        return together(Once(secrets.token_hex(16)), *transaction.changes)

    def take(self, transaction: Transaction) -> None:
        """Have a transaction, as `numbered` made it, hold until it is in the log; it is on disk when this returns.

        Raises `OmnyShellException` where too many wait.
        """
        body = transaction.encode()
        if self._is_full(self._hub) or len(body) > LONGEST:
            raise OmnyShellException(TOO_MANY, code=ErrorCodes.CAPACITY_EXCEEDED)
        denial = self._signed(body)
        self._keep(denial)
        logger.warning("a lock or revocation holds here and at the hubs in touch, and at all when the engine is back")
        self.on_taken(denial)

    def hear(self, denial: Denial, key: Ed25519PublicKey) -> bool:
        """Have what another hub denies hold; return whether that is new. `key` is that hub's.

        Raises `ValueError` where it is not that hub's, or would do more than deny.
        """
        if len(denial.body) > LONGEST or not key.verify(denial.signature, self._message(denial.hub, denial.body)):
            raise ValueError(f"what hub '{denial.hub}' denies is not signed by it")
        transaction = denial.transaction
        if not self.can_be(transaction) or len(_ids(transaction)) != 1:
            raise ValueError(f"what hub '{denial.hub}' denies is more than a lock or revocation")
        (id_,) = _ids(transaction)
        if id_ in self._held or self._is_done(id_):
            return False
        if self._is_full(denial.hub):
            raise ValueError(f"hub '{denial.hub}' denies too much at a time")
        self._keep(denial)
        return True

    def held(self) -> list[Denial]:
        """Return what is not in the log yet."""
        return list(self._held.values())

    def is_own(self, denial: Denial) -> bool:
        """Whether it was made at this hub."""
        return denial.hub == self._hub

    def applied(self, transaction: Transaction) -> None:
        """The log has a transaction: what it denies is in the tables from now on."""
        for id_ in _ids(transaction):
            self.done(id_)
        if self._held and any(isinstance(change, PutLock | RemoveLock | EndLock) for change in transaction.changes):
            # The tables' locks have taken the place of some that hold beside them.
            self._hold_all()

    def done(self, id_: str) -> None:
        """Hold a denial no more, since the tables say it, or were told otherwise since. Idempotent."""
        denial = self._held.pop(id_, None)
        if denial is None:
            return
        locks = [change.lock for change in _as_locks(denial.transaction).changes if isinstance(change, PutLock)]
        self._lift(together(*(RemoveLock(lock.kind, lock.name, lock.id) for lock in locks)))
        self._hold_all()
        self._file.run("DELETE FROM held_denials WHERE id = ?", id_)

    def _keep(self, denial: Denial) -> None:
        (id_,) = _ids(denial.transaction)
        row = (id_, self._generation, denial.hub, denial.body, denial.signature)
        self._file.run("INSERT OR REPLACE INTO held_denials VALUES (?, ?, ?, ?, ?)", *row)
        self._held[id_] = denial
        self._deny(_as_locks(denial.transaction))

    def _hold_all(self) -> None:
        for denial in self._held.values():
            self._deny(_as_locks(denial.transaction))

    def _is_full(self, hub: str) -> bool:
        return Counter(denial.hub for denial in self._held.values())[hub] >= MOST_OF_A_HUB

    def _is_done(self, id_: str) -> bool:
        return bool(self._file.run("SELECT 1 FROM once WHERE id = ?", id_))

    def _of_now(self, generation: str, denial: Denial) -> Denial:
        """Return a denial with a signature that counts: one of an earlier generation is this hub's own from now on."""
        return denial if generation == self._generation else self._signed(denial.body)

    def _signed(self, body: bytes) -> Denial:
        return Denial(self._hub, body, self._key.sign(self._message(self._hub, body)))

    def _message(self, hub: str, body: bytes) -> bytes:
        return denial_message(self._generation, hub, body)


def apply_held(file: StateFile) -> None:
    """Have the tables say what is held beside them, where this hub's own tables are what counts from now on.

    Raises `ConfigException` if the file cannot be used.
    """
    file.create(_SCHEMA)
    with file.transaction():
        for _, _, denial in file.read("the denial", _row, _QUERY):
            with suppress(ChangeRefusedException):
                for change in denial.transaction.changes:
                    change.apply(file)
        file.run("DELETE FROM held_denials")


def what_it_denies(denial: Denial) -> str:
    """Return in words whom a denial locks out."""
    locks = (change.lock for change in _as_locks(denial.transaction).changes if isinstance(change, PutLock))
    return ", ".join(f"{lock.kind} {lock.name}" for lock in locks)


def _denies(transaction: Transaction) -> bool:
    return any(isinstance(change, PutLock | RemovePrincipal) for change in transaction.changes)


def _ids(transaction: Transaction) -> list[str]:
    return [change.id for change in transaction.changes if isinstance(change, Once)]


def _as_locks(transaction: Transaction) -> Transaction:
    return together(*_locks(transaction.changes))


def _locks(changes: Iterable[AnyChange]) -> Iterable[AnyChange]:
    for change in changes:
        if isinstance(change, RemovePrincipal):
            yield PutLock(_lock_of(change.principal))
        elif isinstance(change, PutLock):
            yield change


def _lock_of(name: str) -> LockInfo:
    return LockInfo(
        id=f"revoked-{name}", kind=LockKind.PRINCIPAL, name=name, why=WHY, created_at=_LONG_AGO, created_by="hub"
    )


def _row(id_: object, generation: object, hub: object, body: object, signature: object) -> tuple[str, str, Denial]:
    denial = Denial(text(hub), blob(body), blob(signature))
    if not Denials.can_be(denial.transaction):
        raise ValueError("it does more than deny")
    return text(id_), text(generation), denial
