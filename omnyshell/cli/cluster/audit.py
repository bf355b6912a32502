"""`omnyshell audit list`: of a hub on this machine, or with --cluster of all hubs, over one of them."""

import argparse
import asyncio
import heapq
from collections.abc import AsyncIterator
from datetime import datetime

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, say, say_json
from omnyshell.cli.hub.audit import line_of, list_records as list_here
from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.model.admin import AuditEntry
from omnyshell.protocol.messages.admin import AuditPageRequest, AuditPageResponse
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.hub.audit.query import parse_moment

MOST_HUBS = 100
MOST_PAGES = 100_000
"""Of one trail: more are some hundred GiB."""

INCOMPLETE = 1
"""Exit code where a hub could not be asked, or not to the end."""


def list_records(options: argparse.Namespace) -> int:
    """Print the matching records."""
    if not options.cluster:
        return list_here(options)
    if options.follow:
        raise ConfigException("--follow goes with a hub on this machine, and not with --cluster")
    asked = argparse.Namespace(**{**vars(options), "principal": options.login})
    return asyncio.run(_list(asked, options))


async def _list(asked: argparse.Namespace, options: argparse.Namespace) -> int:
    async with AdminClient(access_from(asked)) as admin:
        first = await admin.ask(_question(options), AuditPageResponse)
        trails = [_Trail(admin, options, hub) for hub in first.hubs[:MOST_HUBS] or ("",)]
        await _print_merged(trails, is_json=options.json)
    missing = [trail for trail in trails if trail.problem]
    for trail in missing:
        complain(f"INCOMPLETE: hub '{trail.hub}' {trail.problem}")
    return INCOMPLETE if missing else 0


def _question(options: argparse.Namespace, hub: str = "", after: int = 0) -> AuditPageRequest:
    return AuditPageRequest(
        request_id="",
        hub=hub,
        after=after,
        since=parse_moment(options.since, "--since", SystemClock()) if options.since else None,
        action=options.action or "",
        principal=options.principal or "",
        node_id=options.node or "",
    )


class _Trail:
    """The trail of one hub, read page by page."""

    def __init__(self, admin: AdminClient, options: argparse.Namespace, hub: str) -> None:
        self._admin, self._options, self.hub = admin, options, hub
        self.problem = ""
        """Why not all of it was read."""

    async def records(self) -> AsyncIterator[tuple[datetime, AuditEntry]]:
        """Yield the records in the order of the trail, with times that do not go back; ends early at a problem."""
        question, latest = _question(self._options, self.hub), datetime.min.replace(tzinfo=SystemClock().now().tzinfo)
        pages = 0
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
            if page.after <= question.after or (pages := pages + 1) >= MOST_PAGES:
                self.problem = f"was not read to the end: it goes no further than record {page.after}"
                return
            question.after = page.after


async def _print_merged(trails: list[_Trail], *, is_json: bool) -> None:
    """Print what all trails have, by time; of each no more than a page is held."""
    sources = [trail.records() for trail in trails]
    heap: list[tuple[datetime, int, AuditEntry]] = []
    for place, source in enumerate(sources):
        await _push_next(heap, place, source)
    while heap:
        _, place, record = heapq.heappop(heap)
        _print(trails[place].hub, record, is_json=is_json)
        await _push_next(heap, place, sources[place])


async def _push_next(
    heap: list[tuple[datetime, int, AuditEntry]], place: int, source: AsyncIterator[tuple[datetime, AuditEntry]]
) -> None:
    if (found := await anext(source, None)) is not None:
        # Of one trail there is one record here at a time, so that records themselves are never compared.
        heapq.heappush(heap, (found[0], place, found[1]))


def _print(hub: str, record: AuditEntry, *, is_json: bool) -> None:
    if is_json:
        say_json({"hub": hub, **record.to_wire()}, indent=None)
    else:
        say(line_of(f"{hub or '-':<8}", record))
