"""What is locked: principals, nodes and roles. Nothing that is granted, edited or restarted undoes a lock."""

from collections.abc import Iterator

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.principals import Principal
from omnyshell.services.hub.access.lock_store import LockStore


class Locks:
    """The locks of a hub, decided by in memory; one that has an end holds until then, whoever notices.

    With a store each change is on disk before it counts; without one, locks end with the process.
    """

    def __init__(self, clock: Clock, store: LockStore | None = None) -> None:
        """Raises `ConfigException` where the store cannot be read."""
        self._clock = clock
        self._store = store
        self._held = {(lock.kind, lock.name): lock for lock in (store.locks() if store is not None else ())}

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

    def add(self, lock: LockInfo) -> None:
        """Lock, in place of a lock of the same name. Raises `ConfigException` where it cannot be kept."""
        if self._store is not None:
            self._store.put(lock)
        self._held[lock.kind, lock.name] = lock

    def remove(self, lock: LockInfo) -> None:
        """Unlock. Raises `ConfigException` where that cannot be kept."""
        if self._store is not None:
            self._store.remove(lock.kind, lock.name)
        self._held.pop((lock.kind, lock.name), None)

    def take_ended(self) -> list[LockInfo]:
        """Forget the locks whose time is up; returns those that are forgotten, the rest comes with the next call.

        Raises as `remove` does where none could be forgotten; they do not hold all the same.
        """
        ended: list[LockInfo] = []
        for lock in [lock for lock in self._held.values() if not self._holds(lock)]:
            try:
                self.remove(lock)
            except ConfigException:
                if not ended:
                    raise
                break
            ended.append(lock)
        return ended

    def _holds(self, lock: LockInfo) -> bool:
        return lock.expires_at is None or self._clock.now() < lock.expires_at


def told(lock: LockInfo) -> str:
    """Return a lock as a clause for people: what, by whom, and why."""
    what = "the node" if lock.kind is LockKind.NODE else f"the {lock.kind} {lock.name}"
    return f"{what} is locked by {lock.created_by}" + (f": {lock.why}" if lock.why else "")
