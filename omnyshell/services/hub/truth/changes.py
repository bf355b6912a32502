"""The changes of the hub's durable facts: values, each of which applies itself to the tables.

They contain all times, ids and random values, and depend on nothing but the tables: the same transactions, applied in
the same order, give the same tables everywhere.
"""

import json
from collections.abc import Iterable
from datetime import datetime

import msgspec

from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.schema import write_timestamp
from omnyshell.services.hub.ground.json_values import check_extremes, decoded
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.change import (
    FIRST_LEVEL,
    Change,
    are_ends,
    is_json_list,
    json_list,
    moment_or_none,
    require,
)
from omnyshell.services.hub.truth.member_changes import AddMember, MemberKnows, RemoveMember
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal, Invite

LEVEL = FIRST_LEVEL
"""Of the changes that this version knows: one more with each version that makes a kind or a field which others did not
know. What hubs share is of a level that all members have said they know (`MemberKnows`)."""

USED = "the invite was used meanwhile"
DONE = "this was done already"


class AddPrincipal(Change, frozen=True):
    """Adds a principal; refused if there is one of that name."""

    row: EnrolledPrincipal

    @property
    def whose(self) -> str:
        """See `Change`."""
        return self.row.principal

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        row = self.row
        added = file.run(
            "INSERT INTO principals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            row.principal,
            row.display_name,
            json_list(row.roles),
            int(row.binds),
            write_timestamp(row.created_at),
            row.created_by,
        )
        require(added, f"there is a principal '{row.principal}' already")
        _put_timed_roles(file, row)


class SetPrincipal(Change, frozen=True):
    """Changes a principal's display name and roles; refused if its roles are no longer those in `before`."""

    row: EnrolledPrincipal
    before: EnrolledPrincipal

    @property
    def whose(self) -> str:
        """See `Change`."""
        return self.row.principal

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        row = self.row
        known = file.run("SELECT roles FROM principals WHERE principal = ?", row.principal)
        timed = file.run("SELECT role, ends_at FROM timed_roles WHERE principal = ?", row.principal)
        fits = known and is_json_list(known[0][0], self.before.roles) and are_ends(timed, self.before.timed_roles)
        require(fits, f"'{row.principal}' was changed meanwhile")
        file.run(
            "UPDATE principals SET display_name = ?, roles = ?, binds = ? WHERE principal = ?",
            row.display_name,
            json_list(row.roles),
            int(row.binds),
            row.principal,
        )
        if timed:
            file.run("DELETE FROM timed_roles WHERE principal = ?", row.principal)
        _put_timed_roles(file, row)


class RemovePrincipal(Change, frozen=True):
    """Removes a principal with its credentials and roles."""

    principal: str

    @property
    def whose(self) -> str:
        """See `Change`."""
        return self.principal

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        file.run("DELETE FROM principals WHERE principal = ?", self.principal)


class EndRole(Change, frozen=True):
    """Removes a principal's expired role."""

    principal: str
    role: str
    ends_at: datetime

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        file.run(
            "DELETE FROM timed_roles WHERE principal = ? AND role = ? AND ends_at = ?",
            self.principal,
            self.role,
            write_timestamp(self.ends_at),
        )


class AddCredential(Change, frozen=True):
    """Adds a credential; refused if the principal is gone, or another credential has the id.

    The principal's own with the same secret is replaced.
    """

    row: EnrolledCredential

    @property
    def whose(self) -> str:
        """See `Change`."""
        return self.row.principal

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        row = self.row
        others = "SELECT 1 FROM credentials WHERE id = ? AND NOT (principal = ? AND secret = ?)"
        require(not file.run(others, row.id, row.principal, row.secret), f"another credential has the id '{row.id}'")
        added = file.run(
            "INSERT OR REPLACE INTO credentials SELECT ?, principal, ?, ?, ?, ?, ? FROM principals"
            " WHERE principal = ? RETURNING 1",
            row.id,
            row.kind,
            row.secret,
            row.label,
            write_timestamp(row.created_at),
            moment_or_none(row.expires_at),
            row.principal,
        )
        require(added, f"there is no principal '{row.principal}' any more")


class EndCredential(Change, frozen=True):
    """Changes the expiry of a credential; refused if it is gone, or its expiry is no longer `before`."""

    id: str
    principal: str
    before: datetime | None
    expires_at: datetime

    @property
    def whose(self) -> str:
        """See `Change`."""
        return self.principal

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        update = "UPDATE credentials SET expires_at = ? WHERE id = ? AND principal = ? AND expires_at IS ? RETURNING 1"
        changed = file.run(
            update, write_timestamp(self.expires_at), self.id, self.principal, moment_or_none(self.before)
        )
        require(changed, f"the credential '{self.id}' was changed meanwhile")


class RemoveCredential(Change, frozen=True):
    """Removes a credential that was revoked or has expired."""

    id: str
    principal: str

    @property
    def whose(self) -> str:
        """See `Change`."""
        return self.principal

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        file.run("DELETE FROM credentials WHERE id = ? AND principal = ?", self.id, self.principal)


class AddInvite(Change, frozen=True):
    """Adds an invite; refused if there is one with its id or token."""

    row: Invite

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        row = self.row
        added = file.run(
            "INSERT INTO invites VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            row.id,
            row.token_hash,
            row.kind,
            row.node_id,
            row.principal,
            row.display_name,
            json_list(row.roles),
            json.dumps(row.labels, sort_keys=True),
            write_timestamp(row.created_at),
            row.created_by,
            write_timestamp(row.expires_at),
            moment_or_none(row.used_at),
        )
        require(added, "there is such an invite already")
        file.run("INSERT INTO invite_terms VALUES (?, ?, ?)", row.id, row.role_seconds, row.key_seconds)
        if (fleet := row.fleet) is not None:
            counted = (fleet.uses, fleet.used, fleet.id_prefix)
            file.run("INSERT INTO fleet_invites VALUES (?, ?, ?, ?)", row.id, *counted)


class UseInvite(Change, frozen=True):
    """Counts a use of an invite; refused if it is used up, or was used since the change was planned."""

    id: str
    at: datetime
    used: int | None
    """How often a fleet's invite was used before; None for an invite for a single use."""

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        if self.used is not None:
            counting = "UPDATE fleet_invites SET used = used + 1 WHERE id = ? AND used = ? RETURNING used < uses"
            counted = file.run(counting, self.id, self.used)
            require(counted, USED, "used")
            if counted[0][0]:
                return
        using = "UPDATE invites SET used_at = ? WHERE id = ? AND used_at IS NULL RETURNING 1"
        require(file.run(using, write_timestamp(self.at), self.id), USED, "used")


class RemoveInvite(Change, frozen=True):
    """Removes an invite."""

    id: str

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        file.run("DELETE FROM invites WHERE id = ?", self.id)


class ForgetInvites(Change, frozen=True):
    """Removes invites that ended before a time; until then the token of a used one is told apart from a wrong one."""

    before: datetime

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        file.run("DELETE FROM invites WHERE expires_at < ?", write_timestamp(self.before))


class SetLabels(Change, frozen=True):
    """Sets the labels of a node id that admins choose; empty labels remove them."""

    node_id: str
    labels: dict[str, str]

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        if self.labels:
            labels = json.dumps(self.labels, sort_keys=True)
            file.run("INSERT OR REPLACE INTO node_labels VALUES (?, ?)", self.node_id, labels)
        else:
            file.run("DELETE FROM node_labels WHERE node_id = ?", self.node_id)


class ClaimNode(Change, frozen=True):
    """Gives a node id to a principal; refused if it is another's."""

    node_id: str
    principal: str

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        claimed = file.run(
            "INSERT INTO node_owners VALUES (?, ?) ON CONFLICT DO UPDATE SET principal = principal"
            " WHERE principal = excluded.principal RETURNING 1",
            self.node_id,
            self.principal,
        )
        require(claimed, f"the node id '{self.node_id}' was just taken", "id_taken")


class ReleaseNode(Change, frozen=True):
    """Removes the owner of a node id; refused if its owner is no longer `principal`.

    Empty stands for an owner that cannot be read, None for none.
    """

    node_id: str
    principal: str | None

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        owned = file.run("DELETE FROM node_owners WHERE node_id = ? RETURNING principal", self.node_id)
        owner = next((_owner_of(row[0]) for row in owned), None)
        require(owner == self.principal, f"the node id '{self.node_id}' was given away meanwhile")


class PutLock(Change, frozen=True):
    """Adds a lock, or replaces the one of that kind and name."""

    lock: LockInfo

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        lock = self.lock
        file.run(
            "INSERT OR REPLACE INTO locks VALUES (?, ?, ?, ?, ?, ?, ?)",
            lock.kind,
            lock.name,
            lock.id,
            lock.why,
            write_timestamp(lock.created_at),
            lock.created_by,
            moment_or_none(lock.expires_at),
        )


class RemoveLock(Change, frozen=True):
    """Removes the lock with an id; refused if another of that kind and name has replaced it.

    An id that cannot be read is any.
    """

    kind: LockKind
    name: str
    id: str

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        removed = file.run("DELETE FROM locks WHERE kind = ? AND name = ? RETURNING id", self.kind, self.name)
        replaced = any(isinstance(row[0], str) and row[0] != self.id for row in removed)
        require(not replaced, f"the {self.kind} '{self.name}' was locked anew meanwhile")


class EndLock(Change, frozen=True):
    """Removes an expired lock."""

    kind: LockKind
    name: str
    ends_at: datetime

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        query = "DELETE FROM locks WHERE kind = ? AND name = ? AND expires_at = ?"
        file.run(query, self.kind, self.name, write_timestamp(self.ends_at))


class Once(Change, frozen=True):
    """Has a transaction count once, whoever appends it; refused where one with this id was applied."""

    id: str

    def apply(self, file: StateFile) -> None:
        """See `Change`."""
        added = file.run("INSERT INTO once VALUES (?) ON CONFLICT DO NOTHING RETURNING 1", self.id)
        require(added, DONE, code="done")


AnyChange = (
    AddPrincipal
    | SetPrincipal
    | RemovePrincipal
    | EndRole
    | AddCredential
    | EndCredential
    | RemoveCredential
    | AddInvite
    | UseInvite
    | RemoveInvite
    | ForgetInvites
    | SetLabels
    | ClaimNode
    | ReleaseNode
    | PutLock
    | RemoveLock
    | EndLock
    | AddMember
    | RemoveMember
    | MemberKnows
    | Once
)


class UnknownChangeException(ValueError):
    """A transaction with changes, or with fields of changes, of a `level` that this version does not know."""

    def __init__(self, problem: str, level: int) -> None:
        super().__init__(problem)
        self.level = level


class Transaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Changes that take effect together, in this order, or not at all."""

    changes: tuple[AnyChange, ...]
    level: int = FIRST_LEVEL
    """The least `LEVEL` of a version that knows all of it."""

    @property
    def whose(self) -> list[str]:
        """The principals whose rights it changes."""
        return list(dict.fromkeys(change.whose for change in self.changes if change.whose))

    def encode(self) -> bytes:
        """Return it as bytes; equal transactions give equal bytes."""
        return _encoder.encode(self)

    @staticmethod
    def decode(raw: bytes) -> "Transaction":
        """Decode a transaction.

        Raises `ValueError` for invalid bytes; for changes that this version does not know, `UnknownChangeException`.
        """
        try:
            made = decoded(_decoder, raw)
        except ValueError as exc:
            if (level := _level_of(raw)) > LEVEL:
                raise UnknownChangeException(str(exc), level) from exc
            raise
        check_extremes(msgspec.to_builtins(made, builtin_types=(datetime, bytes)))
        for change in made.changes:
            change.check()
        if made.level < _least_level(made.changes):
            # Hubs that know less would read nothing where this one does.
            raise ValueError("it has changes of a higher level than it says")
        return made


def together(*changes: AnyChange) -> Transaction:
    """Return a transaction of these changes."""
    return Transaction(changes, _least_level(changes))


def _least_level(changes: Iterable[Change]) -> int:
    return max((change.known_since for change in changes), default=FIRST_LEVEL)


class _OfAnyVersion(msgspec.Struct, frozen=True):
    """What transactions of all versions have."""

    level: int = FIRST_LEVEL


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Transaction)
_decoder_of_level = msgspec.json.Decoder(_OfAnyVersion)


def _level_of(raw: bytes) -> int:
    try:
        return decoded(_decoder_of_level, raw).level
    except ValueError:
        return 0


def _owner_of(stored: object) -> str:
    return stored if isinstance(stored, str) else ""


def _put_timed_roles(file: StateFile, row: EnrolledPrincipal) -> None:
    for role, end in row.timed_roles.items():
        file.run("INSERT INTO timed_roles VALUES (?, ?, ?)", row.principal, role, write_timestamp(end))
