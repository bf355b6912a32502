"""Applies changes in the log to live connections, sessions and tunnels, whoever made them."""

from collections.abc import Callable
from functools import partial

from omnyshell.model.admin import LockKind
from omnyshell.services.hub.ground.event_bus import EventBus, NodeEvent, RightsEvent
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.truth.changes import (
    AnyChange,
    EndLock,
    PutLock,
    ReleaseNode,
    RemoveLock,
    SetLabels,
    Transaction,
)


class Consequences:
    """Follows the log, after all followers that keep its contents in memory."""

    def __init__(
        self,
        eviction: Eviction,
        set_ceiling: Callable[[str, dict[str, str]], None],
        release: Callable[[str], None],
        bus: EventBus,
    ) -> None:
        """`set_ceiling` applies the labels that admins set for a node id, `release` sends away who has a free id."""
        self._eviction = eviction
        self._release = release
        self._set_ceiling = set_ceiling
        self._bus = bus

    def follow(self, transaction: Transaction) -> Callable[[], None]:
        """See `Follower`."""
        return partial(self._take, transaction)

    def _take(self, transaction: Transaction) -> None:
        for change in transaction.changes:
            self._take_one(change)
        for name in transaction.whose:
            self._eviction.enforce_for(name)
        # Last, since a node whose principal was removed with its id has been told so by then.
        for change in transaction.changes:
            if isinstance(change, ReleaseNode):
                self._release(change.node_id)
                self._eviction.node_released(change.node_id)

    def _take_one(self, change: AnyChange) -> None:
        if isinstance(change, SetLabels):
            self._set_ceiling(change.node_id, change.labels)
            self._eviction.enforce_at(change.node_id)
        elif isinstance(change, ReleaseNode):
            self._bus.publish(NodeEvent(change.node_id))
        elif isinstance(change, PutLock):
            self._locked(change.lock.kind, change.lock.name)
        elif isinstance(change, RemoveLock):
            self._locked(change.kind, change.name)
        elif isinstance(change, EndLock):
            self._tell(change.kind, change.name)

    def _locked(self, kind: LockKind, name: str) -> None:
        self._tell(kind, name)
        if kind is LockKind.PRINCIPAL:
            self._eviction.enforce_for(name)
        elif kind is LockKind.NODE:
            self._eviction.enforce_at(name)
        else:
            self._eviction.enforce()

    def _tell(self, kind: LockKind, name: str) -> None:
        """Publish that a lock was added or removed."""
        if kind is LockKind.NODE:
            self._bus.publish(NodeEvent(name))
        else:
            self._bus.publish(RightsEvent(name if kind is LockKind.PRINCIPAL else None))
