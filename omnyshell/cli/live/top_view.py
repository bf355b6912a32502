"""The view of `omnyshell top`: lines of plain text for a screen of a given size. No I/O."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from omnyshell.cli.ground.output import printable
from omnyshell.cli.live.feed import doing, public, size, target, unknown_parts
from omnyshell.durations import format_duration
from omnyshell.ids import short_id
from omnyshell.model.live import LiveNode, LiveSession, LiveTunnel, Part
from omnyshell.model.sessions import SessionState
from omnyshell.services.client.live.state import HubState, Link, Source
from omnyshell.terminal.text.widths import has_other_width, width_of

SHOWN_PARTS = tuple(part for part in Part if part is not Part.AUDIT)


class Line(NamedTuple):
    """A line of the screen."""

    text: str
    is_header: bool = False


class Column(NamedTuple):
    """A column: its title, its width in cells (the last one takes the rest), and whether it is numeric."""

    title: str
    width: int
    is_number: bool = False


_Table = tuple[str, Sequence[Column], list[list[str]]]
"""A title, a layout, and rows."""

_HUB = Column("HUB", 8)
_SESSIONS = (
    Column("SESSION", 8),
    Column("NODE", 16),
    Column("PRINCIPAL", 12),
    Column("MODE", 5),
    Column("STATE", 8),
    Column("AGE", 4, True),
    Column("IN/s", 5, True),
    Column("OUT/s", 5, True),
    Column("OUT", 5, True),
    Column("COMMAND", 20),
)
_NODES = (
    Column("NODE", 16),
    Column("STATE", 7),
    Column("SESS", 4, True),
    Column("IN/s", 5, True),
    Column("OUT/s", 5, True),
    Column("RTT", 7, True),
    Column("PLATFORM", 12),
    Column("LABELS", 20),
)
_TUNNELS = (
    Column("TUNNEL", 8),
    Column("OWNER", 12),
    Column("PUBLIC", 18),
    Column("CONN", 4, True),
    Column("TOTAL", 6, True),
    Column("IN/s", 5, True),
    Column("OUT/s", 5, True),
    Column("TARGET", 24),
)


def screen(state: HubState, hub: str, now: datetime, columns: int, rows: int | None) -> list[Line]:
    """Return the lines to show: at most `rows` lines of `columns` cells, or all lines if `rows` is None."""
    lines = _head(state, hub, now)
    tables = _tables(state, now)
    if rows is None:
        shown = [len(found) for _, _, found in tables]
    else:
        shown = shares([len(found) for _, _, found in tables], rows - len(lines) - 2 * len(tables))
    for (title, layout, found), count in zip(tables, shown, strict=True):
        lines.append(Line(""))
        more = f"  (+{len(found) - count} more {title})" if count < len(found) else ""
        lines.append(Line(_row(layout, [column.title for column in layout]) + more, is_header=True))
        lines += [Line(_row(layout, cells)) for cells in found[:count]]
    return [Line(clip(line.text, columns), line.is_header) for line in lines[:rows]]


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """Divide `room` rows among tables: each gets a fair share, and the rows that it does not need go to the others."""
    given = [0] * len(wanted)
    left = max(0, room)
    while left and (hungry := [i for i, want in enumerate(wanted) if given[i] < want]):
        fair = max(1, left // len(hungry))
        for i in hungry[:left]:
            part = min(fair, wanted[i] - given[i], left)
            given[i] += part
            left -= part
    return given


def _head(state: HubState, hub: str, now: datetime) -> list[Line]:
    figures = state.metrics
    trip = f"  rtt {state.round_trip * 1000:.1f} ms" if state.round_trip is not None else ""
    up = f"  up {format_duration((now - figures.started_at).total_seconds())}" if figures is not None else ""
    lines = [Line(f"omnyshell top - {hub}  {now.astimezone():%H:%M:%S}{up}{trip}  scope {state.scope}")]
    detached = sum(found.state is SessionState.DETACHED for found in state.sessions.values())
    online = sum(found.is_online for found in state.nodes.values())
    counts = f"nodes {online}/{len(state.nodes)}  sessions {len(state.sessions)} ({detached} detached)"
    hubs = f"  hubs {len(state.hubs)}" if state.hubs else ""
    lines.append(Line(f"{counts}  tunnels {len(state.tunnels)}  connections {len(state.peers)}{hubs}"))
    if figures is not None:
        lag = f"loop lag {figures.loop_lag * 1000:.1f} ms"
        relayed = f"relay {size(figures.relay_rate)}/s of {size(figures.bytes_relayed)}"
        logins = f"logins {figures.logins} ({figures.login_failures} refused)"
        lines.append(Line(f"{relayed}  {lag}  {logins}  dropped {figures.frames_dropped}"))
    lines += [Line(text) for text in _notes(state, now)]
    return lines


def _notes_on_hubs(state: HubState, now: datetime) -> list[str]:
    """Say of which hubs the tables do not show what is there now."""
    notes = []
    for hub in sorted(state.hubs.values(), key=lambda hub: hub.hub):
        if not hub.is_told:
            at = hub.known_at
            age = format_duration((now - at).total_seconds()) if at is not None else ""
            old = f"what is shown of it is {age} old" if age else "nothing is known of it"
            notes.append(f"HUB {hub.hub} DOES NOT TELL WHAT IS THERE: {old}")
    return notes


def _notes(state: HubState, now: datetime) -> list[str]:
    notes = []
    if state.link is not Link.UP:
        ages = [age for part in SHOWN_PARTS if (age := state.age(part)) is not None]
        old = f"; what is shown is {format_duration(min(ages))} old" if ages else ""
        notes.append(f"NO CONNECTION: {printable(state.link_error) or 'dialing'}{old}")
    elif any(state.source(part) is Source.POLLED for part in SHOWN_PARTS):
        notes.append("This hub does not tell what happens: it is asked every few seconds, for your own sessions")
    notes += _notes_on_hubs(state, now)
    missing = unknown_parts(state, [part for part in SHOWN_PARTS if part is not Part.HUBS])
    if state.link is Link.UP and missing:
        notes.append(f"not known: {', '.join(missing)}")
    return notes


def _tables(state: HubState, now: datetime) -> list[_Table]:
    sessions = sorted(state.sessions.values(), key=_busiest)
    tunnels = sorted(state.tunnels.values(), key=_busiest_tunnel)
    rates: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    counts: dict[str, int] = defaultdict(int)
    for found in sessions:
        rate_in, rate_out = rates[found.node_id]
        rates[found.node_id] = (rate_in + found.rate_in, rate_out + found.rate_out)
        counts[found.node_id] += 1
    nodes = sorted(state.nodes.values(), key=lambda node: (not node.is_online, -sum(rates[node.node_id]), node.node_id))
    tables: list[_Table] = [
        ("sessions", _SESSIONS, [_session(found, now) for found in sessions]),
        ("nodes", _NODES, [_node(found, rates[found.node_id], counts[found.node_id]) for found in nodes]),
        ("tunnels", _TUNNELS, [_tunnel(found) for found in tunnels]),
    ]
    hubs = [[found.hub for found in items] for items in (sessions, nodes, tunnels)]
    return [_with_hubs(*table) for table in zip(tables, hubs, strict=True)] if state.hubs else tables


def _with_hubs(table: _Table, hubs: Sequence[str]) -> _Table:
    """Return a table that says at which of several hubs each of its rows is."""
    title, layout, rows = table
    told = [[row[0], hub, *row[1:]] for row, hub in zip(rows, hubs, strict=True)]
    return title, (layout[0], _HUB, *layout[1:]), told


def _busiest(session: LiveSession) -> tuple[int, float, str]:
    return -(session.rate_in + session.rate_out), -session.created_at.timestamp(), session.key


def _busiest_tunnel(tunnel: LiveTunnel) -> tuple[int, int, str]:
    return -(tunnel.rate_in + tunnel.rate_out), -tunnel.connections, tunnel.key


def _session(found: LiveSession, now: datetime) -> list[str]:
    age = format_duration((now - found.created_at).total_seconds())
    expires = ""
    if found.state is SessionState.DETACHED and found.expires_at is not None:
        expires = f" ends in {format_duration((found.expires_at - now).total_seconds())}"
    rates = [size(found.rate_in), size(found.rate_out), size(found.bytes_out)]
    what = doing(found) + expires
    return [found.short_id, found.node_id, found.principal, found.mode, found.state, age, *rates, what]


def _node(found: LiveNode, rates: tuple[int, int], count: int) -> list[str]:
    labels = ",".join(f"{key}={value}" for key, value in sorted(found.labels.items()))
    platform = f"{found.platform.os}/{found.platform.arch}" if found.platform is not None else "-"
    trip = f"{found.latency * 1000:.1f}ms" if found.latency is not None else "-"
    return [found.node_id, found.state, str(count), size(rates[0]), size(rates[1]), trip, platform, labels]


def _tunnel(found: LiveTunnel) -> list[str]:
    counts = [str(found.connections), str(found.connections_total), size(found.rate_in), size(found.rate_out)]
    return [short_id(found.tunnel_id), found.principal, public(found), *counts, f"{found.node_id} {target(found)}"]


def _row(layout: Sequence[Column], cells: Sequence[str]) -> str:
    """One line of a table; text from a peer can neither move the cursor nor shift other cells."""
    parts = []
    for column, cell in zip(layout[:-1], cells[:-1], strict=True):
        text = clip(printable(cell), column.width)
        gap = " " * (column.width - _width(text))
        parts.append(gap + text if column.is_number else text + gap)
    return " ".join([*parts, printable(cells[-1])])


def clip(text: str, columns: int) -> str:
    """Return as much of the beginning of a text as fits in `columns` cells."""
    if not has_other_width(text):
        return text[:columns]
    taken, used = [], 0
    for char in text:
        used += width_of(char)
        if used > columns:
            break
        taken.append(char)
    return "".join(taken)


def _width(text: str) -> int:
    measure: Callable[[str], int] = width_of
    return sum(map(measure, text)) if has_other_width(text) else len(text)
