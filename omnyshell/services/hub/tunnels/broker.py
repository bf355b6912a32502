"""Opens, lists and closes tunnels, and accepts connections through them (docs/protocol.md#tunnels)."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterable
from functools import partial

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException, ErrorCodes, TunnelRejectedException
from omnyshell.ids import IdFactory, short_id
from omnyshell.model.live import LiveTunnel
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import CloseReason
from omnyshell.model.tunnels import LOCAL_EXPOSER, TunnelInfo, TunnelProtocol
from omnyshell.protocol.extensions import TUNNEL_EOF
from omnyshell.protocol.messages import (
    TunnelCloseRequest,
    TunnelCloseResponse,
    TunnelListRequest,
    TunnelListResponse,
    TunnelOpened,
    TunnelOpenRequest,
    TunnelRejected,
)
from omnyshell.security.authenticators import Evidence
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.ground.certificate import SecureTunnels
from omnyshell.services.hub.ground.event_bus import EventBus, TunnelEvent
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.login_gate import AsNow
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.tunnels.admission import EXPOSING, SECURE_UNAVAILABLE, TunnelAdmission
from omnyshell.services.hub.tunnels.backlogs import TunnelBacklogs
from omnyshell.services.hub.tunnels.connection import TunnelConnection
from omnyshell.services.hub.tunnels.exposer import Exposer
from omnyshell.services.hub.tunnels.http.forwarder import HttpForwarder
from omnyshell.services.hub.tunnels.http.headers import ForwardingHeaders
from omnyshell.services.hub.tunnels.kept import KeptTunnels
from omnyshell.services.hub.tunnels.kept_store import TunnelStore
from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel
from omnyshell.services.hub.tunnels.public_ports import PublicPorts
from omnyshell.services.hub.tunnels.refusals import TunnelRefusals
from omnyshell.services.hub.tunnels.registry import TunnelRegistration, TunnelRegistry
from omnyshell.transport.introductions import Introductions
from omnyshell.transport.listener import Listener

MAX_HOST_LENGTH = 255

logger = logging.getLogger("omnyshell.hub")


class TunnelBroker:
    """The tunnels of a hub."""

    def __init__(
        self,
        *,
        registry: TunnelRegistry,
        ports: PublicPorts,
        public_host: str,
        secure: Callable[[], SecureTunnels],
        introductions: Introductions,
        nodes: NodeDirectory,
        policy: HubPolicy,
        quota: Quota,
        audit: AuditLog,
        metrics: HubMetrics,
        bus: EventBus,
        clock: Clock,
        new_id: IdFactory,
        new_request_id: IdFactory,
    ) -> None:
        """`secure` returns the present TLS configuration of tunnels' public side, or why there is none.

        `new_id` makes the ids of tunnels: URL-safe tokens of 256 bits.
        """
        self._registry = registry
        self._ports = ports
        self._public_host = public_host
        self._secure = secure
        self._introductions = introductions
        self._quota = quota
        self._audit = audit
        self._metrics = metrics
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._new_request_id = new_request_id
        self._admission = TunnelAdmission(registry=registry, nodes=nodes, policy=policy, quota=quota, secure=secure)
        self.refusals = TunnelRefusals(audit)
        self._backlogs = TunnelBacklogs(quota)
        self._kept: KeptTunnels | None = None
        self._tunnels: dict[str, OpenTunnel] = {}
        self._exposers: dict[FarEnd, Exposer] = {}

    def name_host(self, public_host: str) -> None:
        """Name this host, in answers to clients, for tunnels that are opened from now on."""
        self._public_host = public_host

    # From clients

    def open(self, client: Peer, request: TunnelOpenRequest, _channel: int) -> None:
        """Open a tunnel, or reject it with the first reason that applies."""
        try:
            tunnel = self._open(client, request)
        except TunnelRejectedException as exc:
            self._metrics.tunnels_rejected += 1
            where = f"{request.target_host[:MAX_HOST_LENGTH]}:{request.target_port}"
            if exc.code == ErrorCodes.NOT_AUTHORIZED:
                where = f"{EXPOSING} {where}"
            self._record("tunnel.rejected", client, request.node_id[:LONGEST_NAME] or LOCAL_EXPOSER, exc.code, where)
            client.send(TunnelRejected(request_id=request.request_id, reason=exc.code, message=exc.message))
            return
        info = tunnel.info
        self._metrics.tunnels_opened += 1
        self._record("tunnel.open", client, info.node_id, "", str(tunnel))
        client.send(
            TunnelOpened(
                request_id=request.request_id,
                tunnel_id=info.tunnel_id,
                public_host=info.public_host,
                public_port=info.public_port,
                secure=info.secure,
                protocol=info.protocol,
            )
        )

    def close_requested(self, client: Peer, request: TunnelCloseRequest, _channel: int) -> None:
        """Close one of the caller's tunnels."""
        registration = self._registry.find(client.principal.id, request.tunnel_ref)
        problem = None
        if registration is None:
            problem = "No such tunnel, or more than one whose id begins so"
        else:
            self._close(self._tunnels[registration.info.tunnel_id], CloseReason.TUNNEL_CLOSED, client.address)
        client.send(TunnelCloseResponse(request_id=request.request_id, ok=problem is None, message=problem))

    def list_requested(self, client: Peer, request: TunnelListRequest, _channel: int) -> None:
        """List the caller's tunnels."""
        tunnels = tuple(tunnel.listed for tunnel in self.of_owner(client.principal.id))
        client.send(TunnelListResponse(request_id=request.request_id, tunnels=tunnels))

    # From the hub

    def begin(self, store: TunnelStore, standing: Callable[[], AsNow]) -> None:
        """Take up what the hub has kept, as it starts, and keep tunnels from now on.

        `standing` returns a function that judges earlier logins by what is true now.
        """
        self._kept = KeptTunnels(store, standing)
        for each in self._kept.take_up():
            each.info.public_host = self._public_host
            tunnel = self._enter(each.info, each.owner, each.evidence, None)
            self._kept.know(tunnel)
            self._listen(tunnel)
            self._tell(tunnel)
            self._record_of(tunnel, "tunnel.open", "", "kept")

    def reserve(self, port: int) -> None:
        """Never give this port to a tunnel."""
        self._registry.reserve(port)

    def __len__(self) -> int:
        return len(self._tunnels)

    @property
    def tunnels(self) -> tuple[OpenTunnel, ...]:
        """The open tunnels, with their counters."""
        return tuple(self._tunnels.values())

    def describe(self, tunnel_id: str) -> LiveTunnel | None:
        """Return an open tunnel as a value; None if it is not open."""
        tunnel = self._tunnels.get(tunnel_id)
        return tunnel.describe() if tunnel is not None else None

    @property
    def connections(self) -> int:
        """The number of connections through tunnels."""
        return sum(tunnel.counters.connections_now for tunnel in self._tunnels.values())

    def end(self, tunnel: OpenTunnel) -> None:
        """Close a tunnel on the hub's decision. Idempotent."""
        if self._tunnels.get(tunnel.info.tunnel_id) is tunnel:
            self._close(tunnel, CloseReason.TUNNEL_CLOSED, "")

    def of_owner(self, name: str) -> list[OpenTunnel]:
        """Return the tunnels of a principal."""
        return [self._tunnels[found.info.tunnel_id] for found in self._registry.of_owner(name)]

    def at_node(self, node_id: str) -> list[OpenTunnel]:
        """Return the tunnels that lead to a node."""
        return [tunnel for tunnel in self._tunnels.values() if tunnel.info.node_id == node_id]

    def enforce(self, tunnels: Iterable[OpenTunnel], current: AsNow) -> None:
        """Close the given tunnels that are no longer allowed.

        `current` returns the present principal by the credential with which the tunnel was opened, or None.
        """
        for tunnel in tunnels:
            owner = current(tunnel.owner, tunnel.evidence)
            if owner is None or not self._may_stay(owner, tunnel):
                self.end(tunnel)
            else:
                tunnel.owner = owner

    def principal_seen(self, principal: Principal, evidence: Evidence | None) -> None:
        """A principal logged in: update the roles of the tunnels that it opened with the same credential."""
        for registration in self._registry.of_owner(principal.id):
            tunnel = self._tunnels[registration.info.tunnel_id]
            if tunnel.evidence == evidence:
                tunnel.owner = principal

    def node_registered(self, peer: Peer, node: ReachableNode) -> None:
        """A node registered, maybe again: close its connection's tunnels of another id, and take up what was kept."""
        exposer = self._exposers.get(peer)
        if exposer is not None:
            exposer.node = node
            for tunnel in self._tunnels_at(exposer):
                if tunnel.info.node_id != node.node_id:
                    self._lose(tunnel, peer.address)
        if self._kept is not None:
            for kept, owner in self._kept.at(node.node_id):
                self._come_back(kept, owner, peer, node)

    def exposer_gone(self, peer: Peer) -> None:
        """Close the tunnels that a connection served when it has ended; their ports are free, but for kept ones."""
        exposer = self._exposers.pop(peer, None)
        if exposer is None:
            return
        for tunnel in self._tunnels_at(exposer):
            self._lose(tunnel, peer.address)
        exposer.lose()

    def sweep(self, now: float) -> None:
        """End connections whose outside reads nothing while too much waits; `now` on the monotonic clock."""
        self._backlogs.sweep(self.tunnels, now)

    async def close(self) -> None:
        """Close every tunnel as the hub ends; no port, task or descriptor of theirs is left. Kept ones stay on disk."""
        self._kept = None
        ended: list[TunnelConnection] = []
        for tunnel in list(self._tunnels.values()):
            ended += self._close(tunnel, CloseReason.TUNNEL_CLOSED, "")
        await asyncio.gather(*(connection.wait_ended() for connection in ended))

    # Opening

    def _open(self, client: Peer, request: TunnelOpenRequest) -> OpenTunnel:
        protocol, node = self._admission.check(client.principal, request)
        if request.persist and self._kept is None:
            text = "This hub has no state directory, and keeps no tunnels"
            raise TunnelRejectedException(text, code="unsupported")
        port, sockets = self._bind(request.public_port)
        info = TunnelInfo(
            tunnel_id=self._new_id(),
            node_id=LOCAL_EXPOSER if node is None else request.node_id,
            owner_user_id=client.principal.id,
            target_host=request.target_host,
            target_port=request.target_port,
            public_host=self._public_host,
            public_port=port,
            secure=request.secure,
            protocol=protocol,
            created_at=self._clock.now(),
            persist=request.persist,
        )
        exposer = self._exposer(client if node is None else node.peer, node)
        tunnel = self._enter(info, client.principal, client.evidence, exposer)
        tunnel.listener = Listener(sockets, self._introductions.before(partial(self._accepted, tunnel)))
        if self._kept is not None and info.persist:
            try:
                self._kept.keep(tunnel)
            except ConfigException as exc:
                self._close(tunnel, CloseReason.TUNNEL_CLOSED, client.address)
                text = "The hub cannot write down what it keeps"
                raise TunnelRejectedException(text, code=ErrorCodes.INTERNAL_ERROR) from exc
        self._tell(tunnel)
        return tunnel

    def _enter(
        self, info: TunnelInfo, owner: Principal, evidence: Evidence | None, exposer: Exposer | None
    ) -> OpenTunnel:
        registration = TunnelRegistration(info, owner.id)
        tunnel = OpenTunnel(registration, owner, evidence, None, self._backlogs.of(owner))
        tunnel.serve_by(exposer)
        self._registry.add(registration)
        self._tunnels[info.tunnel_id] = tunnel
        return tunnel

    # Kept ones

    def _listen(self, tunnel: OpenTunnel) -> None:
        """Open the port of a tunnel that was kept, unless it is open, or cannot be had now."""
        if tunnel.listener is not None:
            return
        port = tunnel.info.public_port
        try:
            self._registry.check_usable(port)
            sockets = self._ports.bind(port)
        except (TunnelRejectedException, OSError) as exc:
            logger.warning("the tunnel %s waits for its port %d: %s", short_id(tunnel.info.tunnel_id), port, exc)
            return
        tunnel.listener = Listener(sockets, self._introductions.before(partial(self._accepted, tunnel)))

    def _come_back(self, tunnel: OpenTunnel, owner: Principal | None, peer: Peer, node: ReachableNode) -> None:
        """Have a node serve a tunnel that was kept for it, where its owner may still have it."""
        if tunnel.exposer is not None and tunnel.exposer.peer is peer:
            return
        if owner is None or not self._admission.may_expose(owner, node).allowed:
            self.end(tunnel)
            return
        tunnel.owner = owner
        tunnel.serve_by(self._exposer(peer, node))
        self._listen(tunnel)
        self._tell(tunnel)

    def _lose(self, tunnel: OpenTunnel, address: str) -> None:
        """Close a tunnel whose exposer is gone, or have it wait for that."""
        if self._kept is not None and tunnel.info.persist:
            tunnel.serve_by(None)
            self._tell(tunnel)
        else:
            self._close(tunnel, CloseReason.EXPOSER_CLOSED, address)

    def _may_stay(self, owner: Principal, tunnel: OpenTunnel) -> bool:
        if tunnel.exposer is None:
            return self._admission.may_wait(tunnel.info.node_id)
        return self._admission.may_expose(owner, tunnel.exposer.node).allowed

    def _exposer(self, peer: FarEnd, node: ReachableNode | None) -> Exposer:
        if peer not in self._exposers:
            self._exposers[peer] = Exposer(peer, node, self._metrics)
        return self._exposers[peer]

    def _bind(self, wanted: int | None) -> tuple[int, list[socket.socket]]:
        """Bind the wanted port, or the first one that no tunnel and no other program uses."""
        unusable: set[int] = set()
        while True:
            port = self._registry.choose_port(wanted, unusable)
            try:
                return port, self._ports.bind(port)
            except OSError as exc:
                if wanted is not None or exc.errno not in (errno.EADDRINUSE, errno.EACCES):
                    text = f"The hub cannot bind port {port}: {exc.strerror}"
                    raise TunnelRejectedException(text, code="port_in_use") from exc
                unusable.add(port)

    # Connections

    def _accepted(self, tunnel: OpenTunnel, sock: socket.socket, address: str) -> None:
        """Accept or refuse a connection.

        Rights are checked again, as they may have changed since the tunnel was opened.
        """
        if self._tunnels.get(tunnel.info.tunnel_id) is not tunnel:
            # The tunnel was closed while the balancer's header was read.
            sock.close()
            return
        tls = self._secure().tls if tunnel.info.secure else None
        exposer, problem = tunnel.exposer, self._problem_of(tunnel)
        if tunnel.info.secure and tls is None:
            # TLS tunnels were switched off since this one was opened: refuse, and never fall back to clear text.
            problem = SECURE_UNAVAILABLE
        if problem or exposer is None:
            self._refused(tunnel, address, problem)
            sock.close()
            return
        self._metrics.tunnel_connections += 1
        half_close = TUNNEL_EOF in exposer.peer.features
        http = HttpForwarder(self._marks(tunnel, address)) if tunnel.info.protocol is TunnelProtocol.HTTP else None
        connection = TunnelConnection(tunnel, address, self._refused, half_close=half_close, http=http)
        exposer.adopt(connection)
        tunnel.connection_opened(connection)
        connection.serve(sock, tls)

    def _marks(self, tunnel: OpenTunnel, address: str) -> ForwardingHeaders:
        info = tunnel.info
        return ForwardingHeaders(
            client_address=address,
            is_secure=info.secure,
            public_port=info.public_port,
            tunnel=short_id(info.tunnel_id),
            node_id=info.node_id,
            owner=tunnel.owner.id,
            new_request_id=self._new_request_id,
        )

    def _problem_of(self, tunnel: OpenTunnel) -> str:
        exposer = tunnel.exposer
        if exposer is None or not exposer.peer.is_open:
            return ErrorCodes.NODE_OFFLINE
        if not self._admission.may_expose(tunnel.owner, exposer.node).allowed:
            return ErrorCodes.NOT_AUTHORIZED
        quota, mine = self._quota, self._registry.of_owner(tunnel.owner.id)
        held = sum(self._tunnels[each.info.tunnel_id].counters.connections_now for each in mine)
        is_full = exposer.connections >= quota.limits.max_channels
        if is_full or quota.problem(tunnel.owner, Resource.CHANNELS, held):
            return ErrorCodes.CAPACITY_EXCEEDED
        return ""

    def _refused(self, tunnel: OpenTunnel, address: str, reason: str) -> None:
        self.refusals.note(tunnel, address, reason, self._clock.monotonic())

    # The rest

    def _tunnels_at(self, exposer: Exposer) -> list[OpenTunnel]:
        return [self._tunnels[tunnel_id] for tunnel_id in exposer.tunnels]

    def _close(self, tunnel: OpenTunnel, reason: CloseReason, address: str) -> list[TunnelConnection]:
        self._registry.remove(tunnel.registration)
        del self._tunnels[tunnel.info.tunnel_id]
        ended = tunnel.close(reason)
        tunnel.serve_by(None)
        if self._kept is not None and tunnel.info.persist:
            self._kept.forget(tunnel)
        self._tell(tunnel, is_open=False)
        self._record_of(tunnel, "tunnel.close", reason, address=address)
        return ended

    def _tell(self, tunnel: OpenTunnel, *, is_open: bool = True) -> None:
        self._bus.publish(TunnelEvent(tunnel.describe(), is_open=is_open))

    def _record_of(self, tunnel: OpenTunnel, action: str, reason: str, more: str = "", address: str = "") -> None:
        self._audit.record(
            action,
            principal=tunnel.owner.id,
            address=address,
            node_id=tunnel.info.node_id,
            reason=reason,
            detail=" ".join(filter(None, (str(tunnel), more))),
        )

    def _record(self, action: str, client: Peer, node_id: str, reason: str, detail: str) -> None:
        self._audit.record(
            action,
            "denied" if reason else "ok",
            principal=client.principal.id,
            address=client.address,
            node_id=node_id,
            reason=reason,
            detail=detail,
        )
