"""Locks of principals, nodes and roles. No grant, edit or restart undoes a lock."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from omnyshell.clock import Clock
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.principals import Principal
from omnyshell.services.hub.truth.changes import EndLock, PutLock, RemoveLock, Transaction


class Locks:
    """The locks of a hub, in memory. An expired lock has no effect, even before it is removed.

    They are updated by the log. A lock has expired where the time of day says so, and as much time has passed as it had
    left when it was learnt of: a clock that leaps ahead sets nobody free.
    """

    def __init__(self, clock: Clock, held: Iterable[LockInfo] = ()) -> None:
        self._clock = clock
        self._held: dict[tuple[LockKind, str], LockInfo] = {}
        self._at_least: dict[tuple[LockKind, str], float] = {}
        """Until when each that has an end holds at least, on the monotonic clock."""

        self.begin(held)

    def begin(self, held: Iterable[LockInfo]) -> None:
        """Start with these stored locks."""
        for lock in held:
            self._put(lock)

    def __iter__(self) -> Iterator[LockInfo]:
        """Yield the locks in force, sorted by kind and name."""
        return filter(self._holds, [lock for _, lock in sorted(self._held.items())])

    def find(self, kind: LockKind, name: str) -> LockInfo | None:
        """Return the lock of that kind and name, if it is in force."""
        lock = self._held.get((kind, name))
        return lock if lock is not None and self._holds(lock) else None

    def of_node(self, node_id: str) -> LockInfo | None:
        """Return the lock of a node, or None."""
        return self.find(LockKind.NODE, node_id) if self._held else None

    def of_nodes(self) -> dict[str, LockInfo]:
        """Return the locks of nodes, by node id."""
        return {lock.name: lock for lock in self if lock.kind is LockKind.NODE}

    def of_login(self, principal: Principal) -> LockInfo | None:
        """Return the lock of a login's principal, or of one of its roles, or None."""
        if not self._held:
            return None
        names = [(LockKind.PRINCIPAL, str(principal.id)), *((LockKind.ROLE, role) for role in principal.roles)]
        return next(filter(None, (self.find(kind, name) for kind, name in names)), None)

    def ended(self) -> list[LockInfo]:
        """Return the expired locks that are not removed yet."""
        return [lock for lock in self._held.values() if not self._holds(lock)]

    def follow(self, transaction: Transaction) -> Callable[[], None]:
        """See `Follower`."""
        return partial(self._take, transaction)

    def _take(self, transaction: Transaction) -> None:
        for change in transaction.changes:
            if isinstance(change, PutLock):
                self._put(change.lock)
            elif isinstance(change, RemoveLock):
                self._drop(change.kind, change.name)
            elif isinstance(change, EndLock):
                lock = self._held.get((change.kind, change.name))
                if lock is not None and lock.expires_at == change.ends_at:
                    self._drop(change.kind, change.name)

    def _put(self, lock: LockInfo) -> None:
        key = lock.kind, lock.name
        self._drop(*key)
        self._held[key] = lock
        if lock.expires_at is not None:
            left = (lock.expires_at - self._clock.now()).total_seconds()
            self._at_least[key] = self._clock.monotonic() + left

    def judge_anew(self) -> None:
        """Judge all ends by the clock as it is now, which was wrong before."""
        for lock in tuple(self._held.values()):
            self._put(lock)

    def _drop(self, kind: LockKind, name: str) -> None:
        self._held.pop((kind, name), None)
        self._at_least.pop((kind, name), None)

    def _holds(self, lock: LockInfo) -> bool:
        if lock.expires_at is None or self._clock.now() < lock.expires_at:
            return True
        return self._clock.monotonic() < self._at_least.get((lock.kind, lock.name), 0.0)


def told(lock: LockInfo) -> str:
    """Return a lock as a clause: what is locked, by whom, and why."""
    what = "the node" if lock.kind is LockKind.NODE else f"the {lock.kind} {lock.name}"
    return f"{what} is locked by {lock.created_by}" + (f": {lock.why}" if lock.why else "")
