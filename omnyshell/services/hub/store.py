"""What a hub remembers across restarts, in one SQLite file (decision 8 of the architecture)."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from omnyshell.errors import ConfigException
from omnyshell.services.hub.database import open_database, transaction

STATE_FILE = "hub.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS node_owners (
    node_id   TEXT PRIMARY KEY,
    principal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guests (
    node_id   TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (node_id, principal)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bound_keys (
    key BLOB PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known_addresses (
    network   TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    seen_at   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS first_holders (
    node_id   TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    instance  TEXT NOT NULL,
    address   TEXT NOT NULL,
    host      TEXT NOT NULL,
    uid       TEXT NOT NULL
) WITHOUT ROWID;
"""


class KnownAddress(NamedTuple):
    """A network (`network_of`) from which a principal logged in; the time is in seconds since 1970."""

    network: str
    principal: str
    seen_at: int


class NodeOwners(Protocol):
    """Which principal a node id belongs to: the first that registered it (section 9)."""

    def claim(self, node_id: str, principal: str) -> bool:
        """Give a free id to the principal; returns whether the id is the principal's."""

    def owners(self) -> Mapping[str, str]:
        """Return the principals by node id."""

    def count_of(self, principal: str) -> int:
        """Return how many ids a principal has."""

    def release(self, node_id: str) -> None:
        """Let anybody claim the id. Idempotent."""


class MemoryNodeOwners:
    """Ownership for a hub without a state directory: it ends with the process."""

    def __init__(self, owners: Iterable[tuple[str, str]] = ()) -> None:
        self._owners = dict(owners)
        self._counts = Counter(self._owners.values())

    def claim(self, node_id: str, principal: str) -> bool:
        """Give a free id to the principal; returns whether the id is the principal's."""
        if node_id not in self._owners:
            self._owners[node_id] = principal
            self._counts[principal] += 1
        return self._owners[node_id] == principal

    def owners(self) -> Mapping[str, str]:
        """Return the principals by node id."""
        return self._owners

    def count_of(self, principal: str) -> int:
        """Return how many ids a principal has."""
        return self._counts[principal]

    def release(self, node_id: str) -> None:
        """Let anybody claim the id. Idempotent."""
        owner = self._owners.pop(node_id, None)
        if owner is not None:
            self._counts[owner] -= 1


class HubStore:
    """A hub's database. Raises `ConfigException` where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = open_database(path, _SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot use the hub's state file {path}: {exc}") from exc
        self._owners = MemoryNodeOwners(self._db.execute("SELECT node_id, principal FROM node_owners"))

    def claim(self, node_id: str, principal: str) -> bool:
        """Give a free id to the principal; returns whether the id is the principal's. On disk when it returns."""
        if node_id not in self._owners.owners():
            try:
                self._db.execute("INSERT INTO node_owners VALUES (?, ?)", (node_id, principal))
            except sqlite3.Error as exc:
                raise ConfigException(f"cannot write the hub's state: {exc}") from exc
        return self._owners.claim(node_id, principal)

    def owners(self) -> Mapping[str, str]:
        """Return the principals by node id."""
        return self._owners.owners()

    def count_of(self, principal: str) -> int:
        """Return how many ids a principal has."""
        return self._owners.count_of(principal)

    def release(self, node_id: str) -> None:
        """Let anybody claim the id; on disk when it returns. Idempotent."""
        try:
            self._db.execute("DELETE FROM first_holders WHERE node_id = ?", (node_id,))
            self._db.execute("DELETE FROM node_owners WHERE node_id = ?", (node_id,))
        except sqlite3.Error as exc:
            raise ConfigException(f"cannot write the hub's state: {exc}") from exc
        self._owners.release(node_id)

    def guests(self) -> list[tuple[str, str]]:
        """Return the pairs of node id and principal that were noted."""
        return list(self._db.execute("SELECT node_id, principal FROM guests"))

    def drop_guest(self, node_id: str, principal: str) -> None:
        """Drop such a pair; on disk when it returns. Idempotent."""
        try:
            self._db.execute("DELETE FROM guests WHERE node_id = ? AND principal = ?", (node_id, principal))
        except sqlite3.Error as exc:
            raise ConfigException(f"cannot write the hub's state: {exc}") from exc

    def bound_keys(self) -> set[bytes]:
        """Return the public keys that were noted."""
        return {key for (key,) in self._db.execute("SELECT key FROM bound_keys")}

    def note_bound_key(self, key: bytes) -> None:
        """Keep a public key; on disk when it returns. Idempotent."""
        try:
            self._db.execute("INSERT OR IGNORE INTO bound_keys VALUES (?)", (key,))
        except sqlite3.Error as exc:
            raise ConfigException(f"cannot write the hub's state: {exc}") from exc

    def known_addresses(self) -> list[KnownAddress]:
        """Return the addresses that were noted, the one that was seen least recently first."""
        query = "SELECT network, principal, seen_at FROM known_addresses ORDER BY seen_at, network"
        return [KnownAddress(*row) for row in self._db.execute(query)]

    def note_addresses(self, seen: Iterable[KnownAddress], gone: Iterable[str]) -> None:
        """Keep addresses, and drop others by their networks; on disk, all of it or nothing, when it returns."""
        try:
            with transaction(self._db):
                self._db.executemany("DELETE FROM known_addresses WHERE network = ?", ((network,) for network in gone))
                self._db.executemany("INSERT OR REPLACE INTO known_addresses VALUES (?, ?, ?)", seen)
        except sqlite3.Error as exc:
            raise ConfigException(f"cannot write the hub's state: {exc}") from exc

    def first_holders(self) -> list[tuple[str, str, str, str, str, str]]:
        """Return node id and principal, and instance, address, host and UID of the process that had the id first."""
        return list(self._db.execute("SELECT node_id, principal, instance, address, host, uid FROM first_holders"))

    def note_first_holder(self, *row: str) -> None:
        """Keep a row as `first_holders` returns it, instead of an older one; on disk when it returns."""
        try:
            self._db.execute("INSERT OR REPLACE INTO first_holders VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as exc:
            raise ConfigException(f"cannot write the hub's state: {exc}") from exc

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()
