"""Makes a hub's tunnel broker from the hub's settings."""

from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.certificate import HubCertificate
from omnyshell.services.hub.config import HubConfig
from omnyshell.services.hub.event_bus import EventBus
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.policy import HubPolicy
from omnyshell.services.hub.public_ports import PublicPorts
from omnyshell.services.hub.registry import NodeDirectory
from omnyshell.services.hub.tunnel_admission import TunnelContext
from omnyshell.services.hub.tunnel_broker import TunnelBroker
from omnyshell.services.hub.tunnels import TunnelRegistry
from omnyshell.transport.introductions import Introductions


async def make_tunnel_broker(
    config: HubConfig,
    certificate: HubCertificate,
    audit: AuditLog,
    metrics: HubMetrics,
    bus: EventBus,
    nodes: NodeDirectory,
    policy: HubPolicy,
    introductions: Introductions,
) -> TunnelBroker:
    """Return the broker, with nothing bound yet.

    Raises `TransportException` for a host to bind that is none of this machine's.
    """
    ports = PublicPorts(config.host if config.tunnel_bind_host is None else config.tunnel_bind_host)
    if config.tunnel_ports is not None:
        await ports.resolve()
    context = TunnelContext(
        nodes=nodes,
        policy=policy,
        audit=audit,
        metrics=metrics,
        bus=bus,
        clock=config.clock,
        new_id=config.new_tunnel_id,
        new_request_id=config.new_id,
        public_host=config.tunnel_public_host,
        secure=lambda: certificate.tunnels,
        introductions=introductions,
    )
    return TunnelBroker(context, TunnelRegistry(config.tunnel_ports), ports)
