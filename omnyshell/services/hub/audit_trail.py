"""Opens a hub's durable audit trail, and checks that it is the one that was there before."""

import logging

from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.audit_sinks import start_sinks
from omnyshell.services.hub.audit_store import AUDIT_FILE, KEY_FILE, AuditStore, load_audit_key
from omnyshell.services.hub.audit_writer import AuditWriter
from omnyshell.services.hub.config import HubConfig
from omnyshell.version import __version__

logger = logging.getLogger("omnyshell.audit")


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
    audit.writer = AuditWriter(store, config.clock, config.audit_retention, sinks)
    if is_missing:
        logger.error("THE AUDIT TRAIL IS GONE: this hub has signed records before, and there are none")
        await audit.commit("audit.missing", "error", reason="the trail was emptied or removed")
    await audit.commit("hub.start", detail=f"version {__version__}")
