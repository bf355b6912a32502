"""Records of one hub alone, of nodes, keys and addresses (docs/architecture.md#state-is-on-disk-and-whole)."""

from typing import Any, NamedTuple

from omnyshell.protocol.limits import MOST_EPOCHS
from omnyshell.security.public_keys import MOST_COUNTER
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.state_file import StateFile, blob, number, text

_SCHEMA = """
CREATE TABLE IF NOT EXISTS guests (
    node_id   TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (node_id, principal)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bound_keys (
    key BLOB PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS key_counters (
    key     BLOB PRIMARY KEY,
    counter INTEGER NOT NULL
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
    uid       TEXT NOT NULL,
    noted_at  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proven_nodes (
    node_id TEXT PRIMARY KEY,
    key     BLOB NOT NULL,
    epoch   INTEGER NOT NULL,
    digest  BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proving_hubs (
    hub TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doubted_places (
    node_id TEXT PRIMARY KEY,
    hub     TEXT NOT NULL
) WITHOUT ROWID;
"""


class KnownAddress(NamedTuple):
    """A network (`network_of`) from which a principal logged in; the time is in seconds since 1970 (UTC)."""

    network: str
    principal: str
    seen_at: int


class KeyCounter(NamedTuple):
    """The last counter of a hardware token, by its key's `identity`."""

    key: bytes
    counter: int


class FirstHolder(NamedTuple):
    """The process that had a node id first (`Claimant`), its principal, and when that was noted.

    Seconds since 1970 (UTC).
    """

    node_id: str
    principal: str
    instance: str
    address: str
    host: str
    uid: str
    noted_at: int


class ProvenNode(NamedTuple):
    """The last proof of a node that it is at one of several hubs: by which key and epoch, and a digest of it."""

    node_id: str
    key: bytes
    epoch: int
    digest: bytes


class DoubtedPlace(NamedTuple):
    """A node that a hub says it has, without the proof that the node has to give."""

    node_id: str
    hub: str


class HubStore:
    """The tables. A change is on disk when the call returns; for the `LateTable`s it is a moment later."""

    def __init__(self, file: StateFile) -> None:
        """Raises `ConfigException` where the file cannot be used."""
        self._file = file
        file.create(_SCHEMA)
        if "noted_at" not in {name for _, name, *_ in file.run("PRAGMA table_info(first_holders)")}:
            file.create("ALTER TABLE first_holders ADD COLUMN noted_at INTEGER NOT NULL DEFAULT 0")
        self.addresses: LateTable[str, KnownAddress] = LateTable(
            "INSERT OR REPLACE INTO known_addresses VALUES (?, ?, ?)",
            "DELETE FROM known_addresses WHERE network = ?",
            tuple,
        )
        self.holders: LateTable[str, FirstHolder] = LateTable(
            "INSERT OR REPLACE INTO first_holders VALUES (?, ?, ?, ?, ?, ?, ?)",
            "DELETE FROM first_holders WHERE node_id = ?",
            tuple,
        )
        self.keys: LateTable[bytes, bytes] = LateTable(
            "INSERT OR IGNORE INTO bound_keys VALUES (?)", "DELETE FROM bound_keys WHERE key = ?", lambda key: (key,)
        )
        self.counters: LateTable[bytes, KeyCounter] = LateTable(
            "INSERT OR REPLACE INTO key_counters VALUES (?, ?)", "DELETE FROM key_counters WHERE key = ?", tuple
        )

        self.proven_nodes: LateTable[str, ProvenNode] = LateTable(
            "INSERT OR REPLACE INTO proven_nodes VALUES (?, ?, ?, ?)",
            "DELETE FROM proven_nodes WHERE node_id = ?",
            tuple,
        )
        self.proving_hubs: LateTable[str, str] = LateTable(
            "INSERT OR IGNORE INTO proving_hubs VALUES (?)",
            "DELETE FROM proving_hubs WHERE hub = ?",
            lambda hub: (hub,),
        )
        self.doubts: LateTable[str, DoubtedPlace] = LateTable(
            "INSERT OR REPLACE INTO doubted_places VALUES (?, ?)", "DELETE FROM doubted_places WHERE node_id = ?", tuple
        )

    @property
    def late_tables(self) -> list[LateTable[Any, Any]]:
        """The tables that are written a moment after they change."""
        of_hubs: list[LateTable[Any, Any]] = [self.proven_nodes, self.proving_hubs, self.doubts]
        return [self.addresses, self.holders, self.keys, self.counters, *of_hubs]

    def guests(self) -> list[tuple[str, str]]:
        """Return the pairs of node id and principal that are recorded."""
        return self._file.read("the guest of", _guest, "SELECT node_id, principal FROM guests")

    def drop_guest(self, node_id: str, principal: str) -> None:
        """Delete such a pair. Idempotent."""
        self._file.run("DELETE FROM guests WHERE node_id = ? AND principal = ?", node_id, principal)

    def bound_keys(self) -> set[bytes]:
        """Return the public keys that have made bound proofs."""
        found = set(self._file.read("the key", blob, "SELECT key FROM bound_keys"))
        self.keys.hold(found)
        return found

    def key_counters(self) -> dict[bytes, int]:
        """Return the last counters of hardware tokens, by their keys."""
        found = dict(self._file.read("the counter of the key", _counter, "SELECT key, counter FROM key_counters"))
        self.counters.hold(found)
        return found

    def known_proofs(self) -> tuple[list[ProvenNode], list[str]]:
        """Return the nodes that have proved where they are, and the hubs that pass proofs on."""
        query = "SELECT node_id, key, epoch, digest FROM proven_nodes"
        nodes = self._file.read("the proof of the node", _proven, query)
        hubs = self._file.read("the hub", text, "SELECT hub FROM proving_hubs")
        self.proven_nodes.hold(each.node_id for each in nodes)
        self.proving_hubs.hold(hubs)
        return nodes, hubs

    def forget_doubts(self) -> None:
        """Delete the doubted places: what is doubted by now is found as it is read."""
        self._file.run("DELETE FROM doubted_places")

    def known_addresses(self) -> list[KnownAddress]:
        """Return the known addresses, the least recently seen first."""
        query = "SELECT network, principal, seen_at FROM known_addresses ORDER BY seen_at, network"
        found = self._file.read("the address", _address, query)
        self.addresses.hold(each.network for each in found)
        return found

    def first_holders(self) -> list[FirstHolder]:
        """Return the first holders of node ids, the least recently noted first."""
        query = "SELECT node_id, principal, instance, address, host, uid, noted_at FROM first_holders ORDER BY noted_at"
        found = self._file.read("the first holder of", _holder, query)
        self.holders.hold(each.node_id for each in found)
        return found


def _guest(node_id: object, principal: object) -> tuple[str, str]:
    return text(node_id), text(principal)


def _counter(key: object, counter: object) -> KeyCounter:
    return KeyCounter(blob(key), number(counter, 0, MOST_COUNTER))


def doubted_places(file: StateFile) -> list[DoubtedPlace]:
    """Return what a hub doubts, which may run, of what others say. Raises `ConfigException` for an unusable file."""
    if not file.run("SELECT 1 FROM sqlite_master WHERE name = 'doubted_places'"):
        return []
    return file.read("the place of", _doubted, "SELECT node_id, hub FROM doubted_places ORDER BY hub, node_id")


def _proven(node_id: object, key: object, epoch: object, digest: object) -> ProvenNode:
    return ProvenNode(text(node_id), blob(key), number(epoch, 0, MOST_EPOCHS), blob(digest))


def _doubted(node_id: object, hub: object) -> DoubtedPlace:
    return DoubtedPlace(text(node_id), text(hub))


def _address(network: object, principal: object, seen_at: object) -> KnownAddress:
    return KnownAddress(text(network), text(principal), number(seen_at))


def _holder(*row: object) -> FirstHolder:
    *told, noted_at = row
    node_id, principal, instance, address, host, uid = map(text, told)
    return FirstHolder(node_id, principal, instance, address, host, uid, number(noted_at))
