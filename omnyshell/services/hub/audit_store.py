"""The audit trail on disk: an append-only table in SQLite, chained and signed.

`AuditStore` writes and belongs to one thread; `AuditReader` reads beside it, also from another process.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException
from omnyshell.model.audit import AuditRecord
from omnyshell.model.schema import write_timestamp
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.audit_chain import ANCHOR, GENESIS, HEAD, ChainedRecord, Seal, chain, seal
from omnyshell.services.hub.database import LOCKED_WAIT, open_database

AUDIT_FILE = "audit.sqlite3"
KEY_FILE = "audit.key"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    seq      INTEGER PRIMARY KEY,
    previous BLOB NOT NULL,
    record   TEXT NOT NULL,
    hash     BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS seals (
    kind      TEXT PRIMARY KEY,
    seq       INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    at        TEXT NOT NULL,
    signature BLOB NOT NULL
) WITHOUT ROWID;
"""
# One statement for all lets the interpreter go once: with one for each row, a busy loop would let this thread
# have it again every 5 ms at best. `key` counts from 0; a hash has 32 bytes, the first is of the record before.
_INSERT = """
INSERT INTO records (seq, previous, record, hash)
SELECT ?1 + key, substr(?2, 1 + 32 * key, 32), value, substr(?2, 33 + 32 * key, 32) FROM json_each(?3)
"""

YIELD_EVERY = 256
"""Records between two moments at which the thread that works for the trail lets others run."""

TRIM_TO = 0.9
"""Retention by size leaves this part of the limit, so that it does not run for every record."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, and up to which size in bytes, records are kept; None sets no limit."""

    max_age: timedelta | None = None
    max_bytes: int | None = None


def load_audit_key(state_dir: Path) -> Ed25519PrivateKey:
    """Return the key that signs the trail, made at the first call. Raises `ConfigException`."""
    path = state_dir / KEY_FILE
    if not path.exists():
        Ed25519PrivateKey.generate().save(path)
    return Ed25519PrivateKey.load(path)


class AuditStore:
    """Appends to the trail. `append` and `trim` raise `sqlite3.Error` where they fail, and nothing has changed then."""

    def __init__(self, path: Path, key: Ed25519PrivateKey, clock: Clock) -> None:
        """Open the file, or make it. Raises `ConfigException` where it cannot be used."""
        self._key = key
        self._clock = clock
        try:
            # Opened by the hub's thread, used by the writer's, closed by either.
            self._db = open_database(path, _SCHEMA, ["auto_vacuum = INCREMENTAL"])
            row = self._db.execute("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
            mark = _seal(self._db, ANCHOR)
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot use the audit trail {path}: {exc}") from exc
        after_trim = (mark.seq, mark.hash) if mark is not None else (0, GENESIS)
        last: tuple[int, bytes] = row or after_trim
        self._seq, self._hash = last

    @property
    def is_empty(self) -> bool:
        """Whether nothing has ever been recorded here."""
        return self._seq == 0

    def append(self, records: Sequence[AuditRecord]) -> list[ChainedRecord]:
        """Add records in one transaction; they are on disk when this returns."""
        chained = self._chain(records)
        with self._transaction():
            self._insert(chained)
        self._seq, self._hash = chained[-1].seq, chained[-1].hash
        return chained

    def trim(self, retention: Retention) -> list[ChainedRecord]:
        """Remove what is too old or too much, leaving a signed anchor; returns the record of doing so."""
        last, why = max((self._last_too_old(retention), "age"), (self._last_too_much(retention), "size"))
        # The newest record stays, so that there is always one that the head signs.
        last = min(last, self._seq - 1)
        first = self._first()
        if first is None or last < first:
            return []
        record = AuditRecord(at=self._clock.now(), action="audit.trim", reason=why, detail=f"records {first} to {last}")
        chained = self._chain([record])
        with self._transaction():
            (hash_,) = self._db.execute("SELECT hash FROM records WHERE seq = ?", (last,)).fetchone()
            self._put_seal(ANCHOR, last, hash_)
            self._db.execute("DELETE FROM records WHERE seq <= ?", (last,))
            self._insert(chained)
        self._seq, self._hash = chained[-1].seq, chained[-1].hash
        # A script is stepped to its end; `execute` would free one page.
        self._db.executescript("PRAGMA incremental_vacuum")
        return chained

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    def _chain(self, records: Sequence[AuditRecord]) -> list[ChainedRecord]:
        chained, seq, previous = [], self._seq, self._hash
        for record in records:
            seq += 1
            if seq % YIELD_EVERY == 0:
                # Otherwise the hub's loop could wait for the interpreter for up to 5 ms.
                time.sleep(0)
            made = chain(seq, previous, record)
            previous = made.hash
            chained.append(made)
        return chained

    def _insert(self, chained: Sequence[ChainedRecord]) -> None:
        hashes = chained[0].previous + b"".join(made.hash for made in chained)
        texts = msgspec.json.encode([made.text.decode() for made in chained])
        self._db.execute(_INSERT, (chained[0].seq, hashes, texts))
        self._put_seal(HEAD, chained[-1].seq, chained[-1].hash)

    def _put_seal(self, kind: str, seq: int, hash_: bytes) -> None:
        made = seal(kind, seq, hash_, write_timestamp(self._clock.now()), self._key.sign)
        self._db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?, ?, ?, ?)", made)

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)

    def _first(self) -> int | None:
        (first,) = self._db.execute("SELECT min(seq) FROM records").fetchone()
        return int(first) if first is not None else None

    def _last_too_old(self, retention: Retention) -> int:
        """The last record of the beginning that is too old; 0 where none is."""
        if retention.max_age is None:
            return 0
        limit = write_timestamp(self._clock.now() - retention.max_age)
        query = (
            "SELECT seq FROM records WHERE json_valid(record)"
            " AND substr(json_extract(record, '$.at'), 1, 19) >= substr(?, 1, 19) ORDER BY seq LIMIT 1"
        )
        first_kept = self._db.execute(query, (limit,)).fetchone()
        return int(first_kept[0]) - 1 if first_kept is not None else self._seq

    def _last_too_much(self, retention: Retention) -> int:
        """The last record of the beginning that size forbids; 0 where there is room."""
        first = self._first()
        if retention.max_bytes is None or first is None:
            return 0
        pages, free, size = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        used = (pages - free) * size
        if used <= retention.max_bytes:
            return 0
        excess = used - retention.max_bytes * TRIM_TO
        return first - 1 + int((self._seq - first + 1) * excess / used)

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])


class _Transaction:
    """All or nothing: rolls back where anything raises, the commit included."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, _value: object, _traceback: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        # A full disk rolls back by itself.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


class AuditReader:
    """Reads a trail, as it was at one moment, while a hub may go on writing. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises `ConfigException` where there is none or it cannot be read."""
        if not path.is_file():
            raise ConfigException(f"there is no audit trail at {path}")
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCKED_WAIT)
            # Edited files may hold anything: bytes, not text that fails to decode.
            self._db.text_factory = bytes
            self._db.isolation_level = None
        except sqlite3.Error as exc:
            raise ConfigException(f"cannot read the audit trail {path}: {exc}") from exc

    def __enter__(self) -> "AuditReader":
        self._db.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def seal(self, kind: str) -> Seal | None:
        """Return the head or the anchor. Raises `sqlite3.Error` for a damaged file."""
        return _seal(self._db, kind)

    def records(self, after: int = 0) -> Iterator[ChainedRecord]:
        """Yield the records whose numbers are greater. Raises `sqlite3.Error` for a damaged file."""
        query = "SELECT seq, previous, record, hash FROM records WHERE seq > ? ORDER BY seq"
        with closing(self._db.execute(query, (after,))) as rows:
            for seq, previous, text, hash_ in rows:
                yield ChainedRecord(seq, _bytes(previous), _bytes(text), _bytes(hash_))

    def refresh(self) -> None:
        """See what was written since."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")


def _seal(db: sqlite3.Connection, kind: str) -> Seal | None:
    row = db.execute("SELECT kind, seq, hash, at, signature FROM seals WHERE kind = ?", (kind,)).fetchone()
    if row is None:
        return None
    _, seq, hash_, at, signature = row
    at_text = _bytes(at).decode("utf-8", "replace")
    return Seal(kind, int(seq) if isinstance(seq, int) else 0, _bytes(hash_), at_text, _bytes(signature))


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogatepass")
