"""An audit sink of one's own: tells people of what they should look at, and never holds the hub up.

Records that go elsewhere whole (a file, syslog) need no code: `HubConfig(audit_sinks=("syslog",))` gives them each,
with its place in the hash chain, and again until they are taken.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from omnyshell import AuditRecord, HubConfig, OmnyShellHub

MOST_WAITING = 1000

WORTH_TELLING = frozenset({"principal.revoke", "lock.add", "node.displaced", "audit.broken", "certificate.warning"})

Deliver = Callable[[str], Awaitable[None]]
"""Sends a text to people: a chat, a pager. It may take its time, and fail."""


def sentence(record: AuditRecord) -> str:
    """Return what people are told of a record; nothing where it is not worth it."""
    if record.outcome != "denied" and record.action not in WORTH_TELLING:
        return ""
    who = f"{record.principal or 'somebody'} at {record.address}" if record.address else record.principal
    parts = (record.action, record.outcome, who, record.node_id, record.reason, record.detail)
    return " · ".join(part for part in parts if part)


class Alarms:
    """Takes records as they are made, and delivers what is worth it from a task of its own.

    `attach` it before the hub starts, to miss nothing; `run` it beside the hub.
    """

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._has_more = asyncio.Event()

    def attach(self, hub: OmnyShellHub) -> Callable[[], None]:
        """Hear every record from now on; returns what ends that."""
        return hub.audit.add_sink(self.take)

    def take(self, record: AuditRecord) -> None:
        """Called in the hub's event loop for each record: it must neither wait nor raise. The newest stay."""
        if text := sentence(record):
            self._waiting.append(text)
            self._has_more.set()

    async def run(self) -> None:
        """Deliver, until cancelled; what cannot be delivered is tried again."""
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            while self._waiting:
                await self._deliver_first()

    async def _deliver_first(self) -> None:
        text = self._waiting[0]
        try:
            await self._deliver(text)
        except OSError as exc:
            print(f"an alarm could not be delivered, and will be tried again: {exc}", flush=True)
            await asyncio.sleep(1)
        else:
            if self._waiting and self._waiting[0] is text:
                self._waiting.popleft()


@asynccontextmanager
async def serving(config: HubConfig, deliver: Deliver) -> AsyncIterator[OmnyShellHub]:
    """A hub with alarms."""
    hub, alarms = OmnyShellHub(config), Alarms(deliver)
    alarms.attach(hub)
    delivering = asyncio.create_task(alarms.run())
    try:
        async with hub:
            yield hub
    finally:
        delivering.cancel()
