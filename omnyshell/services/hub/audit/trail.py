"""Opens a hub's audit trail on disk, and checks it against other evidence."""

import asyncio
import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from omnyshell.model.audit import AuditRecord
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import HEAD, Finding, read_record
from omnyshell.services.hub.audit.check import Held, TrailEnd, any_of, hold, is_signed
from omnyshell.services.hub.audit.disk_reserve import RESERVE_FILE, DiskReserve
from omnyshell.services.hub.audit.heads import HEAD_ACTION, SignedHead
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.scan import Scan, TrailScan, scan
from omnyshell.services.hub.audit.signs import NO_SIGNS, Signs, signs_beside
from omnyshell.services.hub.audit.sinks import start_sinks
from omnyshell.services.hub.audit.store import AuditReader, AuditStore, keep_audit_key, load_audit_key
from omnyshell.services.hub.audit.witness import AuditWitness
from omnyshell.services.hub.audit.writer import AuditWriter
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.restored import read_restored, told_restored
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE
from omnyshell.version import __version__

logger = logging.getLogger("omnyshell.audit")


RECALLED = 1_000
"""Earlier records that a hub loads into memory when it starts."""

CHECK_WAIT = 1.0
"""Seconds that a start waits for the check of the whole trail; the check of a large one goes on while the hub
serves."""

CHECK_PAUSE = 0.0005
"""Seconds between two slices of the check, so that it hardly delays the hub's loop."""


async def open_trail(audit: AuditLog, config: HubConfig) -> None:
    """Open the trail in the state directory, and have the log's records written there; does nothing without one.

    Call it before anything else is created there: existing files show that there was a trail before. What is missing or
    changed since the hub last wrote there is recorded. Raises `ConfigException` if trail, key or a sink cannot be used,
    and `AuditUnavailableException` if nothing can be written: a hub that cannot keep its records does not start.
    """
    if config.state_dir is None:
        return
    path = config.state_dir / AUDIT_FILE
    signs = signs_beside(config.state_dir)
    store = AuditStore(path, load_audit_key(config.state_dir), config.clock)
    try:
        witness = AuditWitness(config.state_dir / STATE_FILE)
        noted = witness.noted()
        end = store.end(noted, signs.files)
        held = hold(end, noted, store.public_key)
        store.go_on_behind(held.seq, held.hash, noted.key if noted is not None and noted.is_genuine else None)
        sinks = start_sinks(config.audit_sinks, config.audit_sink_tls)
    except BaseException:
        store.close()
        raise
    audit.path = path
    audit.recall(_newest(path))
    reserve = DiskReserve(config.state_dir / RESERVE_FILE)
    audit.writer = AuditWriter(store, config.clock, config.audit_retention, sinks, witness=witness, reserve=reserve)
    await _tell(audit, held, config.state_dir)
    # If the end is wrong, that finding covers the evidence of the signs too.
    trail = _scan_for(end, noted, store.public_key, NO_SIGNS if held.findings else signs)
    audit.check = check = TrailCheck(audit, path, trail, end.seq, is_broken=bool(held.findings))
    await check.wait(CHECK_WAIT)


async def _tell(audit: AuditLog, held: Held, directory: Path) -> None:
    for finding in held.findings:
        await audit.commit(**broken(audit, finding))
    if restored := read_restored(directory):
        logger.warning("the hub's state was restored %s", restored)
        await audit.commit("hub.restored", detail=restored)
        told_restored(directory)
    await audit.commit("hub.start", detail=f"version {__version__}")
    keep_audit_key(directory)


def broken(audit: AuditLog, finding: Finding) -> dict[str, str]:
    """Log a finding as an error; return the fields of its audit record."""
    logger.error("THE AUDIT TRAIL IS BROKEN: %s", finding.text)
    audit.gaps.append(finding.text)
    return {"action": "audit.broken", "outcome": "error", "reason": finding.kind, "detail": finding.text}


def _scan_for(end: TrailEnd, noted: SignedHead | None, key: Ed25519PublicKey, signs: Signs) -> TrailScan:
    keys, known = [key], 0
    marks: dict[int, bytes] = {}
    if noted is not None and noted.is_genuine:
        keys.append(noted.key)
        known = noted.seal.seq
        marks[known] = noted.seal.hash
    elif noted is not None:
        # That the noted head is not genuine was recorded already.
        known = end.seq
    check = any_of(keys)
    if end.head is not None and is_signed(end.head, check):
        marks[end.head.seq] = end.head.hash
    return TrailScan(end.anchor, check, known, end.seq, marks, signs)


class TrailCheck:
    """Checks the whole trail in a thread of its own, slowly enough for the hub to serve meanwhile."""

    def __init__(self, audit: AuditLog, path: Path, trail: TrailScan, up_to: int, *, is_broken: bool) -> None:
        """`up_to` is the last record from before this start; `is_broken` tells whether a fault was found already."""
        self._audit = audit
        self._path = path
        self._trail = trail
        self._up_to = up_to
        self._is_broken = is_broken
        self._is_stopped = threading.Event()
        self._task = asyncio.create_task(self._run())

    @property
    def is_done(self) -> bool:
        """Whether the check has ended."""
        return self._task.done()

    async def wait(self, seconds: float) -> None:
        """Return when the check has ended, or after `seconds`."""
        await asyncio.wait({self._task}, timeout=seconds)

    async def aclose(self) -> None:
        """End the check, finished or not. Idempotent."""
        self._is_stopped.set()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            found = await asyncio.to_thread(self._go_through)
        except Exception as exc:
            # Any error while reading is a finding, so that the trail does not pass as whole.
            found = Scan([Finding("damaged", 0, f"the file cannot be gone through: {exc}")])
        if found is not None:
            self._tell(found)

    def _tell(self, found: Scan) -> None:
        audit = self._audit
        for finding in found.findings:
            audit.record(**broken(audit, finding))
        if found.findings or self._is_broken:
            # A fault may have separated the trail's reports from later signatures, so they are recorded again.
            for gap in found.told.until(self._up_to):
                audit.record(gap.action, gap.outcome, reason=gap.reason, detail=gap.detail)
        audit.gaps = list(dict.fromkeys((*found.told.not_acknowledged(), *audit.gaps)))
        if audit.gaps:
            logger.error("the audit trail has %d gaps that no admin has acknowledged", len(audit.gaps))
        if audit.writer is not None:
            audit.writer.begin_chores(found.told)

    def _go_through(self) -> Scan | None:
        try:
            with AuditReader(self._path) as reader, closing(reader.records()) as records:
                return scan(records, self._trail, self._pause, reader.seal(HEAD))
        except Exception as exc:
            found = self._trail.result()
            found.findings.append(Finding("damaged", 0, f"the file cannot be read: {exc}"))
            return found

    def _pause(self) -> bool:
        time.sleep(CHECK_PAUSE)
        return not self._is_stopped.is_set()


def _newest(path: Path) -> list[AuditRecord]:
    """Return the newest records without heads; none if the trail is damaged, which the check reports."""
    try:
        with AuditReader(path) as reader:
            end = reader.seal(HEAD)
            return [
                record
                for chained in reader.records(max(0, end.seq - RECALLED) if end is not None else 0)
                if (record := read_record(chained)) is not None and record.action != HEAD_ACTION
            ]
    except sqlite3.Error as exc:
        logger.error("the audit trail is damaged: %s", exc)
        return []
