"""Locks that end by themselves, with a log that takes that now, later or not."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.enrolments import owners_in_memory, put
from support.truth_logs import SlowLog

from omnyshell.errors import ConfigException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.principals import Principal, PrincipalId
from omnyshell.services.hub.access.lock_store import LockStore
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.revocation.lock_keeper import LockKeeper
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.changes import PutLock, Transaction
from omnyshell.services.hub.truth.log import SqliteLog

NAMES = ("ann", "bob", "eve", "max")


class Clock(FakeClock):
    """One whose wall clock moves too, and may leap."""

    leap = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.seconds + self.leap)


class World:
    def __init__(self) -> None:
        self.clock, file = Clock(), StateFile(None)
        self.log, self.store = SlowLog(file), LockStore(file)
        self.locks, self.audit = Locks(self.clock), AuditLog(self.clock)
        self.log.follow(self.locks.follow)
        nodes = NodeRegistry(owners_in_memory(), {}, LocalEventBus())
        self.keeper = LockKeeper(
            locks=self.locks, log=self.log, nodes=nodes, is_ending=lambda _: False, audit=self.audit
        )
        for number, name in enumerate(NAMES):
            self.lock(name, 10 if number < 3 else None)

    def lock(self, name: str, seconds: float | None) -> None:
        end = self.clock.now() + timedelta(seconds=seconds) if seconds is not None else None
        made = LockInfo(id=name, kind=LockKind.PRINCIPAL, name=name, created_at=self.clock.now(), expires_at=end)
        put(cast("Any", SimpleNamespace(append=self._at_once)), [PutLock(made)])

    def _at_once(self, transaction: Transaction) -> Answer[int]:
        return SqliteLog.append(self.log, transaction)

    def tick(self, seconds: float = 0) -> None:
        self.clock.seconds += seconds
        self.keeper.tick(self.clock.monotonic())

    def is_locked(self, name: str) -> bool:
        return self.locks.of_login(Principal(PrincipalId(name))) is not None

    @property
    def told(self) -> list[str]:
        return [record.detail for record in self.audit if record.action == "lock.ended"]


ENDED = ["principal ann", "principal bob", "principal eve"]


def test_ends_are_told_when_they_are_kept_and_hold_before() -> None:
    world = World()
    world.tick()
    assert world.log.asked == []
    world.tick(10)
    # Asked once, however long the answer takes.
    world.tick()
    assert (len(world.log.asked), world.told) == (1, [])
    assert [lock.name for lock in world.locks] == ["max"]
    world.log.answer()
    assert world.told == ENDED
    assert [lock.name for lock in world.store.locks()] == ["max"]
    world.tick()
    assert world.log.asked == []


def test_ends_that_cannot_be_kept_are_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.tick(10)
    for _ in range(3):
        world.log.asked.pop()[1].fail(ConfigException("the disk is full"))
        assert [lock.name for lock in world.locks] == ["max"]
        world.tick()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    world.log.answer()
    assert world.told == ENDED


def test_who_is_locked_anew_while_an_end_is_asked_for_stays_locked() -> None:
    world = World()
    world.tick(10)
    world.lock("ann", 100)
    world.log.answer()
    assert world.is_locked("ann")
    assert sorted(lock.name for lock in world.store.locks()) == ["ann", "max"]


@pytest.mark.parametrize("leap", [60.0, 1e9])
def test_a_clock_that_leaps_ahead_sets_nobody_free(leap: float) -> None:
    world = World()
    world.tick(4)
    world.clock.leap = leap
    world.tick(5.9)
    assert all(map(world.is_locked, NAMES))
    assert world.log.asked == []
    world.tick(0.2)
    assert [world.is_locked(name) for name in NAMES] == [False, False, False, True]


def test_a_clock_that_leaps_back_sets_nobody_free_before_the_end_that_was_said() -> None:
    world = World()
    world.clock.leap = -60
    world.tick(11)
    assert all(map(world.is_locked, NAMES))
    world.tick(60)
    assert not world.is_locked("ann")


def test_a_lock_is_held_for_what_it_had_left_when_it_was_read() -> None:
    world = World()
    again = Locks(world.clock, world.locks)
    world.clock.leap = 1e6
    world.clock.seconds += 9
    assert [lock.name for lock in again] == ["ann", "bob", "eve", "max"]
    world.clock.seconds += 2
    assert [lock.name for lock in again] == ["max"]
