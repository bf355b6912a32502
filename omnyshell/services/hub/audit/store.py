"""The audit trail on disk: an append-only table in SQLite, chained and signed.

`AuditStore` writes and belongs to one thread; `AuditReader` reads beside it, also from another process.
"""

import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException
from omnyshell.model.audit import AuditRecord
from omnyshell.model.schema import write_timestamp
from omnyshell.protocol.limits import MIB
from omnyshell.security.files import sync_directory
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.services.hub.audit.chain import (
    ANCHOR,
    GENESIS,
    HEAD,
    NOTED,
    RECORDED,
    ChainedRecord,
    Seal,
    chain,
    seal,
    seal_message,
)
from omnyshell.services.hub.audit.check import TrailEnd, any_of
from omnyshell.services.hub.audit.gaps import GAP_ACTIONS, ToldGaps
from omnyshell.services.hub.audit.heads import SignedHead, head_record
from omnyshell.services.hub.ground.audit_settings import Retention
from omnyshell.services.hub.ground.database import LOCKED_WAIT, open_database, transaction
from omnyshell.services.hub.ground.state_names import AUDIT_FILE, AUDIT_KEY_FILE

FIRST_KEY_FILE = "audit.key.first"
"""The key's file until the first record is on disk, so that a start which fails before leaves no evidence of a
trail."""

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
# One statement for all rows releases the GIL once. With one for each row, this thread would get it back every 5 ms at
# best while the event loop is busy. `key` counts from 0; a hash has 32 bytes, and the first one is that of the previous
# record.
_INSERT = """
INSERT INTO records (seq, previous, record, hash)
SELECT ?1 + key, substr(?2, 1 + 32 * key, 32), value, substr(?2, 33 + 32 * key, 32) FROM json_each(?3)
"""

YIELD_EVERY = 256
"""Records after which the trail's thread lets other threads run."""

DEFAULT_SIZE = 1024 * MIB
"""The default size limit of a trail, in bytes."""

_NEW, _OF_DEFAULT_SIZE, _LARGER = range(3)
"""A file's `user_version`: not opened since 0.1.0; under the default size; was larger before there was one."""

TRIM_TO = 0.9
"""Retention by size reduces the trail to this fraction of the limit, so that it does not run for every record."""


def load_audit_key(state_dir: Path) -> Ed25519PrivateKey:
    """Return the key that signs the trail; the first call makes it. Raises `ConfigException`."""
    path, first = state_dir / AUDIT_KEY_FILE, state_dir / FIRST_KEY_FILE
    if path.exists():
        return Ed25519PrivateKey.load(path)
    if not first.exists():
        Ed25519PrivateKey.generate().save(first)
    return Ed25519PrivateKey.load(first)


def keep_audit_key(state_dir: Path) -> None:
    """Rename the key to its final name, once it has signed a record. Idempotent; raises `OSError`."""
    if (state_dir / FIRST_KEY_FILE).exists():
        (state_dir / FIRST_KEY_FILE).replace(state_dir / AUDIT_KEY_FILE)
        sync_directory(state_dir)


class AuditStore:
    """Appends to the trail. If `append` or `trim` fails, it raises `sqlite3.Error` and has changed nothing."""

    def __init__(self, path: Path, key: Ed25519PrivateKey, clock: Clock) -> None:
        """Open or create the file. Raises `ConfigException` if it cannot be used."""
        self._key = key
        self._clock = clock
        try:
            # Opened by the hub's thread, used by the writer's, closed by either.
            self._db = open_database(path, _SCHEMA, ["auto_vacuum = INCREMENTAL"])
            end = _end(self._db, None)
            self._note_size()
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot use the audit trail {path}: {exc}{_way_out(exc)}") from exc
        self._seq, self._hash = end.seq, end.hash
        self._gaps = ToldGaps()

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key that the trail is signed with."""
        return self._key.public_key

    def signed_end(self, kind: str = NOTED) -> SignedHead | None:
        """Return the end, signed for the hub's other database or as that `kind`; None if nothing was ever recorded."""
        return SignedHead(self._sign(kind), self.public_key) if self._seq else None

    def end(self, noted: SignedHead | None, signs: tuple[str, ...] = ()) -> TrailEnd:
        """Return the end of the trail according to the file, with the hash of the noted record."""
        return _end(self._db, noted)._replace(signs=signs)

    def know(self, gaps: ToldGaps) -> None:
        """Keep the gaps that the trail reports, so that later edits of the file do not change them."""
        self._gaps.add(gaps)

    def go_on_behind(self, seq: int, hash_: bytes, earlier: Ed25519PublicKey | None) -> None:
        """Chain the next record to this one, which may be missing.

        If the anchor was signed by the `earlier` key, which was replaced, sign it again.
        """
        self._seq, self._hash = seq, hash_
        anchor = _seal(self._db, ANCHOR)
        if anchor is not None and earlier is not None and earlier != self.public_key:
            message = seal_message(anchor.kind, anchor.seq, anchor.hash, anchor.at)
            if any_of([earlier])(anchor.signature, message):
                self._put_seal(ANCHOR, anchor.seq, anchor.hash)

    def append(self, records: Sequence[AuditRecord]) -> list[ChainedRecord]:
        """Add records in one transaction; they are on disk when this returns."""
        chained = self._chain(records)
        with transaction(self._db):
            self._insert(chained)
        self._ended_with(chained, records)
        return chained

    def append_head(self, noted: int) -> list[ChainedRecord]:
        """Append a signed head of the trail; `noted` is the last record that the other database knows.

        Raises `RuntimeError` if nothing was ever recorded.
        """
        if not self._seq:
            raise RuntimeError("there is no end yet")
        return self.append([head_record(SignedHead(self._sign(RECORDED), self.public_key, noted))])

    def trim(self, retention: Retention, noted: int | None = None) -> list[ChainedRecord]:
        """Remove records that are too old or too many, and leave a signed anchor; return the record of the removal.

        Records after the one `noted` in the other database are kept, so that a missing noted record can only have been
        removed by retention. Gaps that the removed records reported are reported again.
        """
        last, why = max((self._last_too_old(retention), "age"), (self._last_too_much(retention), "size"))
        # The newest record is kept, so that the head always signs one.
        last = min(last, self._seq - 1, noted if noted is not None else self._seq)
        first = self._first()
        row = self._db.execute("SELECT seq, hash FROM records WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (last,))
        removed = row.fetchone()
        if first is None or removed is None:
            return []
        last, hash_ = removed[0], _bytes(removed[1])
        record = AuditRecord(at=self._clock.now(), action="audit.trim", reason=why, detail=f"records {first} to {last}")
        again = (msgspec.structs.replace(gap, at=record.at) for gap in self._gaps.until(last))
        records = [record, *again]
        chained = self._chain(records)
        with transaction(self._db):
            self._put_seal(ANCHOR, last, hash_)
            self._db.execute("DELETE FROM records WHERE seq <= ?", (last,))
            self._insert(chained)
        self._ended_with(chained, records)
        # `executescript` steps the statement to its end; `execute` would free only one page.
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
                # Release the GIL, for which the hub's loop might otherwise wait up to 5 ms.
                time.sleep(0)
            made = chain(seq, previous, record)
            previous = made.hash
            chained.append(made)
        return chained

    def _note_size(self) -> None:
        """Record once whether the file exceeded the default limit when that was introduced."""
        if self._pragma("user_version") == _NEW:
            self._set_version(_LARGER if self._used() > DEFAULT_SIZE else _OF_DEFAULT_SIZE)

    def _set_version(self, version: int) -> None:
        self._db.execute(f"PRAGMA user_version = {version}")

    def _limit(self, retention: Retention) -> int:
        """The size limit of the trail in bytes; 0 for none."""
        if retention.max_bytes is None:
            return 0 if self._pragma("user_version") == _LARGER else DEFAULT_SIZE
        if self._pragma("user_version") == _LARGER:
            self._set_version(_OF_DEFAULT_SIZE)
        return retention.max_bytes

    def _used(self) -> int:
        pages, free, size = (self._pragma(name) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    def _insert(self, chained: Sequence[ChainedRecord]) -> None:
        hashes = chained[0].previous + b"".join(made.hash for made in chained)
        texts = msgspec.json.encode([made.text.decode() for made in chained])
        self._db.execute(_INSERT, (chained[0].seq, hashes, texts))
        self._put_seal(HEAD, chained[-1].seq, chained[-1].hash)

    def _ended_with(self, chained: Sequence[ChainedRecord], records: Sequence[AuditRecord]) -> None:
        self._seq, self._hash = chained[-1].seq, chained[-1].hash
        for seq, record in enumerate(records, chained[0].seq):
            if record.action in GAP_ACTIONS:
                self._gaps.heed(seq, record)

    def _sign(self, kind: str) -> Seal:
        return seal(kind, self._seq, self._hash, write_timestamp(self._clock.now()), self._key.sign)

    def _put_seal(self, kind: str, seq: int, hash_: bytes) -> None:
        made = seal(kind, seq, hash_, write_timestamp(self._clock.now()), self._key.sign)
        self._db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?, ?, ?, ?)", made)

    def _first(self) -> int | None:
        (first,) = self._db.execute("SELECT min(seq) FROM records").fetchone()
        return int(first) if first is not None else None

    def _last_too_old(self, retention: Retention) -> int:
        """The number of the last record that is too old; 0 if none is."""
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
        """The number of the last record to remove for the size limit; 0 if there is room."""
        first, limit = self._first(), self._limit(retention)
        if first is None or not limit:
            return 0
        used = self._used()
        if used <= limit:
            return 0
        excess = used - limit * TRIM_TO
        return first - 1 + int((self._seq - first + 1) * excess / used)

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])


class AuditReader:
    """Reads a snapshot of a trail, while a hub may go on writing. A context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises `ConfigException` if it is missing or cannot be read."""
        if not path.is_file():
            raise ConfigException(f"there is no audit trail at {path}")
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCKED_WAIT)
            # Read text as bytes: an edited file may contain text that cannot be decoded.
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

    def end(self, noted: SignedHead | None) -> TrailEnd:
        """Return the end of the trail according to the file, with the hash of the noted record.

        Raises `sqlite3.Error`.
        """
        return _end(self._db, noted)._replace(signs=(AUDIT_FILE,))

    def hash_of(self, seq: int) -> bytes | None:
        """Return a record's hash; None if there is no such record. Raises `sqlite3.Error` for a damaged file."""
        return _hash_of(self._db, seq)

    def records(self, after: int = 0) -> Generator[ChainedRecord, None, None]:
        """Yield the records with numbers greater than `after`. Raises `sqlite3.Error` for a damaged file."""
        query = "SELECT seq, previous, record, hash FROM records WHERE seq > ? ORDER BY seq"
        with closing(self._db.execute(query, (after,))) as rows:
            for seq, previous, text, hash_ in rows:
                yield ChainedRecord(seq, _bytes(previous), _bytes(text), _bytes(hash_))

    def refresh(self) -> None:
        """Start a new snapshot, with what was written since."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")


def _end(db: sqlite3.Connection, noted: SignedHead | None) -> TrailEnd:
    row = db.execute("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
    anchor = _seal(db, ANCHOR)
    after_trim = (anchor.seq, anchor.hash) if anchor is not None else (0, GENESIS)
    seq, hash_ = (row[0], _bytes(row[1])) if row is not None else after_trim
    at_noted = None
    if noted is not None:
        at_noted = _hash_of(db, noted.seal.seq)
        if at_noted is None and anchor is not None and anchor.seq == noted.seal.seq:
            at_noted = anchor.hash
    return TrailEnd(seq, hash_, _seal(db, HEAD), anchor, at_noted)


def _hash_of(db: sqlite3.Connection, seq: int) -> bytes | None:
    row = db.execute("SELECT hash FROM records WHERE seq = ?", (seq,)).fetchone()
    return _bytes(row[0]) if row is not None else None


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


def _way_out(error: OSError | sqlite3.Error) -> str:
    """What an operator can do about a trail that cannot be opened; nothing where the disk is full, or out of reach."""
    is_file_at_fault = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_FULL) not in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
    )
    return "; if you move it away, a new one says what is missing" if is_file_at_fault else ""
