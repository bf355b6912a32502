"""How the parts of a hub are put together: who is given what."""

from collections.abc import Callable
from dataclasses import dataclass

from omnyshell.model.principals import Principal
from omnyshell.protocol.extensions import (
    ADMIN,
    ADMIN_ENDS,
    AUDIT_ACKNOWLEDGE,
    AUTH_BIND,
    AUTH_BIND_2,
    CLIPBOARD_AUDIT,
    EVENTS,
    FLEET_INVITES,
    INTERACTIVE,
    LOCKS,
    NODE_INSTANCE,
    RESUME_OFFSET,
    RIGHTS,
    SCREEN_ETAG,
    TUNNEL_EOF,
    WIDE_WINDOW,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import CompositeAuthenticator
from omnyshell.security.login_limit import LoginLimiter
from omnyshell.services.hub.access.audit_sums import AuditSums
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Pool
from omnyshell.services.hub.admin.access_answers import AccessAnswers
from omnyshell.services.hub.admin.scope import AdminScope
from omnyshell.services.hub.admin.service import AdminService
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.client_service import ClientService
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.live.view import HubParts
from omnyshell.services.hub.message_table import hub_codec, message_table
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.nodes.departed import DepartedNodes
from omnyshell.services.hub.nodes.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.pages.metrics_text import CONTENT_TYPE, MetricsSource, metrics_text
from omnyshell.services.hub.pages.pages import HubPages
from omnyshell.services.hub.peers.addresses import HubAddresses
from omnyshell.services.hub.peers.handlers import MessageTable
from omnyshell.services.hub.peers.hub_peer import HubContext, HubPeer
from omnyshell.services.hub.peers.login_gate import LoginGate
from omnyshell.services.hub.peers.message_watch import MessageWatch
from omnyshell.services.hub.peers.peer import Peer, Peers
from omnyshell.services.hub.peers.proofs import ProofRules
from omnyshell.services.hub.peers.relay_probe import RelayProbe
from omnyshell.services.hub.peers.send_watch import SendWatch
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.revocation.consequences import Consequences
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.revocation.lock_keeper import LockKeeper
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.leftovers import LeftoverSessions
from omnyshell.services.hub.sessions.relay import Relay
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.services.hub.upkeep import Adjustable, HubUpkeep, ceiling
from omnyshell.transport.endpoint import WsServerEndpoint

FEATURES = frozenset(
    {
        INTERACTIVE,
        AUTH_BIND,
        AUTH_BIND_2,
        RESUME_OFFSET,
        SCREEN_ETAG,
        TUNNEL_EOF,
        ADMIN,
        ADMIN_ENDS,
        AUDIT_ACKNOWLEDGE,
        EVENTS,
        CLIPBOARD_AUDIT,
        WIDE_WINDOW,
        NODE_INSTANCE,
        RIGHTS,
        LOCKS,
        FLEET_INVITES,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubBase:
    """What there is before any service: settings, records, and what counts and watches."""

    config: HubConfig
    config_in_force: Callable[[], HubConfig]
    """As it was last reloaded."""

    policy: HubPolicy
    certificate: HubCertificate
    nodes: NodeRegistry
    records: HubRecords
    locks: Locks
    tunnels: TunnelBroker
    peers: Peers[HubPeer]
    audit: AuditLog
    metrics: HubMetrics
    bus: LocalEventBus


class HubServices:
    """The services of a hub, which know each other but not the hub.

    `not_ready` says why the hub cannot serve, or nothing.
    """

    def __init__(self, base: HubBase, not_ready: Callable[[], str]) -> None:
        self._base = base
        config, metrics = base.config, base.metrics
        self._started_at = config.clock.now()
        self.sessions = SessionRouter()
        self.records = records = base.records
        self.kept = records.kept_sessions(config.clock)
        self.relay = Relay(metrics)
        self.probe = RelayProbe(metrics.relay_seconds)
        self.broker = self._make_broker()
        self.requests = self._make_requests()
        departed, self._takeovers = DepartedNodes(config.clock), records.takeovers(config.clock)
        self._heartbeats = HeartbeatMonitor[Peer](config.heartbeat_timeout)
        self._enrolled = EnrolledAuthenticator(records.enrolments, config.clock)
        records.log.follow(self._enrolled.follow)
        authenticator = CompositeAuthenticator([config.authenticator, self._enrolled])
        self.addresses = HubAddresses(records.known_addresses(config.clock), base.audit, metrics)
        limiter = LoginLimiter(config.login_limit, config.clock)
        proofs = ProofRules(config, records.bound_keys())
        self.gate = LoginGate(authenticator, limiter, proofs, base.audit, metrics, base.locks, config.clock)
        self.gate.why_no_more = self._why_no_connection
        self.quota = base.policy.quota
        self.audit_sums = AuditSums(base.policy.quota, base.audit, config.clock)
        base.audit.admits = self.audit_sums.admits
        self.messages = MessageWatch(base.peers, base.audit, lambda: base.config_in_force().message_timeout)
        self.sending = SendWatch(base.peers, base.policy.quota, base.audit)
        self.questions = questions = NodeQuestions(config.clock, config.new_id)
        self.leftovers = self._make_leftovers(questions)
        self.lock_keeper = LockKeeper(base.locks, records.log, base.nodes, self.leftovers.is_ending, base.audit)
        self.node_service = self._make_node_service(questions, departed)
        self._eviction = self._make_eviction()
        records.log.follow(Consequences(self._eviction, self._set_ceiling, base.bus).follow)
        self.admin = AdminService(self._admin_scope(questions), self.gate)
        self.events = EventsService(self._live_parts(departed), base.bus, questions, lambda: self._eviction.known)
        self._clipboards = ClipboardNotes(self.sessions, base.audit, metrics, config.clock)
        self._client_service = self._make_client_service()
        self._table = self._make_table()
        self.pages = self._make_pages(not_ready)

    def _why_no_connection(self, who: Principal) -> str:
        """Why somebody gets no further connection; each node of theirs has one besides."""
        quota, size = self._base.policy.quota, self._base.config_in_force().endpoint.max_connections
        nodes = 0
        if who.may_register_nodes:
            nodes = max(quota.limits.limit(who, Resource.NODE_IDS), self._base.records.owners.count_of(who.id))
        held = max(0, quota.connections_of(who.id) - nodes)
        return quota.problem(who, Resource.CONNECTIONS, held, Pool(size, quota.connections))

    def _set_ceiling(self, node_id: str, labels: dict[str, str]) -> None:
        self._base.nodes.set_ceiling(node_id, ceiling(self._base.config_in_force(), node_id, labels))

    def _make_broker(self) -> HubBroker:
        base, config = self._base, self._base.config
        return HubBroker(
            nodes=base.nodes,
            router=self.sessions,
            relay=self.relay,
            policy=base.policy,
            audit=base.audit,
            metrics=base.metrics,
            clock=config.clock,
            new_id=config.new_id,
            kept=self.kept,
            bus=base.bus,
        )

    def _make_requests(self) -> RelayedRequests:
        base, config = self._base, self._base.config
        return RelayedRequests(
            nodes=base.nodes,
            policy=base.policy,
            audit=base.audit,
            metrics=base.metrics,
            clock=config.clock,
            new_id=config.new_id,
            bus=base.bus,
        )

    def _make_node_service(self, questions: NodeQuestions, departed: DepartedNodes) -> NodeService:
        base = self._base
        return NodeService(
            registry=base.nodes,
            heartbeats=self._heartbeats,
            broker=self.broker,
            requests=self.requests,
            tunnels=base.tunnels,
            questions=questions,
            leftovers=self.leftovers,
            lock_keeper=self.lock_keeper,
            departed=departed,
            takeovers=self._takeovers,
            audit=base.audit,
            metrics=base.metrics,
            clock=base.config.clock,
            on_other_labels=lambda node_id: self._eviction.enforce_at(node_id),
        )

    def _make_client_service(self) -> ClientService:
        base = self._base
        return ClientService(
            registry=base.nodes,
            policy=base.policy,
            broker=self.broker,
            requests=self.requests,
            tunnels=base.tunnels,
            events=self.events,
            clipboards=self._clipboards,
        )

    def _make_table(self) -> MessageTable:
        return message_table(
            node_service=self.node_service,
            client_service=self._client_service,
            broker=self.broker,
            relayed=self.requests,
            clipboards=self._clipboards,
            tunnels=self._base.tunnels,
            metrics=self._base.metrics,
            events=self.events,
            admin=self.admin,
            access=self._make_access(),
        )

    def _make_access(self) -> AccessAnswers:
        base = self._base
        return AccessAnswers(
            policy=base.policy,
            nodes=base.nodes,
            owners=base.records.owners,
            gate=self.gate,
            audit=base.audit,
        )

    def _make_leftovers(self, questions: NodeQuestions) -> LeftoverSessions:
        base = self._base
        return LeftoverSessions(
            base.nodes,
            self.sessions,
            self.kept,
            base.records.guests(),
            gate=self.gate,
            policy=base.policy,
            audit=base.audit,
            questions=questions,
            bus=base.bus,
            clock=base.config.clock,
            new_id=base.config.new_id,
        )

    def _make_eviction(self) -> Eviction:
        base = self._base
        return Eviction(
            peers=base.peers,
            nodes=base.nodes,
            broker=self.broker,
            policy=base.policy,
            sessions=self.sessions,
            requests=self.requests,
            gate=self.gate,
            audit=base.audit,
            tunnels=base.tunnels,
            leftovers=self.leftovers,
            bus=base.bus,
        )

    def context(self, *, on_login: Callable[[HubPeer], None], on_closed: Callable[[HubPeer], None]) -> HubContext:
        """Return what connections are given."""
        base = self._base
        return HubContext(
            config=base.config,
            codec=hub_codec(),
            metrics=base.metrics,
            probe=self.probe,
            gate=self.gate,
            certificate=base.certificate,
            features=FEATURES,
            services={Role.NODE: self.node_service, Role.CLIENT: self._client_service},
            table=self._table,
            join=self.admin.join,
            on_login=on_login,
            on_closed=on_closed,
            quota=base.policy.quota,
            on_too_much=self.messages.too_much,
        )

    def upkeep(self, context: HubContext, endpoint: WsServerEndpoint) -> HubUpkeep:
        """Return what takes in changes of the settings."""
        base = self._base
        parts = Adjustable(
            context=context,
            certificate=base.certificate,
            endpoint=endpoint,
            gate=self.gate,
            policy=base.policy,
            nodes=base.nodes,
            heartbeats=self._heartbeats,
            pages=self.pages,
            audit=base.audit,
            eviction=self._eviction,
            log=base.records.log,
            store=base.records.enrolments,
            enrolled=self._enrolled,
            tunnels=base.tunnels,
            peers=base.peers,
        )
        return HubUpkeep(base.config, parts)

    def _make_pages(self, not_ready: Callable[[], str]) -> HubPages:
        base = self._base
        source = MetricsSource(
            metrics=base.metrics,
            quota=base.policy.quota,
            audit=base.audit,
            nodes=base.nodes,
            sessions=self.sessions,
            detached=self.events.count_detached,
            peers=base.peers,
            tunnels=base.tunnels,
        )
        return HubPages(
            not_ready=not_ready,
            audit=lambda: base.audit.condition,
            metrics=lambda: metrics_text(source),
            metrics_type=CONTENT_TYPE,
            token=base.config.metrics_token,
            is_for_loopback=base.config.metrics_from_loopback,
        )

    def _live_parts(self, departed: DepartedNodes) -> HubParts:
        base = self._base
        return HubParts(
            nodes=base.nodes,
            owners=base.records.owners,
            departed=departed,
            takeovers=self._takeovers,
            routes=self.sessions,
            policy=base.policy,
            locks=base.locks,
            tunnels=base.tunnels,
            peers=base.peers,
            audit=base.audit,
            metrics=base.metrics,
            clock=base.config.clock,
            hub_uid=lambda: base.certificate.current.uid,
            started_at=self._started_at,
        )

    def _admin_scope(self, questions: NodeQuestions) -> AdminScope:
        base = self._base
        config, enrolments = base.config, base.records.enrolments
        return AdminScope(
            log=base.records.log,
            store=enrolments,
            enrolled=self._enrolled,
            owners=base.records.owners,
            nodes=base.nodes,
            sessions=self.sessions,
            peers=base.peers,
            broker=self.broker,
            eviction=self._eviction,
            locks=base.locks,
            tunnels=base.tunnels,
            audit=base.audit,
            bus=base.bus,
            questions=questions,
            certificate=base.certificate,
            clock=config.clock,
            new_id=config.new_id,
            configured=lambda: base.config_in_force().authenticator,
            started_at=self._started_at,
        )
