"""Enforces locks of nodes, which keep reconnecting, and audits locks that have expired."""

import logging
from collections.abc import Callable

from omnyshell.errors import OmnyShellException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.protocol.handshake import CLOSE_TRY_AGAIN_LATER
from omnyshell.services.hub.access.locks import Locks, told
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.changes import EndLock, together
from omnyshell.services.hub.truth.log import TruthLog

LOCKED = "the node is locked"

TIME_TO_END = 0.5
LONGEST_TO_END = 5.0
"""Seconds after which a locked node is disconnected: the second value while sessions on it still have to be ended."""

logger = logging.getLogger("omnyshell.hub")


class LockKeeper:
    """Disconnects locked nodes.

    Locks of logins are enforced elsewhere: the login gate checks every login against them.
    """

    def __init__(
        self,
        *,
        locks: Locks,
        log: TruthLog,
        nodes: NodeRegistry,
        is_ending: Callable[[str], bool],
        audit: AuditLog,
    ) -> None:
        """`is_ending` tells whether a node still has to be asked to end sessions."""
        self._locks = locks
        self._log = log
        self._nodes = nodes
        self._is_ending = is_ending
        self._audit = audit
        self._locked_since: dict[Peer, float] = {}
        self._is_ending_locks = self._could_not_tell = False

    def turns_away(self, peer: Peer, node_id: str) -> bool:
        """Disconnect a node that asks for a locked id; return whether it was locked."""
        lock = self._locks.of_node(node_id.strip())
        if lock is not None:
            self._refuse(peer, lock)
        return lock is not None

    def tick(self, now: float) -> None:
        """Disconnect locked nodes, and audit expired locks; `now` is on the monotonic clock."""
        self._end_locks()
        before, self._locked_since = self._locked_since, {}
        for node in filter(None, map(self._nodes.find, self._locks.of_nodes())):
            since = self._locked_since[node.peer] = before.get(node.peer, now)
            is_over = now - since >= (LONGEST_TO_END if self._is_ending(node.node_id) else TIME_TO_END)
            if is_over:
                logger.warning("node %s is sent away: it is locked", node.node_id)
                node.peer.send_away(CLOSE_TRY_AGAIN_LATER, LOCKED)

    def _refuse(self, peer: Peer, lock: LockInfo) -> None:
        self._audit.record(
            "node.rejected",
            "denied",
            principal=peer.principal.id,
            address=peer.address,
            node_id=lock.name[:LONGEST_NAME],
            reason=told(lock),
        )
        peer.send_away(CLOSE_TRY_AGAIN_LATER, LOCKED)

    def _end_locks(self) -> None:
        """Remove expired locks; they have no effect any more, even if that cannot be stored."""
        ended = self._locks.ended()
        if ended and not self._is_ending_locks:
            self._is_ending_locks = True
            ends = [EndLock(lock.kind, lock.name, lock.expires_at) for lock in ended if lock.expires_at is not None]
            self._log.append(together(*ends)).then(lambda _: self._tell_ends(ended), self._cannot_tell)

    def _tell_ends(self, ended: list[LockInfo]) -> None:
        self._is_ending_locks = self._could_not_tell = False
        for lock in ended:
            logger.info("the lock of %s %s has ended", lock.kind, lock.name)
            node_id = lock.name if lock.kind is LockKind.NODE else ""
            self._audit.record("lock.ended", node_id=node_id, detail=f"{lock.kind} {lock.name}")

    def _cannot_tell(self, problem: OmnyShellException) -> None:
        # They have no effect any more, and are audited as soon as the log takes the change.
        self._is_ending_locks = False
        logger.log(logging.DEBUG if self._could_not_tell else logging.ERROR, "ends of locks: %s", problem)
        self._could_not_tell = True
