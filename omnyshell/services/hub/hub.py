"""The hub as one object: `async with OmnyShellHub(config): ...`."""

import asyncio
import logging
from typing import TYPE_CHECKING, Self

from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import AUTH_BIND, INTERACTIVE, RESUME_OFFSET, SCREEN_ETAG, TUNNEL_EOF
from omnyshell.protocol.handshake import CLIENT_PEER, CLOSE_HUB_STOPPING, NODE_PEER
from omnyshell.security.certificates import spki_sha256_of_der
from omnyshell.security.identity import UidComputer
from omnyshell.security.login_limit import LoginLimiter
from omnyshell.security.machine import MachineFacts
from omnyshell.security.uid_store import UidStore
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.broker import HubBroker
from omnyshell.services.hub.client_service import ClientService
from omnyshell.services.hub.config import HubConfig
from omnyshell.services.hub.gate import LoginGate
from omnyshell.services.hub.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.hub_peer import HubContext, HubPeer
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.registry import NodeRegistry
from omnyshell.services.hub.relay import Relay
from omnyshell.services.hub.requests import SessionRequests
from omnyshell.services.hub.router import SessionRouter
from omnyshell.services.hub.store import HubStore, MemoryNodeOwners
from omnyshell.services.hub.tunnel_broker import TunnelBroker
from omnyshell.services.hub.tunnel_messages import TunnelMessages
from omnyshell.services.hub.tunnel_setup import make_tunnel_broker
from omnyshell.transport.endpoint import LinkOwner, WsServerEndpoint
from omnyshell.transport.keepalive import Keepalive
from omnyshell.transport.tls import leaf_of_chain, server_context

if TYPE_CHECKING:
    from types import TracebackType

FEATURES = frozenset({INTERACTIVE, AUTH_BIND, RESUME_OFFSET, SCREEN_ETAG, TUNNEL_EOF})

STOP_TIMEOUT = 3.0
"""Seconds that peers get to close on their side when the hub stops."""

SWEEP_PERIOD = 0.5
"""Seconds between looks for silent nodes and unanswered requests."""

logger = logging.getLogger("omnyshell.hub")


class OmnyShellHub:
    """A hub. `start` and `stop` it, or use it as an async context manager. It can be started once."""

    nodes: NodeRegistry
    tunnels: TunnelBroker

    def __init__(self, config: HubConfig) -> None:
        self.config = config
        self.metrics = HubMetrics()
        self.audit = AuditLog(config.clock, config.audit_capacity)
        self._store: HubStore | None = None
        self._endpoint: WsServerEndpoint | None = None
        self._keepalive: Keepalive | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._peers: set[HubPeer] = set()
        self._all_gone = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: "type[BaseException] | None",
        _value: "BaseException | None",
        _traceback: "TracebackType | None",
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port that is bound. Raises `RuntimeError` before `start`."""
        if self._endpoint is None:
            raise RuntimeError("the hub is not started")
        return self._endpoint.port

    @property
    def connections(self) -> int:
        """How many connections there are, logged in or not."""
        return self._endpoint.connections if self._endpoint is not None else 0

    async def start(self) -> None:
        """Bind the port and serve.

        Raises `ConfigException` for a certificate, key or state directory that cannot be used, and `TransportException`
        where the port cannot be had. Nothing is left open then.
        """
        if self._endpoint is not None:
            raise RuntimeError("the hub is started already")
        config = self.config
        tls = server_context(config.cert, config.key)
        leaf = leaf_of_chain(config.cert)
        if config.state_dir is not None:
            self._store = HubStore(config.state_dir / "hub.sqlite3")
        self.nodes = NodeRegistry(self._store or MemoryNodeOwners(), config.node_labels)
        try:
            self.tunnels = await make_tunnel_broker(config, tls, self.audit, self.metrics, self.nodes)
            context = self._assemble(leaf)
            endpoint = WsServerEndpoint(config.host, config.port, tls, lambda: self._new_peer(context), config.endpoint)
            await endpoint.start()
        except BaseException:
            self._close_store()
            raise
        self._endpoint = endpoint
        self._keepalive = Keepalive(config.keepalive)
        self._sweeper = asyncio.create_task(self._sweep())
        logger.info("hub %s listens on %s:%d", context.uid, config.host, endpoint.port)

    async def stop(self) -> None:
        """Tell every peer, close every connection, and end every task, within 5 s. Idempotent."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is None:
            return
        await endpoint.stop_accepting()
        await self.tunnels.close()
        for peer in list(self._peers):
            peer.close(CLOSE_HUB_STOPPING, "hub stopping")
        if self._peers:
            try:
                await asyncio.wait_for(self._all_gone.wait(), STOP_TIMEOUT)
            except TimeoutError:
                endpoint.abort_all()
                await asyncio.sleep(0)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        if self._keepalive is not None:
            self._keepalive.close()
        self._close_store()
        logger.info("hub stopped")

    def _assemble(self, leaf: bytes) -> HubContext:
        config, metrics, audit = self.config, self.metrics, self.audit
        router = SessionRouter()
        self.sessions = router
        self._broker = HubBroker(
            nodes=self.nodes,
            router=router,
            authorizer=config.authorizer,
            audit=audit,
            metrics=metrics,
            clock=config.clock,
            new_id=config.new_id,
            max_channels=config.max_channels,
        )
        relay = Relay(router, metrics, self._broker.fail_route)
        self._requests = SessionRequests(
            nodes=self.nodes,
            authorizer=config.authorizer,
            audit=audit,
            metrics=metrics,
            clock=config.clock,
            new_id=config.new_id,
        )
        tunnel_messages = TunnelMessages(self.tunnels, metrics)
        self._node_service = NodeService(
            registry=self.nodes,
            heartbeats=HeartbeatMonitor(config.heartbeat_timeout),
            broker=self._broker,
            relay=relay,
            requests=self._requests,
            tunnels=self.tunnels,
            tunnel_messages=tunnel_messages,
            audit=audit,
            metrics=metrics,
            clock=config.clock,
        )
        limiter = LoginLimiter(config.login_limit, config.clock)
        self._gate = LoginGate(config.authenticator, limiter, audit, metrics)
        return HubContext(
            config=config,
            codec=FrameCodec(),
            metrics=metrics,
            gate=self._gate,
            uid=self._resolve_uid(leaf),
            spki_sha256=spki_sha256_of_der(leaf),
            features=FEATURES,
            services={
                NODE_PEER: self._node_service,
                CLIENT_PEER: ClientService(
                    registry=self.nodes,
                    broker=self._broker,
                    relay=relay,
                    requests=self._requests,
                    tunnels=self.tunnels,
                    tunnel_messages=tunnel_messages,
                ),
            },
            on_login=self._peer_logged_in,
            on_closed=self._peer_closed,
            on_flood=self._broker.flooded,
        )

    def _resolve_uid(self, leaf: bytes) -> str:
        computed = UidComputer(MachineFacts.read()).hub(leaf)
        if self.config.state_dir is None:
            return computed.value
        return UidStore.for_hub(self.config.state_dir, self.config.clock).resolve(computed).uid.value

    def _new_peer(self, context: HubContext) -> LinkOwner:
        peer = HubPeer(context)
        self._peers.add(peer)
        self._all_gone.clear()
        return peer

    def _peer_logged_in(self, peer: HubPeer) -> None:
        self.tunnels.principal_seen(peer.principal)
        if self._endpoint is not None and self._keepalive is not None:
            self._endpoint.logged_in(peer.link)
            self._keepalive.watch(peer.link)

    def _peer_closed(self, peer: HubPeer) -> None:
        self._peers.discard(peer)
        if not self._peers:
            self._all_gone.set()
        if self._endpoint is not None:
            self._endpoint.closed(peer.link)
        if self._keepalive is not None:
            self._keepalive.forget(peer.link)

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    async def _sweep(self) -> None:
        clock = self.config.clock
        before = clock.monotonic()
        while True:
            await asyncio.sleep(SWEEP_PERIOD)
            now = clock.monotonic()
            if now - before > 2 * SWEEP_PERIOD:
                # The loop was held up: what peers sent meanwhile is still unread.
                self._node_service.postpone(now - before)
            self._node_service.drop_silent(now)
            self._broker.expire(now)
            self._requests.expire(now)
            self.tunnels.sweep(now)
            self._gate.audit_suppressed(now)
            before = now
