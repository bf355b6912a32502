"""Principals, credentials, invites and labels that admins made, in the hub's SQLite file. Tokens are hashed."""

import json
import logging
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.model.admin import CredentialKind, InviteKind
from omnyshell.model.principals import ADMIN_ROLE
from omnyshell.model.schema import read_timestamp, write_timestamp
from omnyshell.security.public_keys import kept, read_kept
from omnyshell.services.hub.ground.state_file import StateFile, blob, number, settings, text, texts
from omnyshell.services.hub.truth.changes import EndRole, RemoveCredential
from omnyshell.services.hub.truth.records import MOST_USES, EnrolledCredential, EnrolledPrincipal, Fleet, Invite

logger = logging.getLogger("omnyshell.hub")

UNREADABLE = {"": "unreadable"}
"""The labels of a node id whose stored labels are damaged. No real label has an empty name; nobody may use such a
node."""

_UP_TO_SECONDS = len("2026-01-02T03:04:05")
"""Characters of a timestamp up to which timestamps can be compared as texts."""


class _TimedRole(NamedTuple):
    principal: str
    role: str
    ends_at: datetime


class Ended(NamedTuple):
    """A timed role or a credential of a principal that has expired; `change` removes it."""

    principal: str
    what: str
    at: datetime
    change: EndRole | RemoveCredential


class EnrolmentStore:
    """Reads the tables, which the log changes; all methods raise `ConfigException` if the file cannot be used.

    A damaged row grants nothing: it is left out of results, or the call fails.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file

    def principals(self) -> list[EnrolledPrincipal]:
        """Return all principals, sorted."""
        timed: dict[str, dict[str, datetime]] = {}
        for found in self._timed_roles("SELECT principal, role, ends_at FROM timed_roles"):
            timed.setdefault(found.principal, {})[found.role] = found.ends_at
        rows = self._file.read("the principal", _principal, "SELECT * FROM principals ORDER BY principal")
        return [replace(found, timed_roles=timed.get(found.principal, {})) for found in rows]

    def principal(self, name: str) -> EnrolledPrincipal | None:
        """Return one principal. Raises `ConfigException` if its row is damaged."""
        found = self.readable_principal(name)
        if found is None and self.has_principal(name):
            problem = f"what the hub's state file says of '{name}' is damaged: revoke it, and add it anew"
            raise ConfigException(problem)
        return found

    def readable_principal(self, name: str) -> EnrolledPrincipal | None:
        """Return one principal; None if there is none, or its row is damaged."""
        rows = self._file.read("the principal", _principal, "SELECT * FROM principals WHERE principal = ?", name)
        timed = self._timed_roles("SELECT principal, role, ends_at FROM timed_roles WHERE principal = ?", name)
        ends = {found.role: found.ends_at for found in timed}
        return replace(rows[0], timed_roles=ends) if rows else None

    def has_principal(self, name: str) -> bool:
        """Tell whether there is a principal of that name."""
        return bool(self._file.run("SELECT 1 FROM principals WHERE principal = ?", name))

    def credentials(self, principal: str | None = None) -> list[EnrolledCredential]:
        """Return all credentials, or one principal's, oldest first."""
        if principal is None:
            return self._file.read("the credential", _credential, f"{_CREDENTIALS} ORDER BY created_at, id")
        query = f"{_CREDENTIALS} WHERE principal = ? ORDER BY created_at, id"
        return self._file.read("the credential", _credential, query, principal)

    def ended(self, now: datetime) -> list[Ended]:
        """Return the timed roles and credentials that have expired and are not removed yet."""
        second = write_timestamp(now)[:_UP_TO_SECONDS]
        query = "SELECT principal, role, ends_at FROM timed_roles WHERE substr(ends_at, 1, ?) <= ?"
        roles = self._timed_roles(query, _UP_TO_SECONDS, second)
        query = f"{_CREDENTIALS} WHERE substr(expires_at, 1, ?) <= ? ORDER BY created_at, id"
        credentials = self._file.read("the credential", _credential, query, _UP_TO_SECONDS, second)
        ended = [Ended(who, f"role {role}", end, EndRole(who, role, end)) for who, role, end in roles if end <= now]
        return ended + [
            Ended(found.principal, f"{found.kind} {found.id}", found.expires_at, _removal(found))
            for found in credentials
            if found.expires_at is not None and found.has_ended(now)
        ]

    def admins_without_end(self) -> list[EnrolledPrincipal]:
        """Return the principals that are admins without expiry, and have a credential without expiry."""
        query = (
            "SELECT * FROM principals WHERE instr(roles, ?) AND EXISTS (SELECT 1 FROM credentials"
            " WHERE credentials.principal = principals.principal AND expires_at IS NULL)"
        )
        rows = self._file.read("the principal", _principal, query, json.dumps(ADMIN_ROLE))
        found = (self.readable_principal(row.principal) for row in rows if ADMIN_ROLE in row.roles)
        return [each for each in found if each is not None]

    def invites(self) -> list[Invite]:
        """Return all stored invites, oldest first, also used ones."""
        return self._file.read("the invite", _invite, f"{_INVITES} ORDER BY created_at, id")

    def invite_of(self, token_hash: bytes) -> Invite | None:
        """Return the invite with this token."""
        rows = self._file.read("the invite", _invite, f"{_INVITES} WHERE token_hash = ?", token_hash)
        return rows[0] if rows else None

    def node_labels(self) -> dict[str, dict[str, str]]:
        """Return the labels set for node ids; `UNREADABLE` for damaged ones."""
        return dict(self._file.read("the labels of the node", _labels, "SELECT node_id, labels FROM node_labels"))

    def _timed_roles(self, query: str, *values: object) -> list[_TimedRole]:
        return self._file.read("a role of", _timed_role, query, *values)


_CREDENTIALS = "SELECT * FROM credentials"
_INVITES = (
    "SELECT invites.*, role_seconds, key_seconds, uses, used, id_prefix FROM invites"
    " LEFT JOIN invite_terms USING (id) LEFT JOIN fleet_invites USING (id)"
)


def _removal(credential: EnrolledCredential) -> RemoveCredential:
    return RemoveCredential(credential.id, credential.principal)


# Conversions of rows. All raise `ValueError` for a damaged one.


def _principal(
    name: object, display_name: object, roles: object, binds: object, at: object, by: object
) -> EnrolledPrincipal:
    return EnrolledPrincipal(
        principal=text(name),
        display_name=text(display_name),
        roles=texts(roles),
        binds=bool(number(binds)),
        created_at=read_timestamp(text(at)),
        created_by=text(by),
    )


def _timed_role(principal: object, role: object, end: object) -> _TimedRole:
    return _TimedRole(text(principal), text(role), read_timestamp(text(end)))


def _credential(
    id_: object, owner: object, kind: object, secret: object, label: object, at: object, end: object
) -> EnrolledCredential:
    made_as = CredentialKind(text(kind))
    return EnrolledCredential(
        id=text(id_),
        principal=text(owner),
        kind=made_as,
        secret=kept(read_kept(blob(secret))) if made_as is CredentialKind.KEY else blob(secret),
        label=text(label),
        created_at=read_timestamp(text(at)),
        expires_at=_moment(end),
    )


def _invite(*row: object) -> Invite:
    id_, hash_, kind, node_id, principal, name, roles, labels, at, by, expires, used, *more = row
    role_seconds, key_seconds, *fleet = more
    return Invite(
        id=text(id_),
        token_hash=blob(hash_),
        kind=InviteKind(text(kind)),
        node_id=text(node_id) if node_id is not None else None,
        principal=text(principal) if principal is not None else None,
        display_name=text(name),
        roles=texts(roles),
        labels=settings(labels),
        created_at=read_timestamp(text(at)),
        created_by=text(by),
        expires_at=read_timestamp(text(expires)),
        used_at=_moment(used),
        role_seconds=number(role_seconds, 1) if role_seconds is not None else None,
        key_seconds=number(key_seconds, 1) if key_seconds is not None else None,
        fleet=_fleet(*fleet) if fleet != [None, None, None] else None,
    )


def _fleet(uses: object, used: object, prefix: object) -> Fleet:
    most = number(uses, 1, MOST_USES)
    return Fleet(most, number(used, 0, most), text(prefix))


def _labels(node_id: object, labels: object) -> tuple[str, dict[str, str]]:
    try:
        return text(node_id), settings(labels)
    except (ValueError, RecursionError):
        logger.error("the labels of the node %s are damaged: nobody may use it until they are set anew", node_id)
        return text(node_id), UNREADABLE


def _moment(value: object) -> datetime | None:
    return read_timestamp(text(value)) if value is not None else None
