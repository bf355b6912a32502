"""Administration of locks (extension `locks`)."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from omnyshell.ids import PrincipalId, short_id
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.grammars import NODE_ID, PRINCIPAL, ROLE
from omnyshell.model.principals import ADMIN_ROLE, Principal
from omnyshell.model.schema import write_timestamp
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.admin import AdminResult, LockAdd, LockRemove, LocksRequest, LocksResponse
from omnyshell.security.authenticators import CompositeAuthenticator, can_list, principal_of, principals_of
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.admin.scope import SHOWN, AdminRefusedException, AdminScope, Plan, check_text
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.changes import PutLock, RemoveLock

_NAMES = {LockKind.PRINCIPAL: PRINCIPAL, LockKind.NODE: NODE_ID, LockKind.ROLE: ROLE}


class LockAdmin:
    """Plans each change; nothing has happened when a plan is returned."""

    def __init__(self, scope: AdminScope) -> None:
        self._scope = scope
        self.reads: Mapping[type[ControlMessage], Callable[[Any], ControlMessage]] = {LocksRequest: self._list}
        self.plans: Mapping[type[ControlMessage], Callable[[Any, Peer], Plan]] = {
            LockAdd: self._add,
            LockRemove: self._remove,
        }

    def _list(self, ask: LocksRequest) -> LocksResponse:
        return LocksResponse(request_id=ask.request_id, locks=tuple(self._scope.locks))

    def _add(self, ask: LockAdd, admin: Peer) -> Plan:
        scope, kind = self._scope, _kind(ask.kind)
        if not _NAMES[kind].fits(ask.name):
            raise AdminRefusedException(f"'{ask.name[:SHOWN]}' must be {_NAMES[kind].rule}")
        if not ask.why.isprintable():
            raise AdminRefusedException("why must be one line of printable characters")
        lock = LockInfo(
            id=short_id(scope.new_id()),
            kind=kind,
            name=ask.name,
            why=check_text("why", ask.why),
            created_at=scope.clock.now(),
            created_by=admin.principal.id,
            expires_at=scope.after("ttlSeconds", ask.ttl_seconds),
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
        lock = self._scope.locks.find(kind, ask.name)
        if lock is None:
            raise AdminRefusedException(f"the {kind} '{ask.name[:SHOWN]}' is not locked", code="not_found")

        answer = AdminResult(request_id=ask.request_id, ok=True, id=lock.id)
        fields = _fields(lock, f", which {lock.created_by} locked")
        return Plan("lock.remove", fields, lambda: answer, (RemoveLock(kind, ask.name),))

    def _check_not_oneself(self, lock: LockInfo, admin: Principal) -> None:
        everywhere = self._everywhere(admin.id) or admin
        mine = Principal(admin.id, roles=admin.roles | everywhere.roles)
        if _would_hit(lock, mine):
            what = "that is you" if lock.kind is LockKind.PRINCIPAL else "you have that role"
            raise AdminRefusedException(f"{what}, and nobody locks themselves: have another admin do it")

    def _check_not_the_last(self, lock: LockInfo) -> None:
        """Refuse where the only admins who stay able to log in would be such whose role or credentials end."""
        scope = self._scope
        if not can_list(scope.configured()):
            # Who decides about others, such as a directory, may know admins whom the hub cannot list.
            return
        lasting = [found for found in self._lasting_admins() if scope.locks.of_login(found) is None]
        if lasting and all(_would_hit(lock, found) for found in lasting):
            text = "no admin could log in any more once your own login has ended: make another admin first"
            raise AdminRefusedException(text)

    def _lasting_admins(self) -> Iterator[Principal]:
        """Yield the admins whose role and credential do not end by themselves."""
        scope, now = self._scope, self._scope.clock.now()
        yield from (found for found in principals_of(scope.configured()).values() if found.is_admin)
        for found in scope.store.lasting_admins():
            yield Principal(PrincipalId(found.principal), roles=found.roles_at(now))

    def _everywhere(self, name: str) -> Principal | None:
        """A principal with the roles of all its credentials, where the hub knows it."""
        return principal_of(CompositeAuthenticator([self._scope.configured(), self._scope.enrolled]), PrincipalId(name))

    def _is_known(self, lock: LockInfo) -> bool:
        scope = self._scope
        if lock.kind is LockKind.NODE:
            return scope.nodes.find(lock.name) is not None or lock.name in scope.owners.owners()
        if lock.kind is LockKind.PRINCIPAL:
            return self._everywhere(lock.name) is not None or bool(scope.peers.of(lock.name))
        known = (each for listed in (scope.configured(), scope.enrolled) for each in principals_of(listed).values())
        return any(_would_hit(lock, each) for each in chain(known, (peer.principal for peer in scope.logged_in())))

    def _whom_it_misses(self, lock: LockInfo) -> str:
        """Say that a lock locks nobody that is known: it holds for whoever comes, or its name is mistyped."""
        if self._is_known(lock):
            return ""
        has = "nobody has the role" if lock.kind is LockKind.ROLE else f"nobody knows a {lock.kind}"
        return f"{has} '{lock.name[:SHOWN]}' at present: the lock is for when there is one"


def check_not_locked(locks: Locks, who: str, roles: frozenset[str]) -> None:
    """Refuse to give an admin a role that is locked. Raises `AdminRefusedException`.

    Whoever has such a role cannot log in: it would be a way to lock out oneself, or the last admin.
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
