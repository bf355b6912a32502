"""The audit trail of one of several hubs, read page by page over any of them (docs/extensions.md#audit-of-hubs)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from omnyshell.errors import OmnyShellException
from omnyshell.model.admin import AuditEntry
from omnyshell.protocol.messages.admin import AuditPageRequest, AuditPageResponse
from omnyshell.services.client.admin import AdminClient

MOST_PAGES = 100_000
"""Of one trail: more are some hundred GiB."""


class Trail:
    """The trail of one hub."""

    def __init__(self, admin: AdminClient, question: AuditPageRequest, most_pages: int = MOST_PAGES) -> None:
        """`question` names the hub and what is wanted of its trail; it is this trail's own from now on."""
        self._admin, self._question, self._most_pages = admin, question, most_pages
        self.hub = question.hub or ""
        self.problem = ""
        """Why not all of it was read."""

    async def records(self) -> AsyncIterator[tuple[datetime, AuditEntry]]:
        """Yield the records in the order of the trail, with times that do not go back; ends early at a problem."""
        question, latest, pages = self._question, datetime.min.replace(tzinfo=UTC), 0
        while True:
            try:
                page = await self._admin.ask(question, AuditPageResponse)
            except OmnyShellException as exc:
                self.problem = f"was not read{' to the end' if question.after else ''}: {exc}"
                return
            for record in page.records:
                latest = max(latest, record.at)
                yield latest, record
            if page.is_last:
                return
            if page.after <= question.after or (pages := pages + 1) >= self._most_pages:
                self.problem = f"was not read to the end: it goes no further than record {page.after}"
                return
            question.after = page.after
