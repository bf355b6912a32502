"""Principals, credentials, invites and labels that admins made, in the hub's SQLite file. Tokens are hashed."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.model.admin import CredentialKind, InviteKind
from omnyshell.model.schema import read_timestamp, write_timestamp
from omnyshell.services.hub.database import open_database, transaction

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledPrincipal:
    """A principal. `binds` says that its key logins must carry `auth-bind`'s signature.

    `roles` are those it has for good, `timed_roles` those beside them that end, with their ends.
    """

    principal: str
    display_name: str = ""
    roles: frozenset[str] = frozenset()
    timed_roles: dict[str, datetime] = field(default_factory=dict)
    binds: bool = False
    created_at: datetime
    created_by: str = ""

    def roles_at(self, now: datetime) -> frozenset[str]:
        """Return the roles that it has at that time."""
        return self.roles.union(role for role, end in self.timed_roles.items() if now < end)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledCredential:
    """A token's SHA-256, or a public key, by `kind`."""

    id: str
    principal: str
    kind: CredentialKind
    secret: bytes = field(repr=False)
    label: str = ""
    created_at: datetime
    expires_at: datetime | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether nobody can log in with it any more at that time."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many machines can join by an invite, how many have, and what their ids begin with."""

    uses: int
    used: int = 0
    id_prefix: str = ""

    @property
    def left(self) -> int:
        """How many can still join."""
        return self.uses - self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """A token, as its SHA-256, and what it gives: good once, or for a `fleet`. `used_at` is set when it is used up.

    `role_seconds` and `key_seconds` say for how long it gives roles and key, from its use on; None is for good.
    """

    id: str
    token_hash: bytes = field(repr=False)
    kind: InviteKind
    node_id: str | None = None
    principal: str | None = None
    display_name: str = ""
    roles: frozenset[str] = frozenset()
    labels: dict[str, str] = field(default_factory=dict)
    created_at: datetime
    created_by: str = ""
    expires_at: datetime
    used_at: datetime | None = None
    role_seconds: int | None = None
    key_seconds: int | None = None
    fleet: Fleet | None = None


class Ended(NamedTuple):
    """A role that a principal had for a time, or a credential of its, has ended."""

    principal: str
    what: str
    at: datetime


class EnrolmentStore:
    """The tables. A change is on disk when it returns; all raise `ConfigException` where the file cannot be used."""

    def __init__(self, path: Path | None) -> None:
        """Open the file; without one, everything ends with the process."""
        with _translated():
            self._db = open_database(path, _SCHEMA)
            self._migrate(path)

    def _migrate(self, path: Path | None) -> None:
        ((version,),) = self._db.execute("PRAGMA user_version")
        if version > _VERSION:
            self._db.close()
            raise ConfigException(f"{path} was written by a newer version of OmnyShell: use that one")
        if version < _VERSION:
            with self.transaction():
                self._db.execute(_FROM_0_1_0)
                self._db.execute(f"PRAGMA user_version = {_VERSION}")

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Have the changes inside take effect together, or not at all; one inside another is part of that."""
        with _translated(), transaction(self._db):
            yield

    def principals(self) -> list[EnrolledPrincipal]:
        """Return all principals, sorted."""
        timed: dict[str, dict[str, datetime]] = {}
        for principal, role, end in self._rows("SELECT * FROM timed_roles"):
            timed.setdefault(principal, {})[role] = read_timestamp(end)
        rows = self._rows("SELECT * FROM principals ORDER BY principal")
        return [
            EnrolledPrincipal(
                principal=principal,
                display_name=name,
                roles=frozenset(json.loads(roles)),
                timed_roles=timed.get(principal, {}),
                binds=bool(binds),
                created_at=read_timestamp(at),
                created_by=by,
            )
            for principal, name, roles, binds, at, by in rows
        ]

    def principal(self, name: str) -> EnrolledPrincipal | None:
        """Return one principal."""
        return next((found for found in self.principals() if found.principal == name), None)

    def has_principal(self, name: str) -> bool:
        """Tell whether there is a principal of that name."""
        return bool(self._rows("SELECT 1 FROM principals WHERE principal = ?", name))

    def put_principal(self, made: EnrolledPrincipal) -> None:
        """Add a principal, or replace what is said of it; its credentials stay."""
        with self.transaction():
            self._change(
                "INSERT INTO principals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (principal) DO UPDATE SET"
                " display_name = excluded.display_name, roles = excluded.roles, binds = excluded.binds",
                made.principal,
                made.display_name,
                json.dumps(sorted(made.roles)),
                int(made.binds),
                write_timestamp(made.created_at),
                made.created_by,
            )
            self._change("DELETE FROM timed_roles WHERE principal = ?", made.principal)
            for role, end in made.timed_roles.items():
                self._change("INSERT INTO timed_roles VALUES (?, ?, ?)", made.principal, role, write_timestamp(end))

    def remove_principal(self, name: str) -> None:
        """Remove a principal and its credentials."""
        self._change("DELETE FROM principals WHERE principal = ?", name)

    def credentials(self, principal: str | None = None) -> list[EnrolledCredential]:
        """Return all credentials, or one principal's, oldest first."""
        query = "SELECT * FROM credentials WHERE ?1 IS NULL OR principal = ?1 ORDER BY created_at, id"
        return [
            EnrolledCredential(
                id=id_,
                principal=owner,
                kind=CredentialKind(kind),
                secret=secret,
                label=label,
                created_at=read_timestamp(at),
                expires_at=read_timestamp(expires) if expires is not None else None,
            )
            for id_, owner, kind, secret, label, at, expires in self._rows(query, principal)
        ]

    def put_credential(self, made: EnrolledCredential) -> None:
        """Add a credential, or replace the one with its id."""
        self._change(
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
            self._change("DELETE FROM credentials WHERE id = ?", id_)

    def take_ends(self, now: datetime) -> list[Ended]:
        """Forget timed roles and credentials that have ended; returns them."""
        timed = (
            (principal, role, read_timestamp(end)) for principal, role, end in self._rows("SELECT * FROM timed_roles")
        )
        roles = [found for found in timed if found[2] <= now]
        credentials = [found for found in self.credentials() if found.has_ended(now)]
        if not roles and not credentials:
            return []
        with self.transaction():
            for principal, role, _ in roles:
                self._change("DELETE FROM timed_roles WHERE principal = ? AND role = ?", principal, role)
            self.remove_credentials([found.id for found in credentials])
        ended = [Ended(principal, f"role {role}", end) for principal, role, end in roles]
        return ended + [
            Ended(found.principal, f"{found.kind} {found.id}", found.expires_at)
            for found in credentials
            if found.expires_at is not None
        ]

    def invites(self) -> list[Invite]:
        """Return all invites that are remembered, oldest first, the used ones too."""
        return [_invite(row) for row in self._rows(f"{_INVITES} ORDER BY created_at, id")]

    def invite_of(self, token_hash: bytes) -> Invite | None:
        """Return the invite with this token."""
        rows = self._rows(f"{_INVITES} WHERE token_hash = ?", token_hash)
        return _invite(rows[0]) if rows else None

    def put_invite(self, made: Invite) -> None:
        """Add an invite, or replace the one with its id."""
        with self.transaction():
            self._change(
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
            self._change("INSERT OR REPLACE INTO invite_terms VALUES (?, ?, ?)", made.id, *terms)
            if made.fleet is not None:
                counted = (made.fleet.uses, made.fleet.used, made.fleet.id_prefix)
                self._change("INSERT OR REPLACE INTO fleet_invites VALUES (?, ?, ?, ?)", made.id, *counted)

    def remove_invite(self, id_: str) -> None:
        """Remove an invite."""
        self._change("DELETE FROM invites WHERE id = ?", id_)

    def forget_invites(self, before: datetime) -> None:
        """Forget invites that expired before; until then a used one is told apart from a wrong token."""
        self._change("DELETE FROM invites WHERE expires_at < ?", write_timestamp(before))

    def node_labels(self) -> dict[str, dict[str, str]]:
        """Return the labels set for node ids."""
        return {node: json.loads(labels) for node, labels in self._rows("SELECT * FROM node_labels")}

    def set_node_labels(self, node_id: str, labels: dict[str, str]) -> None:
        """Set the labels of a node id; none of them removes what was set."""
        if labels:
            self._change("INSERT OR REPLACE INTO node_labels VALUES (?, ?)", node_id, json.dumps(labels))
        else:
            self._change("DELETE FROM node_labels WHERE node_id = ?", node_id)

    def _rows(self, query: str, *values: object) -> list[Any]:
        with _translated():
            return self._db.execute(query, values).fetchall()

    def _change(self, statement: str, *values: object) -> None:
        with _translated():
            self._db.execute(statement, values)


_INVITES = (
    "SELECT invites.*, role_seconds, key_seconds, uses, used, id_prefix FROM invites"
    " LEFT JOIN invite_terms USING (id) LEFT JOIN fleet_invites USING (id)"
)


def _invite(row: Any) -> Invite:
    id_, hash_, kind, node_id, principal, name, roles, labels, at, by, expires, used, *more = row
    role_seconds, key_seconds, uses, used_by, prefix = more
    return Invite(
        id=id_,
        token_hash=hash_,
        kind=InviteKind(kind),
        node_id=node_id,
        principal=principal,
        display_name=name,
        roles=frozenset(json.loads(roles)),
        labels=json.loads(labels),
        created_at=read_timestamp(at),
        created_by=by,
        expires_at=read_timestamp(expires),
        used_at=read_timestamp(used) if used is not None else None,
        role_seconds=role_seconds,
        key_seconds=key_seconds,
        fleet=Fleet(uses, used_by, prefix) if uses is not None else None,
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise ConfigException(f"cannot use the hub's state file: {exc}") from exc
