"""Everything that gives access to a hub, as values: principals, their tokens and keys, and invites; locks too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from omnyshell.ids import short_id
from omnyshell.model.admin import CredentialInfo, CredentialKind, InviteInfo, LockInfo, PrincipalInfo
from omnyshell.protocol.messages.admin import AdminRequest, CredentialRevoke, InviteRevoke, LockRemove, PrincipalRevoke

CONFIGURED = "configuration"
"""The `source` of principals that the hub's configuration grants."""


class EntryKind(StrEnum):
    """The kind of an entry."""

    PRINCIPAL = "principal"
    TOKEN = "token"  # noqa: S105
    KEY = "key"
    INVITE = "invite"
    LOCK = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. `what` is its roles or its purpose."""

    kind: EntryKind
    principal: str
    """Its owner; for an invite, whom it is for ("" for any node); for a lock, the name of what is locked."""

    ident: str = ""
    what: str = ""
    source: str = ""
    """Where a principal is stored; for a lock, the kind of what is locked."""

    created_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def key(self) -> str:
        """What identifies the entry."""
        return f"{self.principal}\n{self.kind}\n{self.ident}"

    @property
    def name(self) -> str:
        """Its name for people."""
        if self.kind is EntryKind.PRINCIPAL:
            return f"{self.principal} ({self.what or 'no roles'})"
        if self.kind is EntryKind.LOCK:
            return f"lock of the {self.source} {self.principal}"
        owner = f" of {self.principal}" if self.kind is not EntryKind.INVITE else f" for {self.principal or 'a node'}"
        return f"{self.kind} {short_id(self.ident)}{owner}{f' ({self.what})' if self.what else ''}"

    @property
    def can_be_revoked(self) -> bool:
        """Whether the hub can revoke it; grants in its configuration have to be removed there."""
        return self.source != CONFIGURED

    def revocation(self) -> AdminRequest:
        """Return the request that revokes it."""
        if self.kind is EntryKind.PRINCIPAL:
            return PrincipalRevoke(request_id="", principal=self.principal)
        if self.kind is EntryKind.INVITE:
            return InviteRevoke(request_id="", invite_id=self.ident)
        if self.kind is EntryKind.LOCK:
            return LockRemove(request_id="", kind=self.source, name=self.principal)
        return CredentialRevoke(request_id="", principal=self.principal, credential_id=self.ident)


def entries(
    principals: Iterable[PrincipalInfo], invites: Iterable[InviteInfo], locks: Iterable[LockInfo] = ()
) -> list[Entry]:
    """Return each principal followed by its credentials, then invites and locks."""
    found: list[Entry] = []
    for principal in principals:
        found.append(_of_principal(principal))
        found += [_of_credential(principal.principal, one) for one in principal.credentials]
    return [*found, *map(_of_invite, invites), *map(_of_lock, locks)]


def _of_principal(principal: PrincipalInfo) -> Entry:
    return Entry(
        kind=EntryKind.PRINCIPAL,
        principal=principal.principal,
        what=_roles(principal),
        source=principal.source,
        created_at=principal.created_at,
        expires_at=min((timed.expires_at for timed in principal.timed_roles), default=None),
    )


def _roles(principal: PrincipalInfo) -> str:
    """Its roles; those that expire are marked with a clock, and the entry shows the next expiry."""
    timed = {one.role for one in principal.timed_roles}
    return ", ".join(f"{role} ◷" if role in timed else role for role in principal.roles)


def _of_credential(principal: str, credential: CredentialInfo) -> Entry:
    return Entry(
        kind=EntryKind.KEY if credential.kind is CredentialKind.KEY else EntryKind.TOKEN,
        principal=principal,
        ident=credential.id,
        what=credential.label,
        created_at=credential.created_at,
        expires_at=credential.expires_at,
    )


def _of_invite(invite: InviteInfo) -> Entry:
    labels = [f"{name}={value}" for name, value in sorted(invite.labels.items())]
    left = [f"{invite.uses_left} uses left"] if invite.uses_left is not None else []
    prefix = f"{invite.id_prefix}*" if invite.id_prefix else ""
    return Entry(
        kind=EntryKind.INVITE,
        principal=invite.principal or invite.node_id or prefix,
        ident=invite.invite_id,
        what=", ".join([invite.kind, *left, *invite.roles, *labels]),
        created_at=invite.created_at,
        expires_at=invite.expires_at,
    )


def _of_lock(lock: LockInfo) -> Entry:
    return Entry(
        kind=EntryKind.LOCK,
        principal=lock.name,
        ident=lock.id,
        what=": ".join(filter(None, (str(lock.kind), lock.why))),
        source=lock.kind,
        created_at=lock.created_at,
        expires_at=lock.expires_at,
    )


def to_revoke(chosen: Sequence[Entry]) -> list[Entry]:
    """Return these without credentials of principals that are revoked themselves."""
    gone = {entry.principal for entry in chosen if entry.kind is EntryKind.PRINCIPAL}
    with_principal = (EntryKind.TOKEN, EntryKind.KEY)
    return [entry for entry in chosen if entry.kind not in with_principal or entry.principal not in gone]


def consequence(chosen: Sequence[Entry], me: str) -> str:
    """Return a text about the effects of revoking these; `me` is the asking principal."""
    kinds = {entry.kind for entry in chosen}
    texts = []
    if EntryKind.PRINCIPAL in kinds:
        texts.append("A principal loses its tokens and keys, and what it has open ends at once.")
    if kinds & {EntryKind.TOKEN, EntryKind.KEY}:
        texts.append("Connections made with a token or key end at once.")
    if EntryKind.INVITE in kinds:
        texts.append("Nobody can join with the invite any more.")
    if EntryKind.LOCK in kinds:
        texts.append("What was locked may log in and do what it could before.")
    if any(entry.principal == me and entry.kind not in (EntryKind.INVITE, EntryKind.LOCK) for entry in chosen):
        texts.append("You are among them: this console may lose the hub.")
    return " ".join(texts)
