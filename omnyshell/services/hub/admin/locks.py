"""Administration of locks (extension `locks`)."""

from itertools import chain

from omnyshell.clock import Clock
from omnyshell.ids import IdFactory, short_id
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.grammars import NODE_ID, PRINCIPAL, ROLE
from omnyshell.model.principals import ADMIN_ROLE, Principal
from omnyshell.model.schema import write_timestamp
from omnyshell.protocol.messages.admin import AdminResult, LockAdd, LockRemove, LocksRequest, LocksResponse
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.admin.known import KnownPrincipals
from omnyshell.services.hub.admin.plans import (
    SHOWN,
    AdminRefusedException,
    Plan,
    Plans,
    Reads,
    check_text,
    end_after,
)
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.peers.peer import ConnectedPeers, Peer
from omnyshell.services.hub.truth.changes import PutLock, RemoveLock

_NAMES = {LockKind.PRINCIPAL: PRINCIPAL, LockKind.NODE: NODE_ID, LockKind.ROLE: ROLE}


class LockAdmin:
    """Plans each change; nothing has happened when a plan is returned."""

    def __init__(
        self,
        *,
        locks: Locks,
        known: KnownPrincipals,
        peers: ConnectedPeers,
        nodes: NodeDirectory,
        owners: NodeOwners,
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        self._locks = locks
        self._known = known
        self._peers = peers
        self._nodes = nodes
        self._owners = owners
        self._clock = clock
        self._new_id = new_id
        self.reads: Reads = {LocksRequest: self._list}
        self.plans: Plans = {LockAdd: self._add, LockRemove: self._remove}

    def _list(self, ask: LocksRequest) -> LocksResponse:
        return LocksResponse(request_id=ask.request_id, locks=tuple(self._locks))

    def _add(self, ask: LockAdd, admin: Peer) -> Plan:
        kind = _kind(ask.kind)
        if not _NAMES[kind].fits(ask.name):
            raise AdminRefusedException(f"'{ask.name[:SHOWN]}' must be {_NAMES[kind].rule}")
        if not ask.why.isprintable():
            raise AdminRefusedException("why must be one line of printable characters")
        lock = LockInfo(
            id=short_id(self._new_id()),
            kind=kind,
            name=ask.name,
            why=check_text("why", ask.why),
            created_at=self._clock.now(),
            created_by=admin.principal.id,
            expires_at=end_after(self._clock, "ttlSeconds", ask.ttl_seconds),
        )
        self._check_not_oneself(lock, admin.principal)
        self._check_not_the_last(lock)
        unknown = self._whom_it_misses(lock)

        answer = AdminResult(
            request_id=ask.request_id, ok=True, id=lock.id, expires_at=lock.expires_at, message=unknown or None
        )
        until = f" until {write_timestamp(lock.expires_at)}" if lock.expires_at is not None else ""
        fields = _fields(lock, f"{until}{f': {lock.why}' if lock.why else ''}")
        return Plan("lock.add", fields, lambda: answer, (PutLock(lock),))

    def _remove(self, ask: LockRemove, _admin: Peer) -> Plan:
        kind = _kind(ask.kind)
        lock = self._locks.find(kind, ask.name)
        if lock is None:
            raise AdminRefusedException(f"the {kind} '{ask.name[:SHOWN]}' is not locked", code="not_found")

        answer = AdminResult(request_id=ask.request_id, ok=True, id=lock.id)
        fields = _fields(lock, f", which {lock.created_by} locked")
        return Plan("lock.remove", fields, lambda: answer, (RemoveLock(kind, ask.name, lock.id),))

    def _check_not_oneself(self, lock: LockInfo, admin: Principal) -> None:
        everywhere = self._known.find(admin.id) or admin
        mine = Principal(admin.id, roles=admin.roles | everywhere.roles)
        if _would_hit(lock, mine):
            what = "that is you" if lock.kind is LockKind.PRINCIPAL else "you have that role"
            raise AdminRefusedException(f"{what}, and nobody locks themselves: have another admin do it")

    def _check_not_the_last(self, lock: LockInfo) -> None:
        """Refuse a lock that would leave no admin whose role and credential do not expire."""
        if not self._known.can_list:
            # There may be admins whom the hub cannot list.
            return
        endless = [
            found for found in self._known.admins_without_end(self._clock.now()) if self._locks.of_login(found) is None
        ]
        if endless and all(_would_hit(lock, found) for found in endless):
            text = "no admin could log in any more once your own login has ended: make another admin first"
            raise AdminRefusedException(text)

    def _is_known(self, lock: LockInfo) -> bool:
        if lock.kind is LockKind.NODE:
            return self._nodes.find(lock.name) is not None or lock.name in self._owners.owners()
        if lock.kind is LockKind.PRINCIPAL:
            return self._known.find(lock.name) is not None or bool(self._peers.of(lock.name))
        connected = (peer.principal for peer in self._peers.authenticated())
        return any(_would_hit(lock, each) for each in chain(self._known.everyone(), connected))

    def _whom_it_misses(self, lock: LockInfo) -> str:
        """Return a remark if a lock affects nobody known: it applies to later principals, or its name is mistyped."""
        if self._is_known(lock):
            return ""
        has = "nobody has the role" if lock.kind is LockKind.ROLE else f"nobody knows a {lock.kind}"
        return f"{has} '{lock.name[:SHOWN]}' at present: the lock is for when there is one"


def check_not_locked(locks: Locks, who: str, roles: frozenset[str]) -> None:
    """Refuse to give an admin a role that is locked. Raises `AdminRefusedException`.

    A principal with a locked role cannot log in, so an admin could lock out itself, or the last admin.
    """
    locked = next((role for role in sorted(roles) if locks.find(LockKind.ROLE, role) is not None), None)
    if locked is not None and ADMIN_ROLE in roles:
        text = f"the role '{locked}' is locked, and the admin '{who[:SHOWN]}' could not log in with it"
        raise AdminRefusedException(f"{text}: `omnyshell locks remove role {locked}` comes first")


def _would_hit(lock: LockInfo, principal: Principal) -> bool:
    if lock.kind is LockKind.PRINCIPAL:
        return lock.name == principal.id
    return lock.kind is LockKind.ROLE and lock.name in principal.roles


def _kind(text: str) -> LockKind:
    try:
        return LockKind(text)
    except ValueError:
        raise AdminRefusedException(f"a lock is of the kind {', '.join(LockKind)}") from None


def _fields(lock: LockInfo, more: str) -> dict[str, str]:
    node_id = lock.name if lock.kind is LockKind.NODE else ""
    return {"node_id": node_id, "detail": f"{lock.kind} {lock.name}{more}"}
