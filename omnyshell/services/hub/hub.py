"""The hub as one object: `async with OmnyShellHub(config): ...`."""

import asyncio
import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import (
    ADMIN,
    AUTH_BIND,
    CLIPBOARD_AUDIT,
    EVENTS,
    INTERACTIVE,
    RESUME_OFFSET,
    SCREEN_ETAG,
    TUNNEL_EOF,
)
from omnyshell.protocol.handshake import CLIENT_PEER, CLOSE_HUB_STOPPING, NODE_PEER
from omnyshell.protocol.messages.admin import register as register_admin
from omnyshell.protocol.messages.clipboard import register as register_clipboard
from omnyshell.protocol.messages.events import register as register_events
from omnyshell.security.authenticators import CompositeAuthenticator
from omnyshell.security.login_limit import LoginLimiter
from omnyshell.services.hub.admin import AdminService
from omnyshell.services.hub.admin_scope import AdminScope
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.audit_trail import open_trail
from omnyshell.services.hub.broker import HubBroker
from omnyshell.services.hub.certificate import HubCertificate
from omnyshell.services.hub.client_service import ClientService
from omnyshell.services.hub.clipboards import ClipboardNotes
from omnyshell.services.hub.config import HubConfig
from omnyshell.services.hub.departed import DepartedNodes
from omnyshell.services.hub.enrolled import EnrolledAuthenticator
from omnyshell.services.hub.enrolment_store import EnrolmentStore
from omnyshell.services.hub.event_bus import LocalEventBus, PeerEvent
from omnyshell.services.hub.eviction import Eviction, names_of
from omnyshell.services.hub.gate import LoginGate
from omnyshell.services.hub.guests import Guests
from omnyshell.services.hub.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.hub_peer import HubContext, HubPeer
from omnyshell.services.hub.leftovers import LeftoverSessions
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.live.view import HubParts
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.metrics_text import CONTENT_TYPE, MetricsSource, metrics_text
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.own_requests import OwnRequests
from omnyshell.services.hub.pages import HubPages
from omnyshell.services.hub.registry import NodeRegistry
from omnyshell.services.hub.relay import Relay
from omnyshell.services.hub.relay_probe import RelayProbe
from omnyshell.services.hub.requests import SessionRequests
from omnyshell.services.hub.router import SessionRouter
from omnyshell.services.hub.state_lock import StateLock
from omnyshell.services.hub.store import HubStore, MemoryNodeOwners, NodeOwners
from omnyshell.services.hub.tunnel_broker import TunnelBroker
from omnyshell.services.hub.tunnel_messages import TunnelMessages
from omnyshell.services.hub.tunnel_setup import make_tunnel_broker
from omnyshell.services.hub.upkeep import Adjustable, HubUpkeep, ceilings
from omnyshell.transport.endpoint import LinkOwner, WsServerEndpoint
from omnyshell.transport.keepalive import Keepalive

if TYPE_CHECKING:
    from types import TracebackType

FEATURES = frozenset({INTERACTIVE, AUTH_BIND, RESUME_OFFSET, SCREEN_ETAG, TUNNEL_EOF, ADMIN, EVENTS, CLIPBOARD_AUDIT})

STATE_FILE = "hub.sqlite3"

MAX_VALUES_TO_HUB = 100_000
"""Of a message: a list of 5,000 sessions holds half as many. More would hold up everybody for longer than 10 ms."""

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
        self.bus = LocalEventBus()
        self.audit = AuditLog(config.clock, config.audit_capacity)
        self._records = ExitStack()
        """What to close at the end: databases, and the lock of the directory that they are in."""

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
        certificate = HubCertificate(config)
        try:
            self._open_records()
            owners = self._store or MemoryNodeOwners()
            self.nodes = NodeRegistry(owners, ceilings(config, self._enrolments), self.bus)
            await open_trail(self.audit, config)
            tls = certificate.current.tls
            self.tunnels = await make_tunnel_broker(config, tls, self.audit, self.metrics, self.bus, self.nodes)
            context = self._assemble(certificate, owners)
            endpoint = WsServerEndpoint(
                config.host,
                config.port,
                tls,
                lambda: self._new_peer(context),
                config.endpoint,
                responder=self._pages.answer,
            )
            await endpoint.start()
        except BaseException as exc:
            self.audit.record("hub.stop", "error", reason=f"it could not start: {exc}")
            await self._close_records()
            raise
        self._endpoint = endpoint
        self._keepalive = Keepalive(config.keepalive)
        self._upkeep = self._make_upkeep(context, endpoint)
        self._admin.start()
        self._sweeper = asyncio.create_task(self._sweep())
        logger.info("hub %s listens on %s:%d", certificate.current.uid, config.host, endpoint.port)

    def reload(self, config: HubConfig) -> list[str]:
        """Take over new settings without dropping a session; returns the options that only a restart changes.

        Raises `OmnyShellException` where the certificate cannot be used: nothing has changed then.
        """
        changed = self._upkeep.reload(config)
        self.config = config
        return changed

    async def stop(self) -> None:
        """Tell every peer, close every connection, and end every task, within 5 s. Idempotent."""
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is None:
            return
        await endpoint.stop_accepting()
        self._events.close()
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
        await self._admin.aclose()
        self.audit.record("hub.stop")
        await self._close_records()
        logger.info("hub stopped")

    def _assemble(self, certificate: HubCertificate, owners: NodeOwners) -> HubContext:
        config, metrics, audit = self.config, self.metrics, self.audit
        self._started_at = config.clock.now()
        router = SessionRouter()
        self.sessions = router
        guests = Guests(self._store)
        self._broker = HubBroker(
            nodes=self.nodes,
            router=router,
            authorizer=config.authorizer,
            audit=audit,
            metrics=metrics,
            clock=config.clock,
            new_id=config.new_id,
            max_channels=config.max_channels,
            on_shell=guests.remember,
            bus=self.bus,
        )
        relay = Relay(router, metrics, self._broker.fail_route)
        self._requests = SessionRequests(
            nodes=self.nodes,
            authorizer=config.authorizer,
            audit=audit,
            metrics=metrics,
            clock=config.clock,
            new_id=config.new_id,
            bus=self.bus,
        )
        tunnel_messages = TunnelMessages(self.tunnels, metrics)
        self._heartbeats = HeartbeatMonitor(config.heartbeat_timeout)
        departed = DepartedNodes(config.clock)
        self._node_service = NodeService(
            registry=self.nodes,
            heartbeats=self._heartbeats,
            broker=self._broker,
            relay=relay,
            requests=self._requests,
            tunnels=self.tunnels,
            tunnel_messages=tunnel_messages,
            departed=departed,
            audit=audit,
            metrics=metrics,
            clock=config.clock,
        )
        limiter = LoginLimiter(config.login_limit, config.clock)
        self._enrolled = EnrolledAuthenticator(self._enrolments, config.clock)
        authenticator = CompositeAuthenticator([config.authenticator, self._enrolled])
        self._gate = LoginGate(authenticator, limiter, audit, metrics)
        own_requests = OwnRequests(config.new_id)
        leftovers = LeftoverSessions(
            self.nodes,
            audit,
            own_requests,
            guests=guests,
            known=lambda: names_of(self._gate.authenticator),
            bus=self.bus,
        )
        self._node_service.handlers = leftovers.behind(own_requests.before(self._node_service.handlers))
        self._eviction = Eviction(
            peers=self._peers,
            nodes=self.nodes,
            broker=self._broker,
            sessions=router,
            gate=self._gate,
            audit=audit,
            tunnels=self.tunnels,
            leftovers=leftovers,
        )
        self._admin = AdminService(self._admin_scope(certificate, owners, own_requests), self._gate, metrics)
        self._events = EventsService(
            self._live_parts(certificate, owners, departed), self.bus, own_requests, self._eviction.names
        )
        client_service = ClientService(
            registry=self.nodes,
            broker=self._broker,
            relay=relay,
            requests=self._requests,
            tunnels=self.tunnels,
            tunnel_messages=tunnel_messages,
            events=self._events,
            clipboards=ClipboardNotes(router, audit, metrics, config.clock),
        )
        client_service.handlers = {**client_service.handlers, **self._admin.handlers}
        self._probes = [RelayProbe(service, metrics.relay_seconds) for service in (self._node_service, client_service)]
        self._pages = self._make_pages()
        return HubContext(
            config=config,
            codec=register_clipboard(register_events(register_admin(FrameCodec(max_values=MAX_VALUES_TO_HUB)))),
            metrics=metrics,
            gate=self._gate,
            certificate=certificate,
            features=FEATURES,
            services={
                NODE_PEER: self._node_service,
                CLIENT_PEER: client_service,
            },
            join=self._admin.join,
            on_login=self._peer_logged_in,
            on_closed=self._peer_closed,
            on_flood=self._broker.flooded,
        )

    def _make_pages(self) -> HubPages:
        source = MetricsSource(
            metrics=self.metrics,
            audit=self.audit,
            nodes=self.nodes,
            sessions=self.sessions,
            detached=self._events.count_detached,
            peers=self._peers,
            tunnels=self.tunnels,
        )
        return HubPages(
            not_ready=self._why_not_ready,
            metrics=lambda: metrics_text(source),
            metrics_type=CONTENT_TYPE,
            token=self.config.metrics_token,
        )

    def _live_parts(self, certificate: HubCertificate, owners: NodeOwners, departed: DepartedNodes) -> HubParts:
        return HubParts(
            nodes=self.nodes,
            owners=owners,
            departed=departed,
            routes=self.sessions,
            tunnels=self.tunnels,
            peers=self._peers,
            audit=self.audit,
            metrics=self.metrics,
            clock=self.config.clock,
            hub_uid=lambda: certificate.current.uid,
            started_at=self._started_at,
        )

    def _admin_scope(self, certificate: HubCertificate, owners: NodeOwners, own_requests: OwnRequests) -> AdminScope:
        config = self.config
        return AdminScope(
            store=self._enrolments,
            enrolled=self._enrolled,
            owners=owners,
            nodes=self.nodes,
            sessions=self.sessions,
            peers=self._peers,
            broker=self._broker,
            eviction=self._eviction,
            tunnels=self.tunnels,
            audit=self.audit,
            bus=self.bus,
            requests=own_requests,
            certificate=certificate,
            clock=config.clock,
            new_id=config.new_id,
            configured=lambda: self.config.authenticator,
            apply_labels=lambda: self.nodes.set_hub_labels(ceilings(self.config, self._enrolments)),
            started_at=self._started_at,
        )

    def _make_upkeep(self, context: HubContext, endpoint: WsServerEndpoint) -> HubUpkeep:
        parts = Adjustable(
            context=context,
            certificate=context.certificate,
            endpoint=endpoint,
            gate=self._gate,
            broker=self._broker,
            nodes=self.nodes,
            heartbeats=self._heartbeats,
            pages=self._pages,
            audit=self.audit,
            eviction=self._eviction,
            store=self._enrolments,
            enrolled=self._enrolled,
            tunnels=self.tunnels,
        )
        return HubUpkeep(self.config, parts)

    def _why_not_ready(self) -> str:
        if self._endpoint is None:
            return "the hub does not accept connections"
        if self.audit.writer is not None and self.audit.writer.is_failing:
            return "the audit trail cannot be written"
        return ""

    def _new_peer(self, context: HubContext) -> LinkOwner:
        peer = HubPeer(context)
        self._peers.add(peer)
        self._all_gone.clear()
        return peer

    def _peer_logged_in(self, peer: HubPeer) -> None:
        self.tunnels.principal_seen(peer.principal)
        self.bus.publish(PeerEvent(peer, is_connected=True))
        if self._endpoint is not None and self._keepalive is not None:
            self._endpoint.logged_in(peer.link)
            self._keepalive.watch(peer.link)

    def _peer_closed(self, peer: HubPeer) -> None:
        self._peers.discard(peer)
        self.bus.publish(PeerEvent(peer, is_connected=False))
        if not self._peers:
            self._all_gone.set()
        if self._endpoint is not None:
            self._endpoint.closed(peer.link)
        if self._keepalive is not None:
            self._keepalive.forget(peer.link)

    def _open_records(self) -> None:
        directory = self.config.state_dir
        if directory is not None:
            self._records.callback(StateLock(directory).release)
        state = directory / STATE_FILE if directory is not None else None
        self._enrolments = EnrolmentStore(state)
        self._records.callback(self._enrolments.close)
        if state is not None:
            self._store = HubStore(state)
            self._records.callback(self._store.close)

    async def _close_records(self) -> None:
        writer, self.audit.writer = self.audit.writer, None
        if writer is not None:
            await writer.aclose()
        self._store = None
        self._records.close()

    async def _sweep(self) -> None:
        clock = self.config.clock
        before = clock.monotonic()
        while True:
            await asyncio.sleep(SWEEP_PERIOD)
            now = clock.monotonic()
            self.metrics.loop_lag_seconds.observe(max(0.0, now - before - SWEEP_PERIOD))
            for probe in self._probes:
                probe.arm()
            if now - before > 2 * SWEEP_PERIOD:
                # The loop was held up: what peers sent meanwhile is still unread.
                self._node_service.postpone(now - before)
            self._node_service.drop_silent(now)
            self._broker.expire(now)
            self._requests.expire(now)
            self.tunnels.sweep(now)
            self._gate.audit_suppressed(now)
            self._upkeep.tick(now)
            before = now
