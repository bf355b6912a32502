"""The settings of this machine's own hub and node."""

from omnyshell.clock import Clock, SystemClock
from omnyshell.hosts import LOCALHOST
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import ADMIN_ROLE, NODE_ROLE
from omnyshell.model.tunnels import PortRange
from omnyshell.security.authenticators import TokenAuthenticator, TokenGrant, hash_token
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.local.certificates import LocalCertificates
from omnyshell.services.local.listening import Listening
from omnyshell.services.local.setup import NODE_PRINCIPAL, LocalSetup, machine_node_id, user_name
from omnyshell.services.node.config import NodeConfig

TUNNEL_PORTS = PortRange(20_000, 20_999)
"""The public ports of the local hub's tunnels, which are bound where the hub listens."""


def hub_config(
    setup: LocalSetup, port: int, clock: Clock | None = None, listening: Listening | None = None
) -> HubConfig:
    """The hub's settings, for one that listens on the loopback, and where `listening` says.

    The first call makes its authorities and certificates; later calls renew them when due.
    """
    clock = clock or SystemClock()
    listening = listening or Listening()
    certificates = LocalCertificates(setup.directory / "certs", clock, listening.names)
    certificates.renew()
    return HubConfig(
        cert=certificates.cert,
        key=certificates.key,
        tunnel_cert=certificates.tunnel_cert,
        tunnel_key=certificates.tunnel_key,
        renew_certificates=certificates.renew,
        clock=clock,
        host=LOCALHOST,
        port=port,
        also_on=listening.also_on,
        state_dir=setup.directory / "hub",
        tunnel_ports=TUNNEL_PORTS,
        tunnel_bind_host="127.0.0.1",
        tunnel_public_host=listening.public_host,
        authenticator=TokenAuthenticator(
            [
                _grant(user_name(), setup.secret("admin"), ADMIN_ROLE),
                _grant(NODE_PRINCIPAL, setup.secret("node"), NODE_ROLE),
            ]
        ),
    )


def _grant(principal: str, token: str, role: str) -> TokenGrant:
    """A grant of a random token of this machine.

    As it cannot be guessed, other users' failed logins do not lock the owner out.
    """
    return TokenGrant(PrincipalId(principal), hash_token(token), frozenset({role}), is_random=True)


def node_config(setup: LocalSetup, port: int) -> NodeConfig:
    """The node's settings, for a local hub on that port."""
    return NodeConfig(
        node_id=machine_node_id(),
        access=setup.node_access(port),
        state_dir=setup.node_state,
        keeper=True,
        run_as_node_user=True,
    )
