"""Makes a hub's tunnel broker from the hub's settings."""

from collections.abc import Callable

from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.certificate import SecureTunnels
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.event_bus import EventBus
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.tunnels.admission import TunnelContext
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.services.hub.tunnels.public_ports import PublicPorts
from omnyshell.services.hub.tunnels.registry import TunnelRegistry
from omnyshell.transport.introductions import Introductions


def make_tunnel_broker(
    config: HubConfig,
    ports: PublicPorts,
    secure: Callable[[], SecureTunnels],
    audit: AuditLog,
    metrics: HubMetrics,
    bus: EventBus,
    nodes: NodeDirectory,
    policy: HubPolicy,
    introductions: Introductions,
) -> TunnelBroker:
    """Return the broker, with nothing bound yet.

    `secure` returns what the public side of secure tunnels shows now. What `ports` binds on has to be resolved before
    a tunnel is opened.
    """
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
        secure=secure,
        introductions=introductions,
    )
    return TunnelBroker(context, TunnelRegistry(config.tunnel_ports), ports)
