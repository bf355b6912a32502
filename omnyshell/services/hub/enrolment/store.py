"""Principals, credentials, invites and labels that admins made, in the hub's SQLite file. Tokens are hashed."""

import json
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.model.admin import CredentialKind, InviteKind
from omnyshell.model.principals import ADMIN_ROLE
from omnyshell.model.schema import read_timestamp, write_timestamp
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.enrolment.records import (
    MOST_USES,
    Ended,
    EnrolledCredential,
    EnrolledPrincipal,
    Fleet,
    Invite,
)
from omnyshell.services.hub.ground.state_file import StateFile, blob, number, settings, text, texts

logger = logging.getLogger("omnyshell.hub")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS principals (
    principal    TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    roles        TEXT NOT NULL,
    binds        INTEGER NOT NULL,
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS credentials (
    id         TEXT PRIMARY KEY,
    principal  TEXT NOT NULL REFERENCES principals ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    secret     BLOB NOT NULL,
    label      TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    UNIQUE (principal, secret)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invites (
    id           TEXT PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    node_id      TEXT,
    principal    TEXT,
    display_name TEXT NOT NULL,
    roles        TEXT NOT NULL,
    labels       TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    used_at      TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node_labels (
    node_id TEXT PRIMARY KEY,
    labels  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS timed_roles (
    principal TEXT NOT NULL REFERENCES principals ON DELETE CASCADE,
    role      TEXT NOT NULL,
    ends_at   TEXT NOT NULL,
    PRIMARY KEY (principal, role)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fleet_invites (
    id        TEXT PRIMARY KEY REFERENCES invites ON DELETE CASCADE,
    uses      INTEGER NOT NULL,
    used      INTEGER NOT NULL,
    id_prefix TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invite_terms (
    id           TEXT PRIMARY KEY REFERENCES invites ON DELETE CASCADE,
    role_seconds INTEGER,
    key_seconds  INTEGER
) WITHOUT ROWID;
"""

_VERSION = 1
"""Of the tables, in the file's `user_version`; 0 is that of 0.1.0, which had neither of the last two."""

_FROM_0_1_0 = "DELETE FROM credentials WHERE expires_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
"""What ended before anybody was told of ends is not told now."""


UNREADABLE = {"": "unreadable"}
"""The labels of a node id whose own cannot be read. No label is named so; nobody may use a node that has it."""

_UP_TO_SECONDS = len("2026-01-02T03:04:05")
"""Characters of a time, by which times can be compared as texts."""


class _TimedRole(NamedTuple):
    principal: str
    role: str
    ends_at: datetime


class EnrolmentStore:
    """The tables. A change is on disk when it returns; all raise `ConfigException` where the file cannot be used.

    Nothing is granted by a row that is damaged: it is left out of every answer, or the answer fails.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        file.create(_SCHEMA)
        self._migrate()

    def _migrate(self) -> None:
        ((version,),) = self._file.run("PRAGMA user_version")
        if version > _VERSION:
            raise ConfigException(f"{self._file.path} was written by a newer version of OmnyShell: use that one")
        if version < _VERSION:
            with self.transaction():
                self._file.run(_FROM_0_1_0)
                self._file.run(f"PRAGMA user_version = {_VERSION}")

    def transaction(self) -> AbstractContextManager[None]:
        """Have the changes inside take effect together, or not at all; one inside another is part of that."""
        return self._file.transaction()

    def principals(self) -> list[EnrolledPrincipal]:
        """Return all principals, sorted."""
        timed: dict[str, dict[str, datetime]] = {}
        for found in self._timed_roles("SELECT principal, role, ends_at FROM timed_roles"):
            timed.setdefault(found.principal, {})[found.role] = found.ends_at
        rows = self._file.read("the principal", _principal, "SELECT * FROM principals ORDER BY principal")
        return [replace(found, timed_roles=timed.get(found.principal, {})) for found in rows]

    def principal(self, name: str) -> EnrolledPrincipal | None:
        """Return one principal. Raises `ConfigException` where its row is damaged."""
        found = self.readable_principal(name)
        if found is None and self.has_principal(name):
            problem = f"what the hub's state file says of '{name}' is damaged: revoke it, and add it anew"
            raise ConfigException(problem)
        return found

    def readable_principal(self, name: str) -> EnrolledPrincipal | None:
        """Return one principal; None where there is none, or its row is damaged."""
        rows = self._file.read("the principal", _principal, "SELECT * FROM principals WHERE principal = ?", name)
        timed = self._timed_roles("SELECT principal, role, ends_at FROM timed_roles WHERE principal = ?", name)
        ends = {found.role: found.ends_at for found in timed}
        return replace(rows[0], timed_roles=ends) if rows else None

    def has_principal(self, name: str) -> bool:
        """Tell whether there is a principal of that name."""
        return bool(self._file.run("SELECT 1 FROM principals WHERE principal = ?", name))

    def put_principal(self, made: EnrolledPrincipal) -> None:
        """Add a principal, or replace what is said of it; its credentials stay."""
        with self.transaction():
            self._file.run(
                "INSERT INTO principals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (principal) DO UPDATE SET"
                " display_name = excluded.display_name, roles = excluded.roles, binds = excluded.binds",
                made.principal,
                made.display_name,
                json.dumps(sorted(made.roles)),
                int(made.binds),
                write_timestamp(made.created_at),
                made.created_by,
            )
            self._file.run("DELETE FROM timed_roles WHERE principal = ?", made.principal)
            for role, end in made.timed_roles.items():
                self._file.run("INSERT INTO timed_roles VALUES (?, ?, ?)", made.principal, role, write_timestamp(end))

    def remove_principal(self, name: str) -> None:
        """Remove a principal and its credentials."""
        self._file.run("DELETE FROM principals WHERE principal = ?", name)

    def credentials(self, principal: str | None = None) -> list[EnrolledCredential]:
        """Return all credentials, or one principal's, oldest first."""
        if principal is None:
            return self._file.read("the credential", _credential, f"{_CREDENTIALS} ORDER BY created_at, id")
        query = f"{_CREDENTIALS} WHERE principal = ? ORDER BY created_at, id"
        return self._file.read("the credential", _credential, query, principal)

    def put_credential(self, made: EnrolledCredential) -> None:
        """Add a credential, or replace the one with its id."""
        self._file.run(
            "INSERT OR REPLACE INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?)",
            made.id,
            made.principal,
            made.kind,
            made.secret,
            made.label,
            write_timestamp(made.created_at),
            write_timestamp(made.expires_at) if made.expires_at is not None else None,
        )

    def remove_credentials(self, ids: Sequence[str]) -> None:
        """Remove credentials."""
        for id_ in ids:
            self._file.run("DELETE FROM credentials WHERE id = ?", id_)

    def take_ends(self, now: datetime) -> list[Ended]:
        """Forget timed roles and credentials that have ended; returns them."""
        second = write_timestamp(now)[:_UP_TO_SECONDS]
        query = "SELECT principal, role, ends_at FROM timed_roles WHERE substr(ends_at, 1, ?) <= ?"
        roles = [found for found in self._timed_roles(query, _UP_TO_SECONDS, second) if found.ends_at <= now]
        query = f"{_CREDENTIALS} WHERE substr(expires_at, 1, ?) <= ? ORDER BY created_at, id"
        credentials = self._file.read("the credential", _credential, query, _UP_TO_SECONDS, second)
        credentials = [found for found in credentials if found.has_ended(now)]
        if not roles and not credentials:
            return []
        with self.transaction():
            for principal, role, _ in roles:
                self._file.run("DELETE FROM timed_roles WHERE principal = ? AND role = ?", principal, role)
            self.remove_credentials([found.id for found in credentials])
        ended = [Ended(principal, f"role {role}", end) for principal, role, end in roles]
        return ended + [
            Ended(found.principal, f"{found.kind} {found.id}", found.expires_at)
            for found in credentials
            if found.expires_at is not None
        ]

    def lasting_admins(self) -> list[EnrolledPrincipal]:
        """Return the principals that are admins for good, and have a credential that does not end."""
        query = (
            "SELECT * FROM principals WHERE instr(roles, ?) AND EXISTS (SELECT 1 FROM credentials"
            " WHERE credentials.principal = principals.principal AND expires_at IS NULL)"
        )
        rows = self._file.read("the principal", _principal, query, json.dumps(ADMIN_ROLE))
        found = (self.readable_principal(row.principal) for row in rows if ADMIN_ROLE in row.roles)
        return [each for each in found if each is not None]

    def invites(self) -> list[Invite]:
        """Return all invites that are remembered, oldest first, the used ones too."""
        return self._file.read("the invite", _invite, f"{_INVITES} ORDER BY created_at, id")

    def invite_of(self, token_hash: bytes) -> Invite | None:
        """Return the invite with this token."""
        rows = self._file.read("the invite", _invite, f"{_INVITES} WHERE token_hash = ?", token_hash)
        return rows[0] if rows else None

    def put_invite(self, made: Invite) -> None:
        """Add an invite, or replace the one with its id."""
        with self.transaction():
            self._file.run(
                "INSERT OR REPLACE INTO invites VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                made.id,
                made.token_hash,
                made.kind,
                made.node_id,
                made.principal,
                made.display_name,
                json.dumps(sorted(made.roles)),
                json.dumps(made.labels),
                write_timestamp(made.created_at),
                made.created_by,
                write_timestamp(made.expires_at),
                write_timestamp(made.used_at) if made.used_at is not None else None,
            )
            terms = (made.role_seconds, made.key_seconds)
            self._file.run("INSERT OR REPLACE INTO invite_terms VALUES (?, ?, ?)", made.id, *terms)
            if made.fleet is not None:
                counted = (made.fleet.uses, made.fleet.used, made.fleet.id_prefix)
                self._file.run("INSERT OR REPLACE INTO fleet_invites VALUES (?, ?, ?, ?)", made.id, *counted)

    def remove_invite(self, id_: str) -> None:
        """Remove an invite."""
        self._file.run("DELETE FROM invites WHERE id = ?", id_)

    def forget_invites(self, before: datetime) -> None:
        """Forget invites that expired before; until then a used one is told apart from a wrong token."""
        self._file.run("DELETE FROM invites WHERE expires_at < ?", write_timestamp(before))

    def node_labels(self) -> dict[str, dict[str, str]]:
        """Return the labels set for node ids; for those whose labels are damaged `UNREADABLE`."""
        return dict(self._file.read("the labels of the node", _labels, "SELECT node_id, labels FROM node_labels"))

    def labels_of(self, node_id: str) -> dict[str, str]:
        """Return the labels set for one node id."""
        query = "SELECT node_id, labels FROM node_labels WHERE node_id = ?"
        return dict(self._file.read("the labels of the node", _labels, query, node_id)).get(node_id, {})

    def set_node_labels(self, node_id: str, labels: dict[str, str]) -> None:
        """Set the labels of a node id; none of them removes what was set."""
        if labels:
            self._file.run("INSERT OR REPLACE INTO node_labels VALUES (?, ?)", node_id, json.dumps(labels))
        else:
            self._file.run("DELETE FROM node_labels WHERE node_id = ?", node_id)

    def _timed_roles(self, query: str, *values: object) -> list[_TimedRole]:
        return self._file.read("a role of", _timed_role, query, *values)


_CREDENTIALS = "SELECT * FROM credentials"
_INVITES = (
    "SELECT invites.*, role_seconds, key_seconds, uses, used, id_prefix FROM invites"
    " LEFT JOIN invite_terms USING (id) LEFT JOIN fleet_invites USING (id)"
)


# What a row says. All raise `ValueError` for a damaged one.


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
        secret=Ed25519PublicKey(blob(secret)).raw if made_as is CredentialKind.KEY else blob(secret),
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
