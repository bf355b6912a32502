"""`omnyshell events`: a hub's live items and their changes, one line each."""

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime

from msgspec.structs import replace

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, printable
from omnyshell.cli.live.feed import check_refused, doing, first_time, live_state, public, target, unknown_parts
from omnyshell.ids import short_id
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord
from omnyshell.model.live import HubLease, LiveHub, LiveItem, LiveNode, LivePeer, LiveSession, LiveTunnel, Part
from omnyshell.model.live_figures import LiveMetrics
from omnyshell.model.schema import WireObject, camel_case, write_timestamp
from omnyshell.model.sessions import SessionState
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import Change, HubState, Link
from omnyshell.services.dial import HubAccess

USUAL = tuple(part for part in Part if part is not Part.METRICS)
"""The default parts; the figures are not among them, as they change every second."""


TOLD_BY_ALL = tuple(part for part in USUAL if part is not Part.HUBS)
"""The same without what older hubs do not know, and nobody misses there."""


def events(options: argparse.Namespace) -> int:
    """Print the present items, and with --follow their changes."""
    asked = tuple(Part(name) for name in options.part)
    asyncio.run(_show(access_from(options), asked, as_json=options.json, follow=options.follow))
    return 0


async def _show(access: HubAccess, asked: tuple[Part, ...], *, as_json: bool, follow: bool) -> None:
    printer = _Printer(as_json=as_json)
    async with live_state(access, asked or USUAL) as (state, feed):
        state.watch(printer.show)
        await first_time(state, feed)
        printer.flush()
        printer.is_complete = True
        missing = unknown_parts(state, asked or TOLD_BY_ALL)
        if missing:
            complain(f"omnyshell: this hub does not tell: {', '.join(missing)}")
        if follow:
            await _follow(state, feed, printer)


async def _follow(state: HubState, feed: LiveFeed, printer: "_Printer") -> None:
    """Print changes until ctrl+c, or until the hub refuses."""
    changed = asyncio.Event()
    state.subscribe(lambda _: changed.set())
    before, missed = state.link, 0
    while True:
        changed.clear()
        await changed.wait()
        printer.flush()
        if state.link is not before:
            before = state.link
            check_refused(state, feed)
            lost = f"the hub is lost: {printable(state.link_error)}; trying again"
            complain(f"omnyshell: {'the hub is back' if before is Link.UP else lost}")
        if state.missed_records != missed:
            complain(f"omnyshell: {state.missed_records - missed} audit records were missed")
            missed = state.missed_records


class _Printer:
    """Prints a line for each change. A slow reader slows us down; the hub then reports that the subscription lagged."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._lines: list[str] = []
        self.is_complete = False
        """Whether the present state was printed, so that changes follow."""

    def show(self, change: Change) -> None:
        """Collect the line of one change; that the engine told of a hub again is none."""
        if isinstance(change.after, LiveHub) and _is_only_heard(change):
            return
        event, at = event_of(change), datetime.now(UTC)
        if self._as_json:
            if not self.is_complete and change.part is not Part.AUDIT:
                event = "present"
            told = {"part": change.part, "event": event, "at": write_timestamp(at), "item": item_of(change)}
            self._lines.append(json.dumps(told))
        else:
            if isinstance(change.after, AuditRecord):
                at = change.after.at
            line = f"{at.astimezone():%H:%M:%S}  {change.part:<8}  {event:<16}  {words_of(change)}"
            self._lines.append(printable(line.rstrip()))

    def flush(self) -> None:
        """Print the collected lines."""
        lines, self._lines = self._lines, []
        for line in lines:
            print(line)
        sys.stdout.flush()


def _is_only_heard(change: Change) -> bool:
    before, after = change.before, change.after
    if not isinstance(before, LiveHub) or not isinstance(after, LiveHub):
        return False
    return replace(before, heard_at=None) == replace(after, heard_at=None)


def event_of(change: Change) -> str:
    """Return a word for what happened."""
    before, after = change.before, change.after
    if isinstance(after, AuditRecord):
        return after.action
    if isinstance(after, LiveMetrics):
        return "sample"
    if isinstance(after, LiveNode):
        return _node_event(before if isinstance(before, LiveNode) else None, after)
    if isinstance(after, LiveHub):
        return _hub_event(before if isinstance(before, LiveHub) else None, after)
    if isinstance(after, LiveSession):
        return _session_event(before if isinstance(before, LiveSession) else None, after)
    if after.gone:
        return "closed" if isinstance(after, LiveTunnel) else "disconnected"
    new = "opened" if isinstance(after, LiveTunnel) else "connected"
    return new if before is None else "changed"


def _node_event(before: LiveNode | None, after: LiveNode) -> str:
    if after.gone:
        return "gone"
    # A node that reconnected between two updates counts as online again.
    same = before is not None and (before.state, before.connected_at) == (after.state, after.connected_at)
    return "changed" if same else str(after.state)


def _hub_event(before: LiveHub | None, after: LiveHub) -> str:
    if after.gone:
        return "removed"
    if before is not None and before.is_told is after.is_told:
        return "changed"
    return "told" if after.is_told else "not told"


def _session_event(before: LiveSession | None, after: LiveSession) -> str:
    if after.gone:
        return "closed"
    if before is not None and (before.state, before.resumed) == (after.state, after.resumed):
        return "changed"
    return "resumed" if after.resumed and after.state is SessionState.OPEN else str(after.state)


def item_of(change: Change) -> dict[str, object]:
    """Return the item of a change, as JSON data."""
    after = change.after
    if isinstance(after, WireObject):
        return after.to_wire()
    texts = {camel_case(name): value for name in TEXT_FIELDS if (value := getattr(after, name))}
    return {"at": write_timestamp(after.at), **texts}


def words_of(change: Change) -> str:
    """Describe the item of a change in words, and at which of several hubs it is."""
    after = change.after
    if isinstance(after, LiveHub):
        return _words_of_hub(after)
    hub = getattr(after, "hub", "")
    return f"{_words_of(after)} at {hub}" if hub else _words_of(after)


def _words_of_hub(hub: LiveHub) -> str:
    known = f"as of {hub.known_at.astimezone():%H:%M:%S}" if hub.known_at is not None else ""
    lease = f"lease {hub.lease}" if hub.lease is not HubLease.UNKNOWN else ""
    nodes = f"{hub.nodes} nodes, {hub.applied} changes" if lease else ""
    return " ".join(filter(None, (hub.hub, "(this hub)" if hub.own else "", hub.place, lease, nodes, known)))


def _words_of(after: LiveItem | LiveMetrics | AuditRecord) -> str:
    if isinstance(after, LiveNode):
        labels = ",".join(f"{key}={value}" for key, value in sorted(after.labels.items()))
        return " ".join(filter(None, (after.node_id, after.address, labels)))
    if isinstance(after, LiveSession):
        who = f"{after.principal}@{after.address}" if after.address else after.principal
        words = (after.short_id, after.node_id, who, after.mode, after.reason, doing(after))
        return " ".join(filter(None, words))
    if isinstance(after, LiveTunnel):
        return f"{short_id(after.tunnel_id)} {after.principal} {public(after)} -> {after.node_id} {target(after)}"
    if isinstance(after, LivePeer):
        return " ".join(filter(None, (after.role, f"{after.principal}@{after.address}", after.node_id)))
    if isinstance(after, LiveMetrics):
        shown = after.to_wire().items()
        return " ".join(f"{name}={value}" for name, value in shown if isinstance(value, int))
    names = ("outcome", "principal", "address", "node_id", "session_id", "command", "reason", "detail")
    return " ".join(value for name in names if (value := getattr(after, name)))
