"""The settings of a hub, from an embedder or the command line."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from omnyshell.clock import Clock, SystemClock
from omnyshell.ids import IdFactory, PrincipalId, new_id, new_tunnel_id
from omnyshell.model.tunnels import PortRange
from omnyshell.networks import Network
from omnyshell.options.option import default_of
from omnyshell.protocol.limits import HEARTBEAT_TIMEOUT
from omnyshell.security.authenticators import Authenticator
from omnyshell.security.authorizer import Authorizer, NodeAuthorizer, RoleBasedAuthorizer
from omnyshell.security.grants import Grant
from omnyshell.security.login_limit import DEFAULT_LIMIT, LoginLimit
from omnyshell.security.strict_modes import StrictModes
from omnyshell.services.hub.ground.audit_settings import AuditedCommands, Retention, SinkTls
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.limits import Allowance, QuotaLimits
from omnyshell.services.hub.ground.watched_files import WatchedFiles
from omnyshell.transport.connection import HubAddress
from omnyshell.transport.endpoint import EndpointLimits
from omnyshell.transport.keepalive import KeepaliveTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """A hub's settings; times in seconds.

    Only the certificate, its key and the authenticator have no default: there is no hub without TLS, and none that
    accepts everyone.
    """

    cert: Path
    key: Path
    authenticator: Authenticator
    """Judges logins, in addition to the hub's own database of enrolled principals."""

    host: str = "127.0.0.1"
    port: int = 8443
    """0 for one that the system chooses."""

    also_on: tuple[str, ...] = ()
    """Further names and addresses of this machine to listen on, on the same port, and to bind tunnels' ports on; see
    `OmnyShellHub.listen`."""

    authorizer: Authorizer | NodeAuthorizer = field(default_factory=RoleBasedAuthorizer)
    """Decides who may do what on nodes, where `grants` and the settings below do not decide."""

    grants: tuple[Grant, ...] = ()
    """Rights that the hub itself gives and denies; a denial wins over everything."""

    list_all_nodes: bool = False
    """Whether listings for clients include nodes that they may not use."""

    open_local_tunnels: bool = False
    """Whether a public port that leads to the client's own machine needs no right."""

    open_node_tunnels: bool = False
    """Whether those who may use a node by its roles may open public ports that lead to it."""

    state_dir: Path | None = None
    """Where node ownership, invites, locks, the audit trail and the hub's UID are kept; without it they are lost when
    the process ends. One hub uses it at a time."""

    cluster: ClusterSettings | None = None
    """For a hub that is one of several, as its state directory says; None for what that says alone."""

    heartbeat_timeout: float = HEARTBEAT_TIMEOUT
    """How long a node may be silent before it is considered lost."""

    login_timeout: float = 20.0
    """How long a connection may take to log in, counted from the WebSocket upgrade."""

    allow_unbound_keys: frozenset[PrincipalId] = frozenset()
    """Principals whose keys may log in by a signature over the nonce alone, as the original's peers do."""

    verify_required: bool = False
    """Whether hardware keys log in only where they verified their owner, by a PIN or a finger; a touch they always
    need."""

    public_urls: tuple[HubAddress, ...] = ()
    """The URLs by which peers reach the hub; a key's proof for any other address is refused. If empty, any address is
    accepted except on `tunnel_ports`."""

    login_limit: LoginLimit = field(default_factory=lambda: LoginLimit.parse(DEFAULT_LIMIT))
    """How many failed logins an address or a principal may have before they are not answered any more."""

    proxy_protocol_from: tuple[Network, ...] = ()
    """Networks of load balancers. Connections from them must begin with a header of the PROXY protocol, version 2."""

    endpoint: EndpointLimits = field(default_factory=EndpointLimits)
    keepalive: KeepaliveTimes = field(default_factory=KeepaliveTimes)
    max_channels: int = default_of(QuotaLimits, "max_channels")
    """How many channels one connection may have at a time."""

    node_ids: int = default_of(QuotaLimits, "node_ids")
    """Node ids that one principal may register, not counting those that it has already. A node that joined has only its
    own."""

    quotas: tuple[Allowance, ...] = ()
    """Limits for some principals that differ from the general ones."""

    message_timeout: float = 30.0
    """Seconds that one message may take to arrive."""

    audit_capacity: int = 10_000
    """Records kept in memory; with a state directory all of them are kept there too."""

    audit_commands: AuditedCommands = AuditedCommands.FULL
    """How much of the command lines of sessions is in the audit."""

    audit_retention: Retention = field(default_factory=Retention)
    audit_sinks: tuple[str, ...] = ()
    """Sinks to which records go as well: see `sinks.KINDS` in the room `audit`."""

    audit_sink_tls: SinkTls = field(default_factory=SinkTls)

    tunnel_ports: PortRange | None = None
    """Public ports that tunnels may take; None means no tunnels."""

    tunnel_bind_host: str | None = None
    """The address on which tunnels' ports are bound; None means the hub's listening address."""

    tunnel_public_host: str = ""
    """The host name of tunnels in answers to clients; if empty, clients use the name by which they reach the hub."""

    tunnel_cert: Path | None = None
    tunnel_key: Path | None = None
    """Certificate and key for the public side of TLS tunnels; both must differ from the hub's. None means no TLS."""

    secure_tunnels: bool = True
    """Whether TLS tunnels are served, if there is a certificate for them."""

    renew_certificates: Callable[[], None] | None = field(default=None, repr=False)
    """Called once a day to renew certificate files that expire soon; raises `OmnyShellException` if it cannot."""

    new_tunnel_id: IdFactory = new_tunnel_id
    node_labels: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels that the hub sets for node ids: a ceiling for the labels that nodes give themselves."""

    watched: tuple[WatchedFiles, ...] = ()
    """Files from which the authenticator was made; they are read again when they change."""

    strict_modes: StrictModes = field(default_factory=lambda: StrictModes(is_on=False))
    """Checks watched files before they are read again."""

    metrics_token: str | None = field(default=None, repr=False)
    """The bearer token for reading metrics; None if there is none."""

    metrics_from_loopback: bool = False
    """Whether everybody on this machine may read metrics."""

    clock: Clock = field(default_factory=SystemClock)
    new_id: IdFactory = new_id
