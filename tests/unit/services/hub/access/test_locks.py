"""Locks that end by themselves, on a disk that takes some of it."""

from datetime import datetime, timedelta

import pytest
from support.clock import FakeClock

from omnyshell.errors import ConfigException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.services.hub.access.lock_store import LockStore
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.ground.state_file import StateFile

NAMES = ("ann", "bob", "eve", "max")


class Clock(FakeClock):
    """One whose wall clock moves too."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.seconds)


class FullStore(LockStore):
    """One that can remove so many locks, and no more."""

    def __init__(self, room: int) -> None:
        super().__init__(StateFile(None))
        self.room = room

    def remove(self, kind: LockKind, name: str) -> bool:
        if not self.room:
            raise ConfigException("the disk is full")
        self.room -= 1
        return super().remove(kind, name)


def locks_until(clock: Clock, store: LockStore) -> Locks:
    locks, now = Locks(clock, store), clock.now()
    for number, name in enumerate(NAMES):
        end = now + timedelta(seconds=10) if number < 3 else None
        locks.add(LockInfo(id=name, kind=LockKind.PRINCIPAL, name=name, created_at=now, expires_at=end))
    return locks


@pytest.mark.parametrize("room", range(4))
def test_what_the_disk_takes_is_told_and_the_rest_comes_with_the_next_call(room: int) -> None:
    clock, store = Clock(), FullStore(room)
    locks = locks_until(clock, store)
    assert locks.take_ended() == []
    clock.seconds += 10
    told = []
    if room:
        told += locks.take_ended()
    if room < 3:
        # None can be forgotten: that is said, each time.
        for _ in range(2):
            with pytest.raises(ConfigException, match="disk is full"):
                locks.take_ended()
    assert len(told) == room
    # Whatever is forgotten, none of them holds; the one without an end does.
    assert [lock.name for lock in locks] == ["max"]
    assert len(store.locks()) == 4 - room
    store.room = 9
    told += locks.take_ended()
    assert sorted(lock.name for lock in told) == ["ann", "bob", "eve"]
    assert locks.take_ended() == []
    assert [lock.name for lock in store.locks()] == ["max"]
