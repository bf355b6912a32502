"""The records that a hub keeps across restarts."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.services.hub.access.lock_store import LockStore
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.evidence_seal import EvidenceSeal
from omnyshell.services.hub.ground.late_writes import LateWriter
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.ground.state_names import SESSIONS_KEY_FILE
from omnyshell.services.hub.ground.store import HubStore
from omnyshell.services.hub.nodes.earlier_shell_owners import EarlierShellOwners
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.nodes.takeovers import Takeovers
from omnyshell.services.hub.peers.addresses import KnownAddresses
from omnyshell.services.hub.peers.key_counters import KeyCounters
from omnyshell.services.hub.peers.proofs import BoundKeys
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.kept_store import KeptStore
from omnyshell.services.hub.truth.changes import ReleaseNode, Transaction
from omnyshell.services.hub.truth.log import SqliteLog, TruthLog, check_alone
from omnyshell.services.hub.tunnels.kept_store import TunnelStore


class HubRecords:
    """The records in a state directory; without one, they are in memory.

    The caller holds the directory's `StateLock`. Call `tick` regularly, and `aclose` at the end.
    """

    def __init__(self, directory: Path | None, make_log: Callable[[StateFile], TruthLog] | None = None) -> None:
        """Open them; `make_log` makes the log of a hub that is one of several.

        Raises `ConfigException` if they cannot be used; nothing is left open then.
        """
        self._closing = ExitStack()
        self._store: HubStore | None = None
        self._kept: KeptStore | None = None
        self.tunnels: TunnelStore | None = None
        """The tunnels that come back with the hub; None where nothing is on disk."""

        self._writer: LateWriter | None = None
        try:
            self._open(directory, make_log)
        except BaseException:
            self._closing.close()
            raise

    def _open(self, directory: Path | None, make_log: Callable[[StateFile], TruthLog] | None) -> None:
        file = StateFile(directory / STATE_FILE if directory is not None else None)
        self._closing.callback(file.close)
        # What is missing is created at once: to sync each table alone takes a disk a tenth of a second.
        with file.transaction():
            self._fill(file, make_log)
        if self._store is not None and self._kept is not None and self.tunnels is not None and file.path is not None:
            self._writer = LateWriter(file.path, [*self._store.late_tables, self._kept.table, self.tunnels.late])
            file.serve_loop()

    def _fill(self, file: StateFile, make_log: Callable[[StateFile], TruthLog] | None) -> None:
        if make_log is None:
            check_alone(file)
        self.log: TruthLog = make_log(file) if make_log is not None else SqliteLog(file)
        self.enrolments = EnrolmentStore(file)
        self.locks = LockStore(file)
        # A log of several hubs joins by itself what waits for the engine.
        self.owners = NodeOwners(file, self.log, _when_turn_is_over if make_log is None else None)
        if file.path is not None:
            self._store = HubStore(file)
            self.log.follow(partial(_forget_holders, self._store))
            seal = EvidenceSeal.load(file.path.with_name(SESSIONS_KEY_FILE))
            self._kept = KeptStore(file, seal)
            self.tunnels = TunnelStore(file, seal)

    def tick(self) -> None:
        """Begin to write pending changes."""
        if self._writer is not None:
            self._writer.tick()

    async def aclose(self) -> None:
        """Write pending changes, and close everything. Idempotent."""
        with self._closing:
            if self._writer is not None:
                await self._writer.aclose()
                self._writer = None

    @property
    def own(self) -> HubStore:
        """The tables of what this hub has learned for itself. Raises `RuntimeError` where nothing is on disk."""
        if self._store is None:
            raise RuntimeError("there is no state directory")
        return self._store

    # Objects that are loaded from the records once, and write their changes to them.

    def takeovers(self, clock: Clock) -> Takeovers:
        """Return the first holders of node ids."""
        store = self._store
        return Takeovers(clock, store.holders, store.first_holders()) if store is not None else Takeovers(clock)

    def known_addresses(self, clock: Clock) -> KnownAddresses:
        """Return the addresses of successful logins."""
        store = self._store
        if store is None:
            return KnownAddresses(clock)
        return KnownAddresses(clock, store.addresses, store.known_addresses())

    def bound_keys(self) -> BoundKeys:
        """Return the keys that have given bound proofs."""
        store = self._store
        return BoundKeys(store.keys, store.bound_keys()) if store is not None else BoundKeys()

    def key_counters(self) -> KeyCounters:
        """Return the last counters of hardware tokens."""
        store = self._store
        return KeyCounters(store.counters, store.key_counters()) if store is not None else KeyCounters()

    def earlier_shell_owners(self) -> EarlierShellOwners:
        """Return the records of hubs before 0.2 about shells on nodes."""
        return EarlierShellOwners(self._store)

    def kept_sessions(self, clock: Clock) -> KeptSessions:
        """Return the sessions that nodes may have kept."""
        kept = self._kept
        return KeptSessions(clock, kept.table, kept.sessions()) if kept is not None else KeptSessions(clock)


def _forget_holders(store: HubStore, transaction: Transaction) -> Callable[[], None]:
    """Forget the first holder of a released id, and what it has proved."""
    released = [change.node_id for change in transaction.changes if isinstance(change, ReleaseNode)]

    def forget() -> None:
        for node_id in released:
            store.holders.remove(node_id)
            store.proven_nodes.remove(node_id)

    return forget


def _when_turn_is_over(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(call)
