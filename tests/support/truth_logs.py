"""Logs of what hubs hold true: the one of a hub that is alone, and one that several share, in memory."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from omnyshell.errors import OmnyShellException
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.change import FIRST_LEVEL
from omnyshell.services.hub.truth.changes import AnyChange, Transaction
from omnyshell.services.hub.truth.log import Follower, SqliteLog
from omnyshell.services.hub.truth.member_changes import MemberKnows

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)
NAMES = ("ann", "bob", "eve")
"""Of everything that has a name: so that changes meet."""


class SharedOrder:
    """What orders the transactions of several hubs; each applies them when they are delivered to it."""

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, Answer[int], SharedLog]] = []


class SharedLog:
    """A hub's end of a shared order: a second implementation of `TruthLog`."""

    def __init__(self, order: SharedOrder, file: StateFile) -> None:
        self._order = order
        self._own = SqliteLog(file)

    @property
    def applied_seq(self) -> int:
        return self._own.applied_seq

    def append(self, transaction: Transaction) -> Answer[int]:
        answer = Answer[int]()
        self._order.entries.append((transaction.encode(), answer, self))
        return answer

    def follow(self, follower: Follower) -> None:
        self._own.follow(follower)

    def deliver(self, most: int | None = None) -> None:
        """Apply what is new, of which the hub has got so much."""
        seq = self.applied_seq
        for raw, answer, maker in self._order.entries[seq:][:most]:
            seq += 1
            try:
                self._own.apply(seq, Transaction.decode(raw))
            except OmnyShellException as exc:
                problem: OmnyShellException | None = exc
            else:
                problem = None
            if maker is self and problem is not None:
                answer.fail(problem)
            elif maker is self:
                answer.give(seq)


class SlowLog(SqliteLog):
    """One that is told when to answer, and how."""

    def __init__(self, file: StateFile) -> None:
        super().__init__(file)
        self.asked: list[tuple[Transaction, Answer[int]]] = []

    def append(self, transaction: Transaction) -> Answer[int]:
        self.asked.append((transaction, Answer()))
        return self.asked[-1][1]

    def answer(self) -> None:
        """Answer what was asked first."""
        transaction, answer = self.asked.pop(0)
        try:
            self.apply(self.applied_seq + 1, transaction)
        except OmnyShellException as exc:
            answer.fail(exc)
        else:
            answer.give(self.applied_seq)


class LateLog(SqliteLog):
    """One that answers a moment later, as one has to that asks others."""

    def append(self, transaction: Transaction) -> Answer[int]:
        answer = Answer[int]()
        asyncio.get_running_loop().call_later(0.02, self._answer, transaction, answer)
        return answer

    def _answer(self, transaction: Transaction, answer: Answer[int]) -> None:
        made = super().append(transaction)
        made.then(answer.give, answer.fail)


class Made:
    """Makes values of any declared type, from few names and times."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._simple: dict[Any, Callable[[], object]] = {
            str: lambda: self._rng.choice(NAMES),
            # As long as a key.
            bytes: lambda: self._rng.choice(NAMES).encode().ljust(32),
            bool: lambda: self._rng.random() < 0.5,
            int: lambda: self._rng.randint(0, 2),
            datetime: lambda: BEGIN + timedelta(microseconds=self._rng.choice([0, 1_000, 5_000_001])),
            NoneType: lambda: None,
        }

    def transaction(self) -> Transaction:
        """Return some changes, mostly one."""
        many = self._rng.choice([1, 1, 1, 2, 4])
        return Transaction(tuple(self.value(self._rng.choice(get_args(AnyChange))) for _ in range(many)))

    def value(self, wanted: Any) -> Any:
        """Return one of that type."""
        origin, args = get_origin(wanted), get_args(wanted)
        if wanted in self._simple:
            return self._simple[wanted]()
        if origin is UnionType:
            return self.value(self._rng.choice(args))
        if origin is frozenset:
            return frozenset(self.value(args[0]) for _ in range(self._rng.randint(0, 2)))
        if origin is dict:
            return {self.value(args[0]): self.value(args[1]) for _ in range(self._rng.randint(0, 2))}
        if issubclass(wanted, Enum):
            return self._rng.choice(list(wanted))
        names = [field.name for field in fields(wanted)] if is_dataclass(wanted) else wanted.__struct_fields__
        assert is_dataclass(wanted) or issubclass(wanted, msgspec.Struct)
        hints = get_type_hints(wanted)
        made = {name: self.value(hints[name]) for name in names}
        if wanted is MemberKnows:
            made["level"] += FIRST_LEVEL
        return wanted(**made)
