"""The log through which all of the hub's durable facts change (docs/architecture.md#one-log-of-what-is-true)."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.services.hub.ground.state_file import StateFile, number
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import Transaction
from omnyshell.services.hub.truth.tables import open_tables

Follower = Callable[[Transaction], Callable[[], None]]
"""Called with each transaction, in order, after it was applied to the tables and before it is on disk.

It may read the tables; if it raises `OmnyShellException`, the transaction is rolled back. The function that it returns
is called once all is on disk, and must not raise.
"""


class TruthLog(Protocol):
    """An ordered log of whole transactions, which are applied to the hub's own tables."""

    @property
    def applied_seq(self) -> int:
        """The number of the last transaction that was applied; the first one is 1."""

    def append(self, transaction: Transaction) -> Answer[int]:
        """Apply a transaction; the answer is its number, and comes when it is applied and all followers were called.

        Fails with `ChangeRefusedException` if a change does not fit, with `ConfigException` if it cannot be stored.
        Nothing has changed then. It always answers, soon: administrators take turns, and wait for each other.
        """

    def follow(self, follower: Follower) -> None:
        """Call `follower` for each transaction from the next one on, after earlier followers."""


def check_alone(file: StateFile) -> None:
    """Check that what a file holds is one hub's alone. Raises `ConfigException` if it is shared with others."""
    if file.run("SELECT 1 FROM sqlite_master WHERE name = 'shared_log'"):
        problem = "what this hub holds true is shared with other hubs"
        raise ConfigException(f"{problem}: only the running hub changes it, and `omnyshell cluster leave` ends that")


def become_alone(file: StateFile) -> None:
    """Have what a file holds be one hub's alone from now on, once what it knows of the shared log is gone too.

    Raises `ConfigException` if it cannot be used.
    """
    open_tables(file)
    with file.transaction():
        file.run("DELETE FROM members")
        file.run("DELETE FROM member_levels")
        file.run("DELETE FROM applied")


def set_position(file: StateFile, name: str, seq: int) -> None:
    """Have the tables be what that log has made of them up to `seq`; call it in the transaction that changes them.

    Raises `ConfigException` if the file cannot be used.
    """
    file.run("DELETE FROM applied")
    file.run("INSERT INTO applied VALUES (?, ?)", name, seq)


class SqliteLog:
    """The log of a single hub, which keeps nothing but the tables.

    Applied transactions are not stored. A log that several hubs share would store them, and have each hub `apply` them
    here.
    """

    def __init__(self, file: StateFile, name: str = "") -> None:
        """Open the tables, and create missing ones. `name` says whose numbers are counted; "" for those of a hub alone.

        Raises `ConfigException` if they cannot be used.
        """
        self._file = file
        self._name = name
        self._followers: list[Follower] = []
        open_tables(file)
        query = "SELECT log, seq FROM applied WHERE log = ?"
        known = file.read("the position of the log", lambda _, seq: number(seq), query, name)
        self._applied = max(known, default=0)

    @property
    def applied_seq(self) -> int:
        """The number of the last transaction that was applied."""
        return self._applied

    def append(self, transaction: Transaction) -> Answer[int]:
        """Apply a transaction as the next one; it is on disk when this returns. Answers at once."""
        answer = Answer[int]()
        try:
            self._apply(self._applied + 1, transaction)
        except OmnyShellException as exc:
            answer.fail(exc)
        else:
            answer.give(self._applied)
        return answer

    def apply(self, seq: int, transaction: Transaction, note: Callable[[], None] = lambda: None) -> None:
        """Apply a transaction that another log has under that number; one that was applied before has no effect.

        `note` is called in the transaction of the file, to write what belongs to the number.

        Raises `ChangeRefusedException` if a change does not fit, as it then does on every hub: the number counts as
        applied. Raises `ConfigException` if it cannot be stored, and `ValueError` if an earlier one is missing: apply
        it again later.
        """
        if seq <= self._applied:
            return
        if seq != self._applied + 1:
            raise ValueError(f"number {seq} of the log comes after {self._applied}")
        try:
            self._apply(seq, transaction, note)
        except ChangeRefusedException:
            self._apply(seq, Transaction(()), note)
            raise

    def check(self, transaction: Transaction) -> None:
        """Raise what applying a transaction would, and change nothing."""
        with suppress(_Undone), self._file.transaction():
            for change in transaction.changes:
                change.apply(self._file)
            raise _Undone

    def follow(self, follower: Follower) -> None:
        """Call `follower` for each transaction from the next one on."""
        self._followers.append(follower)

    def _apply(self, seq: int, transaction: Transaction, note: Callable[[], None] = lambda: None) -> None:
        with self._file.transaction():
            for change in transaction.changes:
                change.apply(self._file)
            self._file.run("INSERT OR REPLACE INTO applied VALUES (?, ?)", self._name, seq)
            note()
            taking = [follower(transaction) for follower in self._followers]
        self._applied = seq
        for take in taking:
            take()


class _Undone(Exception):
    """Has a transaction of the file rolled back."""
