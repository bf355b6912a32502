"""Makes a hub's tunnel broker from the hub's settings."""

import ssl

from omnyshell.errors import ConfigException
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.config import HubConfig
from omnyshell.services.hub.event_bus import EventBus
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.policy import HubPolicy
from omnyshell.services.hub.public_ports import PublicPorts
from omnyshell.services.hub.registry import NodeDirectory
from omnyshell.services.hub.tunnel_broker import TunnelBroker, TunnelContext
from omnyshell.services.hub.tunnels import TunnelRegistry
from omnyshell.transport.tls import server_context


async def make_tunnel_broker(
    config: HubConfig,
    hub_tls: ssl.SSLContext,
    audit: AuditLog,
    metrics: HubMetrics,
    bus: EventBus,
    nodes: NodeDirectory,
    policy: HubPolicy,
) -> TunnelBroker:
    """Return the broker, with nothing bound yet.

    Raises `ConfigException` for a certificate that cannot be used, and `TransportException` for a host to bind that is
    none of this machine's.
    """
    ports = PublicPorts(config.host if config.tunnel_bind_host is None else config.tunnel_bind_host)
    tls = public_tls(config, hub_tls)
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
        tls=tls,
    )
    return TunnelBroker(context, TunnelRegistry(config.tunnel_ports), ports)


def public_tls(config: HubConfig, hub_tls: ssl.SSLContext) -> ssl.SSLContext | None:
    """Return what secure tunnels show outside; None where there are none. Raises `ConfigException`."""
    if (config.tunnel_cert is None) != (config.tunnel_key is None):
        raise ConfigException("--tunnel-cert and --tunnel-key go together")
    if not config.secure_tunnels:
        return None
    if config.tunnel_cert is None or config.tunnel_key is None:
        return hub_tls
    return server_context(config.tunnel_cert, config.tunnel_key)
