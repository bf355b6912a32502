"""Reads the audit trail on disk for administrators, page by page (extension `audit-of-hubs`)."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.protocol.messages.admin import AuditPageRequest, AuditPageResponse
from omnyshell.services.hub.admin.audit import entry
from omnyshell.services.hub.admin.plans import SHOWN, AdminRefusedException
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.pages import Page, read_page
from omnyshell.services.hub.audit.query import AuditQuery
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.answer import Answer

MOST_AT_ONCE = 4
"""Pages that are read at a time."""

MOST_WAITING = 64

Elsewhere = Callable[[AuditPageRequest, Peer], Answer[AuditPageResponse]]


class TrailPages:
    """Answers with pages of this hub's trail, or of another hub's. `aclose` it."""

    def __init__(self, trail: AuditLog) -> None:
        self._trail = trail
        self.hub = ""
        """The id of this hub among several; empty for one that is alone."""

        self.hubs: Callable[[], tuple[str, ...]] = tuple
        """Returns the ids of all hubs, of several."""

        self.elsewhere: Elsewhere | None = None
        """Asks another hub."""

        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """End what is being read. Idempotent."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def asked(self, ask: AuditPageRequest, peer: Peer) -> Answer[AuditPageResponse]:
        """Return a page of whichever hub is named. Fails with `OmnyShellException` if it cannot be had."""
        if ask.hub in ("", self.hub):
            return self.own(ask)
        if self.elsewhere is None or ask.hub not in self.hubs():
            return _failed(AdminRefusedException(f"there is no hub '{ask.hub[:SHOWN]}'", code="not_found"))
        return self.elsewhere(ask, peer)

    def own(self, ask: AuditPageRequest) -> Answer[AuditPageResponse]:
        """Return a page of this hub's trail."""
        if self._trail.path is None:
            return _failed(AdminRefusedException("this hub keeps no audit trail on disk"))
        if len(self._tasks) >= MOST_WAITING:
            return _failed(AdminRefusedException("too many read the audit now", code=ErrorCodes.CAPACITY_EXCEEDED))
        answer = Answer[AuditPageResponse]()
        self._spawn(self._read(ask, answer))
        return answer

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, ask: AuditPageRequest, answer: Answer[AuditPageResponse]) -> None:
        query, path = AuditQuery(ask.since, ask.action, ask.principal, ask.node_id), self._trail.path
        try:
            if path is None:
                raise AdminRefusedException("this hub keeps no audit trail on disk")
            async with self._turns:
                page = await asyncio.to_thread(read_page, path, query, max(0, ask.after))
        except OmnyShellException as exc:
            answer.fail(exc)
        else:
            answer.give(self._answer_of(ask, page))

    def _answer_of(self, ask: AuditPageRequest, page: Page) -> AuditPageResponse:
        return AuditPageResponse(
            request_id=ask.request_id,
            hub=self.hub,
            hubs=self.hubs(),
            records=tuple(map(entry, page.records)),
            after=page.after,
            is_last=page.is_last,
        )


def _failed(problem: OmnyShellException) -> Answer[AuditPageResponse]:
    answer = Answer[AuditPageResponse]()
    answer.fail(problem)
    return answer
