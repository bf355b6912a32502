"""What is locked: principals, nodes and roles. Nothing that is granted, edited or restarted undoes a lock."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from omnyshell.clock import Clock
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.principals import Principal
from omnyshell.services.hub.truth.changes import EndLock, PutLock, RemoveLock, Transaction


class Locks:
    """The locks of a hub, decided by in memory; one that has an end holds until then, whoever notices.

    They follow the log; without one, they stay as they are.
    """

    def __init__(self, clock: Clock, held: Iterable[LockInfo] = ()) -> None:
        self._clock = clock
        self._held: dict[tuple[LockKind, str], LockInfo] = {}
        self.begin(held)

    def begin(self, held: Iterable[LockInfo]) -> None:
        """Hold these, as they were kept."""
        self._held |= {(lock.kind, lock.name): lock for lock in held}

    def __iter__(self) -> Iterator[LockInfo]:
        """Yield the locks that hold, by kind and name."""
        return filter(self._holds, [lock for _, lock in sorted(self._held.items())])

    def find(self, kind: LockKind, name: str) -> LockInfo | None:
        """Return the lock of that name, where it holds."""
        lock = self._held.get((kind, name))
        return lock if lock is not None and self._holds(lock) else None

    def of_node(self, node_id: str) -> LockInfo | None:
        """Return what locks a node."""
        return self.find(LockKind.NODE, node_id) if self._held else None

    def of_nodes(self) -> dict[str, LockInfo]:
        """Return the locks of nodes, by node id."""
        return {lock.name: lock for lock in self if lock.kind is LockKind.NODE}

    def of_login(self, principal: Principal) -> LockInfo | None:
        """Return what locks a login: its principal, or one of the roles that it has."""
        if not self._held:
            return None
        names = [(LockKind.PRINCIPAL, str(principal.id)), *((LockKind.ROLE, role) for role in principal.roles)]
        return next(filter(None, (self.find(kind, name) for kind, name in names)), None)

    def ended(self) -> list[LockInfo]:
        """Return the locks whose time is up and that are not forgotten; they do not hold."""
        return [lock for lock in self._held.values() if not self._holds(lock)]

    def follow(self, transaction: Transaction) -> Callable[[], None]:
        """See `Follower`."""
        return partial(self._take, transaction)

    def _take(self, transaction: Transaction) -> None:
        for change in transaction.changes:
            if isinstance(change, PutLock):
                self._held[change.lock.kind, change.lock.name] = change.lock
            elif isinstance(change, RemoveLock):
                self._held.pop((change.kind, change.name), None)
            elif isinstance(change, EndLock):
                lock = self._held.get((change.kind, change.name))
                if lock is not None and lock.expires_at == change.ends_at:
                    del self._held[change.kind, change.name]

    def _holds(self, lock: LockInfo) -> bool:
        return lock.expires_at is None or self._clock.now() < lock.expires_at


def told(lock: LockInfo) -> str:
    """Return a lock as a clause for people: what, by whom, and why."""
    what = "the node" if lock.kind is LockKind.NODE else f"the {lock.kind} {lock.name}"
    return f"{what} is locked by {lock.created_by}" + (f": {lock.why}" if lock.why else "")
