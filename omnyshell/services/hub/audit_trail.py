"""Opens a hub's durable audit trail, and checks that it is the one that was there before."""

import logging
import sqlite3
from pathlib import Path

from omnyshell.model.audit import AuditRecord
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.audit_chain import HEAD
from omnyshell.services.hub.audit_query import read_record
from omnyshell.services.hub.audit_sinks import start_sinks
from omnyshell.services.hub.audit_store import AUDIT_FILE, KEY_FILE, AuditReader, AuditStore, load_audit_key
from omnyshell.services.hub.audit_writer import AuditWriter
from omnyshell.services.hub.config import HubConfig
from omnyshell.version import __version__

logger = logging.getLogger("omnyshell.audit")


RECALLED = 1_000
"""Records of the time before that a hub has at hand when it starts."""


def _newest(path: Path) -> list[AuditRecord]:
    """Return the end of the trail; nothing where it is damaged, which `omnyshell audit verify` says."""
    try:
        with AuditReader(path) as reader:
            end = reader.seal(HEAD)
            return [
                record
                for chained in reader.records(max(0, end.seq - RECALLED) if end is not None else 0)
                if (record := read_record(chained)) is not None
            ]
    except sqlite3.Error as exc:
        logger.error("the audit trail is damaged: %s", exc)
        return []


async def open_trail(audit: AuditLog, config: HubConfig) -> None:
    """Have the log's records written below the state directory; nothing happens without one.

    Raises `ConfigException` where trail, key or a sink cannot be used, and `AuditUnavailableException` where nothing
    can be written: a hub that cannot keep its records does not start.
    """
    if config.state_dir is None:
        return
    had_key = (config.state_dir / KEY_FILE).exists()
    key = load_audit_key(config.state_dir)
    store = AuditStore(config.state_dir / AUDIT_FILE, key, config.clock)
    is_missing = had_key and store.is_empty
    try:
        sinks = start_sinks(config.audit_sinks)
    except BaseException:
        store.close()
        raise
    audit.recall(_newest(config.state_dir / AUDIT_FILE))
    audit.writer = AuditWriter(store, config.clock, config.audit_retention, sinks)
    if is_missing:
        logger.error("THE AUDIT TRAIL IS GONE: this hub has signed records before, and there are none")
        await audit.commit("audit.missing", "error", reason="the trail was emptied or removed")
    await audit.commit("hub.start", detail=f"version {__version__}")
