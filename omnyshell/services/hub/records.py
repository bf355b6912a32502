"""What a hub keeps over its end: opened together, written together, closed together."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.services.hub.access.lock_store import LockStore
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.late_writes import LateWriter
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.ground.store import HubStore
from omnyshell.services.hub.nodes.guests import Guests
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.nodes.takeovers import Takeovers
from omnyshell.services.hub.peers.addresses import KnownAddresses
from omnyshell.services.hub.peers.proofs import BoundKeys
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.kept_store import KeptStore
from omnyshell.services.hub.truth.changes import ReleaseNode, Transaction
from omnyshell.services.hub.truth.log import SqliteLog, TruthLog


class HubRecords:
    """The records in a state directory; without one, all ends with the process.

    No other hub may use the directory meanwhile (`StateLock`). Call `tick` now and then, and `aclose` at the end.
    """

    def __init__(self, directory: Path | None) -> None:
        """Open them. Raises `ConfigException` where they cannot be used; nothing is left open then."""
        self._closing = ExitStack()
        self._store: HubStore | None = None
        self._kept: KeptStore | None = None
        self._writer: LateWriter | None = None
        try:
            self._open(directory)
        except BaseException:
            self._closing.close()
            raise

    def _open(self, directory: Path | None) -> None:
        file = StateFile(directory / STATE_FILE if directory is not None else None)
        self._closing.callback(file.close)
        self.log: TruthLog = SqliteLog(file)
        self.enrolments = EnrolmentStore(file)
        self.locks = LockStore(file)
        self.owners = NodeOwners(file, self.log)
        if file.path is not None:
            self._store = HubStore(file)
            self.log.follow(partial(_forget_holders, self._store))
            self._kept = KeptStore(file)
            self._writer = LateWriter(file.path, [*self._store.late_tables, self._kept.table])

    def tick(self) -> None:
        """Have written what is not yet."""
        if self._writer is not None:
            self._writer.tick()

    async def aclose(self) -> None:
        """Write what is not yet, and close everything. Idempotent."""
        with self._closing:
            if self._writer is not None:
                await self._writer.aclose()
                self._writer = None

    # What is read from them, once, and kept in them.

    def takeovers(self, clock: Clock) -> Takeovers:
        """Return who had which node id first."""
        store = self._store
        return Takeovers(clock, store.holders, store.first_holders()) if store is not None else Takeovers(clock)

    def known_addresses(self, clock: Clock) -> KnownAddresses:
        """Return from where there were good logins."""
        store = self._store
        if store is None:
            return KnownAddresses(clock)
        return KnownAddresses(clock, store.addresses, store.known_addresses())

    def bound_keys(self) -> BoundKeys:
        """Return the keys that have made bound proofs."""
        store = self._store
        return BoundKeys(store.keys, store.bound_keys()) if store is not None else BoundKeys()

    def guests(self) -> Guests:
        """Return who had shells where, as hubs before 0.2 noted it."""
        return Guests(self._store)

    def kept_sessions(self, clock: Clock) -> KeptSessions:
        """Return the sessions that may go on in nodes."""
        kept = self._kept
        return KeptSessions(clock, kept.table, kept.sessions()) if kept is not None else KeptSessions(clock)


def _forget_holders(store: HubStore, transaction: Transaction) -> Callable[[], None]:
    """Whoever gets an id that was given free is the first to have it."""
    released = [change.node_id for change in transaction.changes if isinstance(change, ReleaseNode)]

    def forget() -> None:
        for node_id in released:
            store.holders.remove(node_id)

    return forget
