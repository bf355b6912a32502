"""The log by which all changes that the hub holds true (docs/architecture.md#one-log-of-what-is-true)."""

from collections.abc import Callable
from typing import Protocol

from omnyshell.errors import OmnyShellException
from omnyshell.services.hub.ground.answer import Answer
from omnyshell.services.hub.ground.state_file import StateFile, number
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import Transaction
from omnyshell.services.hub.truth.tables import open_tables

Follower = Callable[[Transaction], Callable[[], None]]
"""Told of each transaction, in order, once it stands in the tables and before it is on disk.

It reads what it needs; where it raises `OmnyShellException`, nothing has changed. What it returns is called when all is
on disk, and must not raise.
"""


class TruthLog(Protocol):
    """An ordered log of whole transactions, which are applied to the hub's own tables."""

    @property
    def applied_seq(self) -> int:
        """The number of the last transaction that was applied; the first one is 1."""

    def append(self, transaction: Transaction) -> Answer[int]:
        """Have a transaction applied; answers with its number when that is done, and all followers have been told.

        Fails with `ChangeRefusedException` where a change of it does not fit, with `ConfigException` where it cannot
        be kept. Nothing has changed then. It always answers, soon: administrators take turns, and wait for each other.
        """

    def follow(self, follower: Follower) -> None:
        """Tell somebody of each transaction from the next one on, after those who followed before."""


class SqliteLog:
    """The log of a hub that is alone: the tables themselves, as what is on disk there is what is true.

    What was applied is not kept beside its effect. A log that several hubs share keeps it, and has each apply it here.
    """

    def __init__(self, file: StateFile) -> None:
        """Open the tables, and make those that are missing. Raises `ConfigException` where they cannot be used."""
        self._file = file
        self._followers: list[Follower] = []
        open_tables(file)
        known = file.read("the position of the log", lambda _, seq: number(seq), "SELECT log, seq FROM applied")
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

    def apply(self, seq: int, transaction: Transaction) -> None:
        """Apply what another log has under that number; what was applied before changes nothing.

        Raises `ChangeRefusedException` where a change does not fit, as on every hub: the number is taken all the same.
        `ConfigException` where it cannot be kept, and `ValueError` where one before it is missing: apply it again.
        """
        if seq <= self._applied:
            return
        if seq != self._applied + 1:
            raise ValueError(f"number {seq} of the log comes after {self._applied}")
        try:
            self._apply(seq, transaction)
        except ChangeRefusedException:
            self._apply(seq, Transaction(()))
            raise

    def follow(self, follower: Follower) -> None:
        """Tell somebody of each transaction from the next one on."""
        self._followers.append(follower)

    def _apply(self, seq: int, transaction: Transaction) -> None:
        with self._file.transaction():
            for change in transaction.changes:
                change.apply(self._file)
            self._file.run("INSERT OR REPLACE INTO applied VALUES ('', ?)", seq)
            taking = [follower(transaction) for follower in self._followers]
        self._applied = seq
        for take in taking:
            take()
