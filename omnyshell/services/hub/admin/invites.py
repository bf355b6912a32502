"""Invites, by which a node or a user joins with one pasted line (extension `admin`)."""

from dataclasses import replace
from datetime import timedelta
from itertools import chain, count

import msgspec

from omnyshell.clock import Clock
from omnyshell.errors import AuthException
from omnyshell.ids import MAX_NODE_ID, IdFactory, is_node_id, new_typed_token, short_id
from omnyshell.model.admin import CredentialKind, InviteInfo, InviteKind
from omnyshell.model.principals import NODE_PREFIX, NODE_ROLE
from omnyshell.protocol.messages.admin import (
    AdminResult,
    InviteCreate,
    InviteCreated,
    InviteRevoke,
    InvitesRequest,
    InvitesResponse,
    JoinAccepted,
    JoinRequest,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import hash_token
from omnyshell.security.credentials import LoginContext, dialled_in
from omnyshell.security.join_proof import join_message
from omnyshell.security.keys import Ed25519PublicKey, decode_base64_lenient
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.admin.known import KnownPrincipals
from omnyshell.services.hub.admin.locks import check_not_locked
from omnyshell.services.hub.admin.plans import (
    AdminRefusedException,
    Plan,
    Plans,
    Reads,
    check_node,
    check_roles,
    check_seconds,
    check_text,
    end_after,
    with_roles,
)
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.changes import (
    AddCredential,
    AddInvite,
    AddPrincipal,
    ClaimNode,
    ForgetInvites,
    RemoveInvite,
    RemovePrincipal,
    SetLabels,
    SetPrincipal,
    UseInvite,
)
from omnyshell.services.hub.truth.records import MOST_USES, EnrolledCredential, EnrolledPrincipal, Fleet, Invite

LONGEST_TTL = 30 * 86400
LONGEST_PREFIX = 64
LONGEST_NUMBER = 6
"""Characters of a number after an id, with its dash: the number is at most the number of uses."""

REMEMBERED = timedelta(days=30)
"""How long a used or expired invite is kept, so that its token is told apart from a wrong one."""

_ROLES = {InviteKind.NODE: Role.NODE, InviteKind.USER: Role.CLIENT}


class JoinRefusedException(AdminRefusedException):
    """The token is valid, but the request cannot be met; `code` is the reason in `join.refused`."""


class Invites:
    """Plans the creation and use of invites; nothing is changed until a plan is carried out."""

    def __init__(
        self,
        *,
        known: KnownPrincipals,
        store: EnrolmentStore,
        locks: Locks,
        nodes: NodeDirectory,
        owners: NodeOwners,
        certificate: HubCertificate,
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        self._known = known
        self._store = store
        self._locks = locks
        self._nodes = nodes
        self._owners = owners
        self._certificate = certificate
        self._clock = clock
        self._new_id = new_id
        self.reads: Reads = {InvitesRequest: self._list}
        self.plans: Plans = {InviteCreate: self._create, InviteRevoke: self._revoke}

    def find(self, request: JoinRequest, context: LoginContext) -> Invite | None:
        """Return the invite if the token is known and the key is proved; None does not tell which was wrong."""
        token_hash = hash_token(request.token)
        invite = self._store.invite_of(token_hash)
        try:
            key = Ed25519PublicKey.from_base64(request.public_key)
            signature = decode_base64_lenient(request.signature)
            host, port = dialled_in(request.host, request.port)
        except (AuthException, ValueError):
            return None
        proved = key.verify(signature, join_message(msgspec.structs.replace(context, host=host, port=port), token_hash))
        return invite if proved else None

    def use(self, request: JoinRequest, invite: Invite, role: str) -> Plan:
        """Plan the enrolment. Raises `JoinRefusedException`."""
        now = self._clock.now()
        if invite.used_at is not None:
            often = f"{invite.fleet.uses} times, last" if invite.fleet is not None else "on"
            text = f"this token was used {often} {invite.used_at:%Y-%m-%d %H:%M} UTC; ask for a new invite"
            raise JoinRefusedException(text, code="used")
        if now >= invite.expires_at:
            text = f"this token expired on {invite.expires_at:%Y-%m-%d %H:%M} UTC; ask for a new invite"
            raise JoinRefusedException(text, code="expired")
        if role != _ROLES[invite.kind]:
            how = "join a node" if invite.kind is InviteKind.NODE else "log in"
            raise JoinRefusedException(f"this token is for a {invite.kind}: use it to {how}", code="other_kind")
        if invite.kind is InviteKind.NODE:
            return self._enrol_node(request, invite)
        return self._enrol_user(request, invite)

    def _enrol_node(self, request: JoinRequest, invite: Invite) -> Plan:
        if invite.node_id and request.node_id and request.node_id != invite.node_id:
            text = f"this token is for the node id '{invite.node_id}', not '{request.node_id[:64]}'"
            raise JoinRefusedException(text, code="other_id")
        if invite.fleet is not None:
            node_id = self._id_in_fleet(request, invite.fleet)
        else:
            node_id = self._id_of_one(request, invite)
        principal = NODE_PREFIX + node_id
        made = replace(self._principal(principal, invite)[0], roles=frozenset({NODE_ROLE}), timed_roles={})
        # A machine that joins again by its own invite has a new key, which replaces the old one.
        anew = (RemovePrincipal(principal), AddPrincipal(made))
        labels = (SetLabels(node_id, invite.labels),) if invite.labels else ()
        changes = (ClaimNode(node_id, principal), *anew, *self._enrolment(made, request, invite), *labels)
        left = f", {invite.fleet.left - 1} of {invite.fleet.uses} uses left" if invite.fleet is not None else ""
        fields = {"principal": principal, "node_id": node_id, "detail": f"{invite.id}{left}"}
        return Plan("invite.use", fields, lambda: self._accepted(made, invite, node_id), changes)

    def _id_of_one(self, request: JoinRequest, invite: Invite) -> str:
        """The node id for an invite for one machine; a machine that joins again by its own invite keeps its id."""
        node_id = invite.node_id or request.node_id or request.suggested_id or ""
        _check_id(node_id)
        principal = NODE_PREFIX + node_id
        owner = self._owners.owners().get(node_id)
        is_new = not self._store.has_principal(principal)
        if owner not in (None, principal) or (not is_new and invite.node_id != node_id):
            text = f"the node id '{node_id}' is taken; an administrator can release it, or invite this machine under it"
            raise JoinRefusedException(text, code="id_taken")
        return node_id

    def _id_in_fleet(self, request: JoinRequest, fleet: Fleet) -> str:
        """A new node id with the fleet's prefix: the requested one, or one made from the suggestion.

        Many machines have the token, so an id that another machine has is never given.
        """
        if request.node_id is not None:
            return self._asked_in_fleet(request.node_id, fleet)
        suggested = request.suggested_id or "node"
        wanted = suggested if suggested.startswith(fleet.id_prefix) else fleet.id_prefix + suggested
        # Machines made from one image have the same name: a number tells them apart.
        first = max(2, fleet.used + 1)
        numbered = (f"{wanted[: MAX_NODE_ID - LONGEST_NUMBER]}-{number}" for number in count(first))
        node_id = next(name for name in chain((wanted[:MAX_NODE_ID],), numbered) if not self._is_taken(name))
        _check_id(node_id)
        return node_id

    def _asked_in_fleet(self, node_id: str, fleet: Fleet) -> str:
        _check_id(node_id)
        if not node_id.startswith(fleet.id_prefix):
            text = f"this token is for node ids that begin with '{fleet.id_prefix}', not '{node_id[:64]}'"
            raise JoinRefusedException(text, code="other_id")
        if self._is_taken(node_id):
            raise JoinRefusedException(f"the node id '{node_id}' is taken: give another one", code="id_taken")
        return node_id

    def _is_taken(self, node_id: str) -> bool:
        known = node_id in self._owners.owners() or self._nodes.find(node_id) is not None
        return known or self._locks.of_node(node_id) is not None or self._store.has_principal(NODE_PREFIX + node_id)

    def _enrol_user(self, request: JoinRequest, invite: Invite) -> Plan:
        name = invite.principal or ""
        if self._known.is_configured(name):
            raise JoinRefusedException(f"'{name}' is known to the hub's configuration by now", code="id_taken")
        made, known = self._principal(name, invite)
        made = self._with_roles(made, invite)
        put = AddPrincipal(made) if known is None else SetPrincipal(made, known)
        changes = (put, *self._enrolment(made, request, invite))
        fields = {"principal": name, "detail": invite.id}
        return Plan("invite.use", fields, lambda: self._accepted(made, invite, None), changes)

    def _with_roles(self, made: EnrolledPrincipal, invite: Invite) -> EnrolledPrincipal:
        now = self._clock.now()
        ends = end_after(self._clock, "roleTtlSeconds", invite.role_seconds)
        if not invite.roles or (ends is not None and invite.roles <= made.roles):
            # The principal has the roles without expiry already.
            return made
        given = with_roles(made, invite.roles, ends, now)
        check_not_locked(self._locks, made.principal, given.roles_at(now))
        return given

    def _principal(self, name: str, invite: Invite) -> tuple[EnrolledPrincipal, EnrolledPrincipal | None]:
        """The principal to enrol, with the roles that it has already, and the present one, or None."""
        known = self._store.principal(name)
        made = EnrolledPrincipal(
            principal=name,
            display_name=invite.display_name,
            binds=True,
            created_at=self._clock.now(),
            created_by=invite.created_by,
        )
        if known is None:
            return made, None
        name_shown = invite.display_name or known.display_name
        return replace(made, display_name=name_shown, roles=known.roles, timed_roles=known.timed_roles), known

    def _enrolment(
        self, made: EnrolledPrincipal, request: JoinRequest, invite: Invite
    ) -> tuple[AddCredential, UseInvite]:
        now = self._clock.now()
        key = EnrolledCredential(
            id=short_id(self._new_id()),
            principal=made.principal,
            kind=CredentialKind.KEY,
            secret=Ed25519PublicKey.from_base64(request.public_key).raw,
            label=f"invite {invite.id}",
            created_at=now,
            expires_at=end_after(self._clock, "keyTtlSeconds", invite.key_seconds),
        )
        used = invite.fleet.used if invite.fleet is not None else None
        return AddCredential(key), UseInvite(invite.id, now, used)

    def _accepted(self, made: EnrolledPrincipal, invite: Invite, node_id: str | None) -> JoinAccepted:
        return JoinAccepted(
            kind=invite.kind,
            principal=made.principal,
            roles=tuple(sorted(made.roles_at(self._clock.now()))),
            node_id=node_id,
            labels=invite.labels,
        )

    def _list(self, ask: InvitesRequest) -> InvitesResponse:
        now = self._clock.now()
        usable = [found for found in self._store.invites() if found.used_at is None and now < found.expires_at]
        return InvitesResponse(request_id=ask.request_id, invites=tuple(map(_describe, usable)))

    def _create(self, ask: InviteCreate, admin: Peer) -> Plan:
        now = self._clock.now()
        if not 0 < ask.ttl_seconds <= LONGEST_TTL:
            raise AdminRefusedException(f"ttlSeconds must be 1 to {LONGEST_TTL} ({LONGEST_TTL // 86400} days)")
        kind = self._check_kind(ask)
        token = new_typed_token()
        invite = Invite(
            id=short_id(self._new_id()),
            token_hash=hash_token(token),
            kind=kind,
            node_id=ask.node_id if kind is InviteKind.NODE else None,
            principal=ask.principal if kind is InviteKind.USER else None,
            display_name=check_text("displayName", ask.display_name),
            roles=check_roles(ask.roles) if kind is InviteKind.USER else frozenset(),
            labels=ask.labels if kind is InviteKind.NODE else {},
            created_at=now,
            created_by=admin.principal.id,
            expires_at=now + timedelta(seconds=ask.ttl_seconds),
            role_seconds=_role_seconds(ask, kind),
            key_seconds=check_seconds("keyTtlSeconds", ask.key_ttl_seconds),
            fleet=_fleet(ask, kind),
        )

        answer = InviteCreated(
            request_id=ask.request_id,
            invite_id=invite.id,
            token=token,
            expires_at=invite.expires_at,
            ca_fingerprint=self._certificate.current.authority_fingerprint,
        )
        whom = invite.principal or invite.node_id or "any id"
        if invite.fleet is not None:
            whom = f"{invite.fleet.uses} nodes {invite.fleet.id_prefix}*"
        detail = f"{invite.id} {invite.kind} {whom} roles {','.join(sorted(invite.roles)) or '-'}"
        for what, seconds in (("roles", invite.role_seconds), ("key", invite.key_seconds)):
            detail += f", {what} for {seconds} s" if seconds is not None else ""
        changes = (ForgetInvites(now - REMEMBERED), AddInvite(invite))
        return Plan("invite.create", {"node_id": invite.node_id or "", "detail": detail}, lambda: answer, changes)

    def _check_kind(self, ask: InviteCreate) -> InviteKind:
        """Return the kind of an invite, after checking its fields. Raises `AdminRefusedException`."""
        if ask.kind == InviteKind.USER:
            self._known.check_new_name(ask.principal or "")
            return InviteKind.USER
        if ask.kind != InviteKind.NODE:
            raise AdminRefusedException("an invite is of kind node or user")
        check_node(ask.node_id, ask.labels)
        owner = self._owners.owners().get(ask.node_id) if ask.node_id is not None else None
        if owner not in (None, f"{NODE_PREFIX}{ask.node_id}"):
            text = f"the node id '{ask.node_id}' belongs to '{owner}': `omnyshell nodes release {ask.node_id}` frees it"
            raise AdminRefusedException(text)
        return InviteKind.NODE

    def _revoke(self, ask: InviteRevoke, _admin: Peer) -> Plan:
        if all(found.id != ask.invite_id for found in self._store.invites()):
            raise AdminRefusedException(f"there is no invite '{ask.invite_id[:64]}'", code="not_found")

        answer = AdminResult(request_id=ask.request_id, ok=True)
        plan = Plan("invite.revoke", {"detail": ask.invite_id}, lambda: answer, (RemoveInvite(ask.invite_id),))
        return plan._replace(meanwhile="nobody can use it until the engine is back")


def _fleet(ask: InviteCreate, kind: InviteKind) -> Fleet | None:
    """Return the fleet of an invite for many machines, or None. Raises `AdminRefusedException`."""
    if ask.uses is None and ask.id_prefix is None:
        return None
    if kind is not InviteKind.NODE or ask.node_id is not None:
        raise AdminRefusedException("uses and idPrefix are for nodes, each of which takes an id of its own")
    uses, prefix = ask.uses if ask.uses is not None else 1, ask.id_prefix or ""
    if not 1 <= uses <= MOST_USES:
        raise AdminRefusedException(f"uses must be 1 to {MOST_USES}")
    if prefix and (not is_node_id(prefix) or len(prefix) > LONGEST_PREFIX):
        text = f"idPrefix has up to {LONGEST_PREFIX} letters, digits, '_', '.' and '-'"
        raise AdminRefusedException(text)
    return Fleet(uses, 0, prefix)


def _check_id(node_id: str) -> None:
    if not is_node_id(node_id):
        raise JoinRefusedException("the node needs an id", code="bad_id")


def _role_seconds(ask: InviteCreate, kind: InviteKind) -> int | None:
    if ask.role_ttl_seconds is not None and (kind is InviteKind.NODE or not ask.roles):
        raise AdminRefusedException("roleTtlSeconds is for the roles of a user, and there are none")
    return check_seconds("roleTtlSeconds", ask.role_ttl_seconds)


def _describe(found: Invite) -> InviteInfo:
    return InviteInfo(
        invite_id=found.id,
        kind=found.kind,
        node_id=found.node_id,
        principal=found.principal,
        roles=tuple(sorted(found.roles)),
        labels=found.labels,
        created_at=found.created_at,
        created_by=found.created_by,
        expires_at=found.expires_at,
        role_ttl_seconds=found.role_seconds,
        key_ttl_seconds=found.key_seconds,
        uses_left=found.fleet.left if found.fleet is not None else None,
        id_prefix=found.fleet.id_prefix if found.fleet is not None else "",
    )
