"""The console over states that are made up, with a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from support.settling import settling
from textual.pilot import Pilot

from omnyshell.model.admin import AuditEntry
from omnyshell.model.live import LiveNode, LivePeer, LiveSession, LiveTunnel, NodePresence, Part, Scope
from omnyshell.model.live_figures import LiveMetrics
from omnyshell.model.nodes import NodeCapabilities, PlatformInfo
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.model.tunnels import TunnelProtocol
from omnyshell.model.vitals import MachineVitals
from omnyshell.protocol.messages.events import EventsDelta, EventsSnapshot
from omnyshell.services.client.live.state import HubState, Link
from omnyshell.services.dial import HubAccess
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.preferences.own import Own
from omnyshell.tui.settings import ConsoleSettings

GIB = 1024**3
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


class StillClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self._now = NOW
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


def node(node_id: str, **changes: Any) -> LiveNode:
    values: dict[str, Any] = {
        "node_id": node_id,
        "state": NodePresence.ONLINE,
        "uid": f"nod_{node_id}",
        "display_name": node_id,
        "platform": PlatformInfo(os="linux", arch="x64", agent_version="0.2.0", hostname=f"{node_id}.example"),
        "labels": {"env": "prod", "role": node_id.partition("-")[0]},
        "capabilities": NodeCapabilities(shells=("sh", "bash"), features=("exec", "shell", "detach")),
        "principal": "fleet",
        "address": "192.0.2.7:40312",
        "sessions": 0,
        "latency_micros": 1_800,
        "connected_at": NOW - timedelta(hours=5),
        "last_heard_at": NOW - timedelta(seconds=4),
    }
    return LiveNode(**values | changes)


def vitals(load: int = 42, memory: float = 0.37, disk: float = 0.61, **changes: Any) -> MachineVitals:
    """A machine with 8 processors and 32 GiB of memory; `load` in hundredths."""
    values: dict[str, Any] = {
        "os": "Debian GNU/Linux 13 (trixie)",
        "kernel": "6.12.43+deb13-amd64",
        "uptime_seconds": 38 * 86_400,
        "cpus": 8,
        "load1": load,
        "load5": load + 11,
        "load15": load + 7,
        "memory_total": 32 * GIB,
        "memory_used": int(32 * GIB * memory),
        "disk_total": 200 * GIB,
        "disk_used": int(200 * GIB * disk),
    }
    return MachineVitals(**values | changes)


def session(number: int, node_id: str = "web-1", **changes: Any) -> LiveSession:
    values: dict[str, Any] = {
        "session_id": f"{number:08x}-0000-4000-8000-000000000000",
        "node_id": node_id,
        "principal": "ann",
        "mode": SessionMode.SHELL,
        "state": SessionState.OPEN,
        "created_at": NOW - timedelta(minutes=7 * number),
        "address": "198.51.100.4:51022",
        "command": "bash",
        "cwd": "/srv/app",
        "bytes_in": 812,
        "bytes_out": 45_112,
    }
    return LiveSession(**values | changes)


def forward(number: int, node_id: str = "web-1", **changes: Any) -> LiveSession:
    leads = "127.0.0.1:5432 -> localhost:5432"
    values: dict[str, Any] = {"mode": SessionMode.FORWARD, "command": leads, "cwd": "", "connections": 2}
    return session(number, node_id, **values | {"connections_total": 31} | changes)


def tunnel(port: int, **changes: Any) -> LiveTunnel:
    values: dict[str, Any] = {
        "tunnel_id": f"tunnel-{port}",
        "node_id": "web-1",
        "principal": "ann",
        "target_host": "localhost",
        "target_port": 8080,
        "public_host": "hub.example",
        "public_port": port,
        "created_at": NOW - timedelta(hours=3),
        "connections": 0,
        "connections_total": 12,
    }
    return LiveTunnel(**values | changes)


def record(seconds_ago: float, action: str, **changes: Any) -> AuditEntry:
    return AuditEntry(at=NOW - timedelta(seconds=seconds_ago), action=action, **changes)


def metrics(**changes: Any) -> LiveMetrics:
    return LiveMetrics(**{"started_at": NOW - timedelta(days=2), "relay_rate": 48_000} | changes)


def a_day_at_work() -> EventsSnapshot:
    """A hub with a bit of everything."""
    nodes = [
        node("web-1", sessions=3, vitals=vitals()),
        node("web-2", sessions=1, latency_micros=2_300, vitals=vitals(1_230, 0.91, uptime_seconds=5_400)),
        node("web-10", state=NodePresence.OFFLINE, last_heard_at=NOW - timedelta(hours=2), latency_micros=None),
        node(
            "db-1",
            labels={"env": "prod", "role": "db", "allow-roles": "dba"},
            latency_micros=12_700,
            sessions=2,
            vitals=vitals(310, 0.64, 0.97),
        ),
        node(
            "build-mac",
            platform=PlatformInfo(os="macos", arch="arm64"),
            labels={"env": "dev"},
            display_name="CI",
            vitals=vitals(7, memory_total=None, memory_used=None),
        ),
        node("laptop", platform=None, labels={}, state=NodePresence.OFFLINE, last_heard_at=None, latency_micros=None),
    ]
    sessions = [
        session(1, command="vim deploy.yaml", rate_out=2_400, memory=31_000_000, cpu_millis=4_200, processes=2),
        session(2, principal="bob", command="htop", cwd="/home/bob", rate_in=20, rate_out=18_300,
                memory=9_800_000, cpu_millis=95_000, processes=7),
        session(3, "db-1", command="psql app", cwd="/var/lib/postgresql", user="postgres"),
        session(4, "db-1", state=SessionState.DETACHED, command="pg_dump app", address="",
                detached_at=NOW - timedelta(minutes=20), expires_at=NOW + timedelta(hours=23)),
        session(5, "web-2", mode=SessionMode.EXEC, command="journalctl -f -u app", cwd="", rate_out=310),
        session(6, state=SessionState.DETACHED, principal="bob", command="make -j8", cwd="/home/bob/src", address="",
                detached_at=NOW - timedelta(hours=1), expires_at=NOW + timedelta(minutes=4)),
        forward(9, "db-1", rate_in=1_200, rate_out=5_300),
    ]  # fmt: skip
    tunnels = [
        tunnel(20_001, connections=3, rate_in=3_100, rate_out=92_000),
        tunnel(20_002, secure=True, protocol=TunnelProtocol.HTTP, target_port=3000, principal="bob"),
        tunnel(20_007, node_id="db-1", target_host="10.0.3.9", target_port=5432, persist=True),
    ]
    peers = [
        LivePeer(peer_id="p1", role="client", principal="ann", address="198.51.100.4:51022",
                 connected_at=NOW - timedelta(hours=1)),
        LivePeer(peer_id="p2", role="client", principal="bob", address="198.51.100.9:50011",
                 connected_at=NOW - timedelta(minutes=3)),
    ]  # fmt: skip
    who = {"principal": "ann", "address": "198.51.100.4:51022"}
    records = [
        record(340, "auth.login", **who),
        record(300, "session.open", **who, node_id="web-1", session_id=sessions[0].session_id, detail="shell"),
        record(180, "auth.login", outcome="denied", principal="eve", address="203.0.113.66:4022", reason="auth_failed"),
        record(120, "tunnel.open", **who, node_id="web-1", detail="localhost:8080 at :20001"),
        record(60, "session.open", outcome="error", principal="bob", address="198.51.100.9:50011", node_id="web-10",
               reason="node_offline"),
        record(20, "session.detach", **who, node_id="db-1", session_id=sessions[3].session_id),
        record(5, "session.kill", outcome="denied", principal="bob", address="198.51.100.9:50011", node_id="db-1",
               session_id=sessions[2].session_id, reason="not_authorized"),
    ]  # fmt: skip
    return snapshot(nodes, sessions, tunnels, peers, records, metrics(nodes=4, sessions=5, tunnels=3))


def snapshot(
    nodes: Any = (), sessions: Any = (), tunnels: Any = (), peers: Any = (), records: Any = (), figures: Any = None
) -> EventsSnapshot:
    """Everything that a hub says at first, in one piece."""
    return EventsSnapshot(
        at=NOW,
        subscription_id="s",
        seq=1,
        first=True,
        last=True,
        scope=Scope.ALL,
        parts=tuple(Part),
        nodes=tuple(nodes),
        sessions=tuple(sessions),
        tunnels=tuple(tunnels),
        peers=tuple(peers),
        records=tuple(records),
        metrics=figures or metrics(),
    )


def delta(**parts: Any) -> EventsDelta:
    """What a hub says later."""
    return EventsDelta(at=NOW, subscription_id="s", seq=2, **parts)


def say(state: HubState, *updates: EventsSnapshot | EventsDelta) -> None:
    """Have the state know what a hub says."""
    for update in updates:
        state.apply(update)
    state.set_link(Link.UP)
    state.set_round_trip(0.0123)


class Nowhere:
    """A hub that is never found."""

    label = "nowhere"

    own_node = trouble = ""

    def begin(self) -> None:
        pass

    async def access(self) -> HubAccess:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    def revive(self) -> None:
        pass

    def tend(self) -> str:
        return ""

    def leave(self) -> list[str]:
        return []


@asynccontextmanager
async def console(
    *updates: EventsSnapshot | EventsDelta,
    width: int = 120,
    height: int = 40,
    theme: str = "dark",
    depth: Depth = Depth.TRUE,
    toasts: bool = False,
    own: Own | None = None,
) -> AsyncIterator[tuple[ConsoleApp, Pilot[int]]]:
    """The console, showing a state."""
    app = ConsoleApp(ConsoleSettings(theme=theme, own=own or Own()), Nowhere(), clock=StillClock(), depth=depth)
    if updates:
        say(app.hub.state, *updates)
    app.animation_level = "none"
    with settling(app):
        async with app.run_test(size=(width, height), notifications=toasts) as pilot:
            app.overview.header.name_hub("wss://hub.example:8443", "ann")
            await pilot.pause()
            yield app, pilot
