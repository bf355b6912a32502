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
from omnyshell.errors import ConfigException
from omnyshell.model.admin import AuditEntry
from omnyshell.protocol.messages.admin import AuditPageRequest, AuditPageResponse
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.client.trails import Trail
from omnyshell.services.hub.audit.query import parse_moment

MOST_HUBS = 100
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
        trails = [Trail(admin, _question(options, hub)) for hub in first.hubs[:MOST_HUBS] or ("",)]
        await _print_merged(trails, is_json=options.json)
    missing = [trail for trail in trails if trail.problem]
    for trail in missing:
        complain(f"INCOMPLETE: hub '{trail.hub}' {trail.problem}")
    return INCOMPLETE if missing else 0


def _question(options: argparse.Namespace, hub: str = "") -> AuditPageRequest:
    return AuditPageRequest(
        request_id="",
        hub=hub,
        since=parse_moment(options.since, "--since", SystemClock()) if options.since else None,
        action=options.action or "",
        principal=options.principal or "",
        node_id=options.node or "",
    )


async def _print_merged(trails: list[Trail], *, is_json: bool) -> None:
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
