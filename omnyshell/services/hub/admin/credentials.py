"""Administration of principals, tokens and keys (extension `admin`)."""

from datetime import datetime, timedelta

from omnyshell.clock import Clock
from omnyshell.errors import AuthException
from omnyshell.ids import IdFactory, new_typed_token, short_id
from omnyshell.model.admin import CredentialInfo, CredentialKind, PrincipalInfo, TimedRole
from omnyshell.model.schema import write_timestamp
from omnyshell.protocol.messages.admin import (
    AdminResult,
    CredentialRevoke,
    KeyAdd,
    PrincipalAdd,
    PrincipalRevoke,
    PrincipalRoles,
    PrincipalsRequest,
    PrincipalsResponse,
    TokenAdd,
    TokenAdded,
    TokenRotate,
)
from omnyshell.security.authenticators import hash_token
from omnyshell.security.public_keys import PublicKey, SecurityKey, fingerprint, kept, read_kept, read_sent
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.admin.known import KnownPrincipals
from omnyshell.services.hub.admin.locks import check_not_locked
from omnyshell.services.hub.admin.plans import (
    AdminRefusedException,
    Plan,
    Plans,
    Reads,
    check_roles,
    check_seconds,
    check_text,
    end_after,
    with_roles,
)
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.changes import (
    AddCredential,
    AddPrincipal,
    AnyChange,
    EndCredential,
    RemoveCredential,
    RemovePrincipal,
    SetPrincipal,
)
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal


class CredentialAdmin:
    """Plans each change; nothing has happened when a plan is returned."""

    def __init__(
        self, *, known: KnownPrincipals, store: EnrolmentStore, locks: Locks, clock: Clock, new_id: IdFactory
    ) -> None:
        self._known = known
        self._store = store
        self._locks = locks
        self._clock = clock
        self._new_id = new_id
        self.reads: Reads = {PrincipalsRequest: self._list}
        self.plans: Plans = {
            PrincipalAdd: self._add_principal,
            PrincipalRoles: self._set_roles,
            PrincipalRevoke: self._revoke_principal,
            TokenAdd: self._add_token,
            TokenRotate: self._rotate_token,
            KeyAdd: self._add_key,
            CredentialRevoke: self._revoke_credential,
        }

    def _list(self, ask: PrincipalsRequest) -> PrincipalsResponse:
        now = self._clock.now()
        credentials: dict[str, list[CredentialInfo]] = {}
        for found in self._credentials():
            credentials.setdefault(found.principal, []).append(_describe(found))
        enrolled = [
            PrincipalInfo(
                principal=found.principal,
                display_name=found.display_name,
                roles=tuple(sorted(found.roles_at(now))),
                timed_roles=_timed(found, now),
                created_at=found.created_at,
                created_by=found.created_by,
                binds=found.binds,
                credentials=tuple(credentials.get(found.principal, ())),
            )
            for found in self._store.principals()
        ]
        configured = [
            PrincipalInfo(
                principal=found.id,
                display_name=found.display_name,
                roles=tuple(sorted(found.roles)),
                source="configuration",
            )
            for found in self._known.configured()
        ]
        principals = sorted([*enrolled, *configured], key=lambda info: info.principal)
        return PrincipalsResponse(request_id=ask.request_id, principals=tuple(principals))

    def _add_principal(self, ask: PrincipalAdd, admin: Peer) -> Plan:
        self._known.check_new_name(ask.principal)
        if self._store.has_principal(ask.principal):
            raise AdminRefusedException(f"there is a principal '{ask.principal}' already")
        now, ends = self._clock.now(), end_after(self._clock, "ttlSeconds", ask.ttl_seconds)
        bare = EnrolledPrincipal(
            principal=ask.principal,
            display_name=check_text("displayName", ask.display_name),
            created_at=now,
            created_by=admin.principal.id,
        )
        made = with_roles(bare, check_roles(ask.roles), ends, now)
        detail = f"{ask.principal} roles {_names(made, now)}{_until(ends)}"
        return _plan("principal.add", detail, ask.request_id, AddPrincipal(made), ends=ends)

    def _set_roles(self, ask: PrincipalRoles, _admin: Peer) -> Plan:
        now = self._clock.now()
        found, ends = self._known.enrolled(ask.principal), end_after(self._clock, "ttlSeconds", ask.ttl_seconds)
        made = with_roles(found, check_roles(ask.roles), ends, now)
        check_not_locked(self._locks, made.principal, made.roles_at(now))
        detail = f"{ask.principal} roles {_names(found, now)} -> {_names(made, now)}"
        if ends is not None:
            detail += f", {','.join(sorted(set(ask.roles) - found.roles))}{_until(ends)}"
        plan = _plan("principal.roles", detail, ask.request_id, SetPrincipal(made, found), ends=ends)
        return plan._replace(meanwhile=_locking(found.principal)) if set(ask.roles) < found.roles_at(now) else plan

    def _revoke_principal(self, ask: PrincipalRevoke, _admin: Peer) -> Plan:
        name = ask.principal
        if not self._store.has_principal(name):
            # A principal whose row is damaged can be revoked too.
            self._known.enrolled(name)
        return _plan("principal.revoke", name, ask.request_id, RemovePrincipal(name))

    def _add_token(self, ask: TokenAdd, _admin: Peer) -> Plan:
        found = self._known.enrolled(ask.principal)
        expires = end_after(self._clock, "ttlSeconds", ask.ttl_seconds)
        return self._new_token("token.add", ask.request_id, found.principal, ask.label, expires, None)

    def _rotate_token(self, ask: TokenRotate, _admin: Peer) -> Plan:
        found = self._known.enrolled(ask.principal)
        check_seconds("overlapSeconds", ask.overlap_seconds, least=0)
        ends = self._clock.now() + timedelta(seconds=ask.overlap_seconds)
        old = self._token_to_rotate(found.principal, ask.credential_id)
        # Without a duration of its own the new token expires when the old one would have.
        expires = end_after(self._clock, "ttlSeconds", ask.ttl_seconds) or old.expires_at
        end = min(ends, old.expires_at) if old.expires_at is not None else ends
        retired = EndCredential(old.id, old.principal, old.expires_at, end)
        return self._new_token("token.rotate", ask.request_id, found.principal, old.label, expires, retired)

    def _token_to_rotate(self, principal: str, wanted: str | None) -> EnrolledCredential:
        """The token that is named, or the only one that does not expire."""
        tokens = [found for found in self._credentials(principal) if found.kind is CredentialKind.TOKEN]
        if wanted is not None:
            tokens = [found for found in tokens if found.id == wanted]
        elif len(tokens) > 1:
            tokens = [found for found in tokens if found.expires_at is None]
        if len(tokens) != 1:
            text = "has no such token" if not tokens else "has several tokens: name one"
            raise AdminRefusedException(f"'{principal}' {text}", code="not_found" if not tokens else "ambiguous")
        return tokens[0]

    def _new_token(
        self,
        action: str,
        request_id: str,
        principal: str,
        label: str,
        expires: datetime | None,
        retired: EndCredential | None,
    ) -> Plan:
        token = new_typed_token()
        made = self._credential(principal, CredentialKind.TOKEN, hash_token(token), label, expires)

        answer = TokenAdded(request_id=request_id, credential_id=made.id, token=token, expires_at=expires)
        detail = f"{principal} {made.id}" + _until(expires)
        if retired is not None:
            detail += f" for {retired.id}{_until(retired.expires_at)}"
        changes = (AddCredential(made), *((retired,) if retired is not None else ()))
        return Plan(action, {"detail": detail}, lambda: answer, changes)

    def _add_key(self, ask: KeyAdd, _admin: Peer) -> Plan:
        found = self._known.enrolled(ask.principal)
        try:
            key = read_sent(ask.public_key, ask.application)
        except AuthException as exc:
            raise AdminRefusedException("the key is no Ed25519 key in base64, nor the line of its .pub file") from exc
        if any(known.secret == kept(key) for known in self._credentials(found.principal)):
            raise AdminRefusedException(f"'{ask.principal}' has this key already")
        ends = end_after(self._clock, "ttlSeconds", ask.ttl_seconds)
        made = self._credential(found.principal, CredentialKind.KEY, kept(key), ask.label, ends)
        detail = f"{found.principal} {made.id} {_shown(key)}{_until(ends)}"
        return _plan("key.add", detail, ask.request_id, AddCredential(made), id_=made.id, ends=ends)

    def _revoke_credential(self, ask: CredentialRevoke, _admin: Peer) -> Plan:
        found = self._known.enrolled(ask.principal)
        ids = [known.id for known in self._credentials(found.principal)]
        if ask.credential_id not in ids:
            raise AdminRefusedException(f"'{ask.principal}' has no credential '{ask.credential_id}'", code="not_found")
        detail = f"{found.principal} {ask.credential_id}"
        removal = RemoveCredential(ask.credential_id, found.principal)
        plan = _plan("credential.revoke", detail, ask.request_id, removal)
        return plan._replace(meanwhile=_locking(found.principal))

    def _credentials(self, principal: str | None = None) -> list[EnrolledCredential]:
        """The valid credentials; an expired one may be in the store for a moment longer."""
        now = self._clock.now()
        return [found for found in self._store.credentials(principal) if not found.has_ended(now)]

    def _credential(
        self, principal: str, kind: CredentialKind, secret: bytes, label: str, expires: datetime | None
    ) -> EnrolledCredential:
        return EnrolledCredential(
            id=short_id(self._new_id()),
            principal=principal,
            kind=kind,
            secret=secret,
            label=check_text("label", label),
            created_at=self._clock.now(),
            expires_at=expires,
        )


def _plan(
    action: str, detail: str, request_id: str, change: AnyChange, *, id_: str = "", ends: datetime | None = None
) -> Plan:
    answer = AdminResult(request_id=request_id, ok=True, id=id_ or None, expires_at=ends)
    return Plan(action, {"detail": detail}, lambda: answer, (change,))


def _locking(principal: str) -> str:
    return f"`omnyshell locks add principal {principal}` shuts '{principal}' out at once, at all hubs in touch"


def _names(found: EnrolledPrincipal, now: datetime) -> str:
    return ",".join(sorted(found.roles_at(now))) or "-"


def _timed(found: EnrolledPrincipal, now: datetime) -> tuple[TimedRole, ...]:
    going_on = ((role, end) for role, end in sorted(found.timed_roles.items()) if now < end and role not in found.roles)
    return tuple(TimedRole(role=role, expires_at=end) for role, end in going_on)


def _until(end: datetime | None) -> str:
    return f" until {write_timestamp(end)}" if end is not None else ""


def _shown(key: PublicKey) -> str:
    return f"{key.to_base64()} {fingerprint(key)}" if isinstance(key, SecurityKey) else key.to_base64()


def _describe(found: EnrolledCredential) -> CredentialInfo:
    key = read_kept(found.secret) if found.kind is CredentialKind.KEY else None
    return CredentialInfo(
        id=found.id,
        kind=found.kind,
        label=found.label,
        created_at=found.created_at,
        expires_at=found.expires_at,
        public_key=key.to_base64() if key is not None else None,
        application=key.application if isinstance(key, SecurityKey) else None,
    )
