"""What other hubs recorded, for the console's panel of the audit."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from omnyshell.model.audit import TEXT_FIELDS, RecordOfHub
from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import AuditPageRequest
from omnyshell.services.client.live.state import AUDIT_KEPT
from omnyshell.services.client.trails import Trail
from omnyshell.tui.hub_link import HubLink

MOST_PAGES = 100
"""Of one hub's trail, some 256 KiB each."""


async def read_trails(
    hub: HubLink, others: Sequence[str], since: datetime
) -> tuple[Sequence[RecordOfHub], dict[str, str]]:
    """Return the newest records of other hubs since a time, `AUDIT_KEPT` of each at most, ordered by time.

    With them come the hubs that could not be read to the end, and why. Raises as `AdminClient` does where no hub can be
    asked at all.
    """
    found: list[RecordOfHub] = []
    missing: dict[str, str] = {}
    async with hub.admin() as admin:
        for name in others:
            trail = Trail(admin, AuditPageRequest(request_id="", hub=name, since=since), MOST_PAGES)
            newest: deque[RecordOfHub] = deque(maxlen=AUDIT_KEPT)
            async for _, entry in trail.records():
                texts = {field: getattr(entry, field) for field in TEXT_FIELDS}
                newest.append(RecordOfHub(at=entry.at, **texts, hub=name))
            found += newest
            if trail.problem:
                missing[name] = f"Hub {printable(name)} {printable(trail.problem)}"
    return sorted(found, key=lambda record: record.at), missing
