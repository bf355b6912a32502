"""The details of one item, as pairs of a name and a text, for the pane of details."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from omnyshell.durations import format_duration
from omnyshell.hosts import host_and_port
from omnyshell.model.audit import AuditRecord, RecordOfHub
from omnyshell.model.live import LiveNode, LiveSession, LiveTunnel
from omnyshell.model.vitals import MachineVitals, SessionProcess
from omnyshell.security.authorizer import ALLOW_ROLES_LABEL
from omnyshell.services.client.live.state import HubState
from omnyshell.tui.formats import exposer_name, meter, milliseconds, size, stamp, tunnel_protocol
from omnyshell.tui.forwards import forwards_of, sessions_of


@dataclass(frozen=True, slots=True)
class Details:
    """A title, and lines of name and text; lines without a text are left out when they are made."""

    title: str
    lines: tuple[tuple[str, str], ...]


def _details(title: str, *lines: tuple[str, str]) -> Details:
    return Details(title, tuple((name, text) for name, text in lines if text))


def of_node(node: LiveNode, now: datetime, trend: str = "") -> Details:
    """What is known of a node; `trend` draws its load."""
    platform, capabilities = node.platform, node.capabilities
    return _details(
        f"Node {node.node_id}",
        ("state", "online" if node.is_online else "offline"),
        ("hub", node.hub),
        *(_of_vitals(node.vitals, trend) if node.vitals is not None and node.is_online else ()),
        ("locked", node.locked),
        ("name", node.display_name),
        ("host", platform.hostname if platform is not None else ""),
        ("platform", f"{platform.os}/{platform.arch}" if platform is not None else ""),
        ("version", platform.agent_version if platform is not None else ""),
        ("labels", labels(node.labels)),
        ("hub labels", labels(node.hub_labels)),
        ("address", node.address),
        ("principal", node.principal),
        ("latency", milliseconds(node.latency) if node.latency is not None else ""),
        ("connected", _since(node.connected_at, now)),
        ("last heard", _since(node.last_heard_at, now)),
        ("displaced", _since(node.displaced_at, now)),
        ("by", node.displaced),
        ("sessions", str(node.sessions) if node.sessions is not None else ""),
        ("room for", f"{capabilities.max_sessions} sessions" if capabilities is not None else ""),
        ("shells", ", ".join(capabilities.shells) if capabilities is not None else ""),
        ("can", ", ".join(capabilities.features) if capabilities is not None else ""),
        ("uid", node.uid),
    )


def _of_vitals(vitals: MachineVitals, trend: str) -> tuple[tuple[str, str], ...]:
    load = " ".join(f"{each:.2f}" for each in vitals.loads)
    cpus = f", {vitals.cpus} processor{'s' if vitals.cpus > 1 else ''}" if load and vitals.cpus else ""
    uptime = format_duration(vitals.uptime_seconds) if vitals.uptime_seconds is not None else ""
    return (
        ("load", load + cpus),
        ("", trend),
        ("memory", _used(vitals.memory_used, vitals.memory_total, vitals.memory_share)),
        ("disk", _used(vitals.disk_used, vitals.disk_total, vitals.disk_share)),
        ("uptime", uptime),
        ("system", vitals.os),
        ("kernel", vitals.kernel),
    )


def _used(used: int | None, total: int | None, percent: float | None) -> str:
    if used is None or total is None or percent is None:
        return ""
    return f"{meter(percent)} {percent:.0f}%, {size(used)} of {size(total)}"


def of_process(process: SessionProcess) -> Details:
    """What is known of a process."""
    return _details(
        f"Process {process.pid}",
        ("command", process.command),
        ("user", process.user),
        ("parent", str(process.parent)),
        ("processor", f"{process.cpu_millis / 1000:.1f} s"),
        ("memory", size(process.memory)),
        ("session", process.session_id),
    )


def of_session(session: LiveSession, now: datetime) -> Details:
    """What is known of a session."""
    return _details(
        f"Session {session.short_id}",
        ("state", session.state.value),
        ("node", session.node_id),
        ("hub", session.hub),
        ("owner", session.principal),
        ("runs as", session.user),
        ("taken by", session.taken_by),
        ("watched by", ", ".join(session.watched_by)),
        ("mode", session.mode.value),
        ("command", session.command),
        ("directory", session.cwd),
        ("from", session.address),
        ("opened", _since(session.created_at, now)),
        ("resumed", "yes" if session.resumed else ""),
        ("detached", _since(session.detached_at, now)),
        ("expires", stamp(session.expires_at)),
        ("input", f"{size(session.bytes_in)}, {size(session.rate_in)}/s"),
        ("output", f"{size(session.bytes_out)}, {size(session.rate_out)}/s"),
        ("memory", size(session.memory) if session.memory is not None else ""),
        ("processor", f"{session.cpu_millis / 1000:.1f} s" if session.cpu_millis is not None else ""),
        ("processes", str(session.processes) if session.processes is not None else ""),
        ("reason", session.reason),
        ("id", session.session_id),
    )


def of_tunnel(tunnel: LiveTunnel, now: datetime) -> Details:
    """What is known of a tunnel."""
    return _details(
        f"Tunnel {tunnel.public_host}:{tunnel.public_port}",
        ("public", f"{tunnel.public_host or 'the hub'}:{tunnel.public_port}"),
        ("target", host_and_port(tunnel.target_host, tunnel.target_port)),
        ("node", exposer_name(tunnel.node_id)),
        ("hub", tunnel.hub),
        ("owner", tunnel.principal),
        ("protocol", tunnel_protocol(tunnel)),
        ("opened", _since(tunnel.created_at, now)),
        ("comes back", _comes_back(tunnel)),
        ("connections", f"{tunnel.connections} now, {tunnel.connections_total} in all"),
        ("in", f"{size(tunnel.bytes_in)}, {size(tunnel.rate_in)}/s"),
        ("out", f"{size(tunnel.bytes_out)}, {size(tunnel.rate_out)}/s"),
        ("id", tunnel.tunnel_id),
    )


def of_record(record: AuditRecord) -> Details:
    """What an audit record says."""
    return _details(
        record.action,
        ("outcome", record.outcome),
        ("at", stamp(record.at)),
        ("hub", record.hub if isinstance(record, RecordOfHub) else ""),
        ("who", record.principal),
        ("from", record.address),
        ("node", record.node_id),
        ("session", record.session_id),
        ("command", record.command),
        ("reason", record.reason),
        ("detail", record.detail),
    )


def of_forward(forward: LiveSession, now: datetime) -> Details:
    """What is known of a forward."""
    return _details(
        f"Forward {forward.short_id}",
        *(("leads", part) for part in forward.command.split(", ")),
        ("node", forward.node_id),
        ("owner", forward.principal),
        ("from", forward.address),
        ("opened", _since(forward.created_at, now)),
        ("connections", f"{forward.connections} now, {forward.connections_total} in all"),
        ("in", f"{size(forward.bytes_in)}, {size(forward.rate_in)}/s"),
        ("out", f"{size(forward.bytes_out)}, {size(forward.rate_out)}/s"),
        ("id", forward.session_id),
    )


def of_principal(principal: str, state: HubState, now: datetime) -> Details:
    """What is known of a principal: its connections, and how much it has."""
    peers = [peer for peer in state.peers.values() if peer.principal == principal]
    sessions = sum(session.principal == principal for session in sessions_of(state))
    forwards = sum(forward.principal == principal for forward in forwards_of(state))
    tunnels = sum(tunnel.principal == principal for tunnel in state.tunnels.values())
    nodes = [node.node_id for node in state.nodes.values() if node.principal == principal]
    connections = ((peer.role, f"{peer.address}, {_since(peer.connected_at, now)}") for peer in peers)
    return _details(
        f"Principal {principal}",
        ("sessions", str(sessions)),
        ("tunnels", str(tunnels)),
        ("forwards", str(forwards)),
        ("nodes", ", ".join(nodes)),
        ("connected", f"{len(peers)} times" if peers else "no"),
        *connections,
    )


def _comes_back(tunnel: LiveTunnel) -> str:
    """Say whether it is kept, and what it waits for."""
    if tunnel.waiting:
        return f"with {tunnel.node_id}, for which it waits"
    return "with the hub and its node" if tunnel.persist else ""


def labels(found: Mapping[str, str]) -> str:
    """Labels in one line: first those that people tell machines apart by, last who may use it."""
    ordered = sorted(found.items(), key=lambda label: (label[0] == ALLOW_ROLES_LABEL, label))
    return " ".join(f"{key}={value}" for key, value in ordered)


def _since(moment: datetime | None, now: datetime) -> str:
    return f"{stamp(moment)}, {format_duration((now - moment).total_seconds())} ago" if moment is not None else ""
