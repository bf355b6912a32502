"""The hub's metrics in Prometheus' text format."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from omnyshell.extras import needs
from omnyshell.model.sessions import SessionState
from omnyshell.protocol.messages.base import Role
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.histogram import Histogram
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker

with needs("hub"):
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

if TYPE_CHECKING:
    from omnyshell.services.hub.peers.peer import Peer

CONTENT_TYPE = CONTENT_TYPE_LATEST

_COUNTERS = {
    "logins": ("logins", "Logins that were accepted"),
    "login_failures": ("auth_failures", "Logins that were refused"),
    "connections_refused": ("connections_refused", "Connections that were turned away before they could log in"),
    "frames_dropped": ("frames_dropped", "Frames that could not be decoded or had no place"),
    "sessions_opened": ("sessions_opened", "Sessions that were opened"),
    "sessions_rejected": ("sessions_rejected", "Sessions that were rejected"),
    "frames_relayed": ("relayed_frames", "Data frames that were passed on"),
    "bytes_relayed": ("relayed_bytes", "Bytes of payload that were passed on"),
    "credit_violations": ("credit_violations", "Sessions ended for data beyond the credit"),
    "tunnels_opened": ("tunnels_opened", "Tunnels that were opened"),
    "tunnels_rejected": ("tunnels_rejected", "Tunnels that were rejected"),
    "tunnel_connections": ("tunnel_connections_accepted", "Connections that were let into tunnels"),
    "heartbeat_timeouts": ("heartbeat_timeouts", "Nodes dropped for silence"),
}
_HISTOGRAMS = {
    "login_seconds": "From the end of a connection's upgrade to its login",
    "relay_seconds": "What the hub takes to pass a data frame on, sampled",
    "loop_lag_seconds": "How late the event loop was",
}


class HubCollector:
    """Collects the metrics at each request."""

    def __init__(
        self,
        *,
        metrics: HubMetrics,
        quota: Quota,
        audit: AuditLog,
        nodes: NodeRegistry,
        sessions: SessionRouter,
        detached: Callable[[], int | None],
        peers: "Iterable[Peer]",
        tunnels: TunnelBroker,
    ) -> None:
        """`detached` returns the number of detached sessions; None if the hub does not know it."""
        self._metrics = metrics
        self._quota = quota
        self._audit = audit
        self._nodes = nodes
        self._sessions = sessions
        self._detached = detached
        self._peers = peers
        self._tunnels = tunnels

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        for name, (shown, text) in _COUNTERS.items():
            yield CounterMetricFamily(f"omnyshell_{shown}", text, value=getattr(self._metrics, name))
        for name, text in _HISTOGRAMS.items():
            histogram: Histogram = getattr(self._metrics, name)
            yield HistogramMetricFamily(f"omnyshell_{name}", text, histogram.buckets(), histogram.sum)
        yield from self._of_limits()
        yield from self._of_peers()
        yield GaugeMetricFamily("omnyshell_nodes_online", "Nodes that are connected", value=len(self._nodes))
        yield from self._of_sessions()
        yield from self._of_audit()
        yield from self._of_tunnels()

    def _of_limits(self) -> Iterator[Metric]:
        text = "How often a principal met a limit, by what is limited"
        family = CounterMetricFamily("omnyshell_limited", text, labels=["resource"])
        for resource in Resource:
            family.add_metric([resource], self._quota.refused[resource])
        yield family

    def _of_peers(self) -> Iterator[Metric]:
        # Peers choose the text of their role, so only known roles get a label of their own.
        roles = dict.fromkeys((Role.CLIENT, Role.NODE, "stranger", "other"), 0)
        waiting, longest = 0, 0
        for peer in self._peers:
            role = peer.role if peer.is_logged_in else "stranger"
            roles[role if role in roles else "other"] += 1
            size = peer.queued_bytes
            waiting, longest = waiting + size, max(longest, size)
        family = GaugeMetricFamily("omnyshell_peers", "Connections, by role", labels=["role"])
        for role, count in roles.items():
            family.add_metric([role], count)
        yield family
        yield GaugeMetricFamily("omnyshell_send_queue_bytes", "Bytes that wait to be sent to peers", value=waiting)
        text = "Bytes that wait to be sent to the peer with the most"
        yield GaugeMetricFamily("omnyshell_send_queue_max_bytes", text, value=longest)

    def _of_sessions(self) -> Iterator[Metric]:
        states: dict[str, int] = {SessionState.OPENING: 0, SessionState.OPEN: 0}
        states.update(Counter(route.session.state for route in self._sessions))
        detached = self._detached()
        if detached is not None:
            states[SessionState.DETACHED] = detached
        family = GaugeMetricFamily("omnyshell_sessions", "Sessions, by state", labels=["state"])
        for state, count in states.items():
            family.add_metric([state], count)
        yield family

    def _of_audit(self) -> Iterator[Metric]:
        writer = self._audit.writer
        depth, lost, failing = (writer.depth, writer.lost, writer.is_failing) if writer is not None else (0, 0, False)
        yield GaugeMetricFamily("omnyshell_audit_queue", "Audit records that wait for the disk", value=depth)
        yield CounterMetricFamily("omnyshell_audit_lost", "Audit records that found no place", value=lost)
        text = "Gaps in the audit trail that no admin has acknowledged"
        yield GaugeMetricFamily("omnyshell_audit_broken", text, value=len(self._audit.faults))
        yield GaugeMetricFamily("omnyshell_audit_failing", "Whether the audit trail cannot be written", value=failing)

    def _of_tunnels(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("omnyshell_tunnels", "Tunnels that are open", value=len(self._tunnels))
        text = "Connections that go through tunnels"
        yield GaugeMetricFamily("omnyshell_tunnel_connections", text, value=self._tunnels.connections)


def metrics_text(collector: HubCollector) -> bytes:
    """Return the text of all metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return bytes(generate_latest(registry))
