"""The tables of the hub's durable facts, and the migration of earlier versions."""

from omnyshell.errors import ConfigException
from omnyshell.services.hub.ground.state_file import StateFile

SCHEMA = """
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
CREATE TABLE IF NOT EXISTS node_owners (
    node_id   TEXT PRIMARY KEY,
    principal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS locks (
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    id         TEXT NOT NULL,
    why        TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    hub      TEXT PRIMARY KEY,
    key      BLOB NOT NULL,
    added_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS member_levels (
    hub   TEXT PRIMARY KEY,
    level INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS once (
    id TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS applied (
    log TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
"""

_EMPTYING = (
    "DELETE FROM principals",
    "DELETE FROM credentials",
    "DELETE FROM timed_roles",
    "DELETE FROM invites",
    "DELETE FROM fleet_invites",
    "DELETE FROM invite_terms",
    "DELETE FROM node_labels",
    "DELETE FROM node_owners",
    "DELETE FROM locks",
    "DELETE FROM members",
    "DELETE FROM member_levels",
    "DELETE FROM once",
    "DELETE FROM applied",
)

_VERSION = 1
"""The version of the tables, in the file's `user_version`; 0 is that of 0.1.0, without expiries of roles and without
fleets."""

_FROM_0_1_0 = "DELETE FROM credentials WHERE expires_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
"""Credentials that expired under 0.1.0, which did not audit that, are deleted without a record."""


def empty_tables(file: StateFile) -> None:
    """Forget all that is true, to be told it anew. Raises `ConfigException` if the file cannot be used."""
    for statement in _EMPTYING:
        file.run(statement)


def open_tables(file: StateFile) -> None:
    """Create missing tables, and migrate those of an earlier version.

    Raises `ConfigException` if the file cannot be used, or a newer version wrote it.
    """
    ((version,),) = file.run("PRAGMA user_version")
    if version > _VERSION:
        raise ConfigException(f"{file.path} was written by a newer version of OmnyShell: use that one")
    file.create(SCHEMA)
    if version < _VERSION:
        with file.transaction():
            file.run(_FROM_0_1_0)
            file.run(f"PRAGMA user_version = {_VERSION}")
