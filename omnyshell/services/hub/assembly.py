"""Assembles the parts of a hub, and passes each the parts that it uses."""

from collections.abc import Callable
from functools import partial

from omnyshell.model.principals import Principal
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import CompositeAuthenticator
from omnyshell.security.login_limit import LoginLimiter
from omnyshell.services.hub.access.audit_sums import AuditSums
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Pool
from omnyshell.services.hub.admin.access_answers import AccessAnswers
from omnyshell.services.hub.admin.audit import AuditAdmin
from omnyshell.services.hub.admin.credentials import CredentialAdmin
from omnyshell.services.hub.admin.endings import Endings
from omnyshell.services.hub.admin.invites import Invites
from omnyshell.services.hub.admin.known import KnownPrincipals
from omnyshell.services.hub.admin.locks import LockAdmin
from omnyshell.services.hub.admin.node_ids import NodeIdAdmin
from omnyshell.services.hub.admin.reads import LiveReads
from omnyshell.services.hub.admin.service import AdminService
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.client_service import ClientService
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.event_bus import EventBus
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.inventory.inventory import Inventory
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.message_table import hub_codec, message_table
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.nodes.departed import DepartedNodes
from omnyshell.services.hub.nodes.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.pages.metrics_text import CONTENT_TYPE, HubCollector, metrics_text
from omnyshell.services.hub.pages.pages import HubPages
from omnyshell.services.hub.peers.addresses import HubAddresses
from omnyshell.services.hub.peers.handlers import MessageTable, ServedRole
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.peers.login_gate import LoginGate
from omnyshell.services.hub.peers.message_watch import MessageWatch
from omnyshell.services.hub.peers.peer import Peer, Peers
from omnyshell.services.hub.peers.proofs import ProofRules
from omnyshell.services.hub.peers.reception import Reception
from omnyshell.services.hub.peers.relay_probe import RelayProbe
from omnyshell.services.hub.peers.send_watch import SendWatch
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.reloading import HubReloading, ceiling
from omnyshell.services.hub.revocation.consequences import Consequences
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.revocation.lock_keeper import LockKeeper
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.kept_judge import KeptSessionJudge
from omnyshell.services.hub.sessions.relay import Relay
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.transport.endpoint import WsServerEndpoint


class HubServices:
    """The services of a hub, put together room by room: each is given its neighbours by name, and none gets this."""

    def __init__(
        self,
        *,
        config: HubConfig,
        config_in_force: Callable[[], HubConfig],
        certificate: HubCertificate,
        records: HubRecords,
        locks: Locks,
        policy: HubPolicy,
        peers: Peers[HubPeer],
        nodes: NodeRegistry,
        sessions: SessionRouter,
        tunnels: TunnelBroker,
        audit: AuditLog,
        metrics: HubMetrics,
        bus: EventBus,
        not_ready: Callable[[], str],
    ) -> None:
        """`config_in_force` returns the last reloaded settings; `not_ready` returns why the hub cannot serve, or ""."""
        self._config, self._config_in_force, self._clock = config, config_in_force, config.clock
        self._certificate, self._locks, self._policy = certificate, locks, policy
        self._peers, self._nodes, self._sessions, self._tunnels = peers, nodes, sessions, tunnels
        self._audit, self._metrics, self._bus = audit, metrics, bus
        self.records = records
        self.quota = policy.quota
        self._make_logins()
        self._make_limits()
        self._make_sessions()
        self._make_revocation()
        self._make_nodes()
        self._make_inventory()
        self._make_admin()
        self._make_live(not_ready)
        self._make_clients()
        self._table = self._make_table()

    # The rooms, each on those before it

    def _make_logins(self) -> None:
        config, clock = self._config, self._clock
        self._enrolled = EnrolledAuthenticator(self.records.enrolments, clock)
        self.records.log.follow(self._enrolled.follow)
        self.addresses = HubAddresses(self.records.known_addresses(clock), self._audit, self._metrics)
        self.gate = LoginGate(
            CompositeAuthenticator([config.authenticator, self._enrolled]),
            LoginLimiter(config.login_limit, clock),
            ProofRules(config, self.records.bound_keys()),
            self._audit,
            self._metrics,
            self._locks,
            clock,
            self._why_no_connection,
        )

    def _make_limits(self) -> None:
        self.audit_sums = AuditSums(self.quota, self._audit, self._clock)
        self._audit.admits = self.audit_sums.admits
        self.messages = MessageWatch(self._peers, self._audit, lambda: self._config_in_force().message_timeout)
        self.sending = SendWatch(self._peers, self.quota, self._audit)
        self.probe = RelayProbe(self._metrics.relay_seconds)

    def _make_sessions(self) -> None:
        self.kept = self.records.kept_sessions(self._clock)
        self.relay = Relay(self._metrics)
        self.broker = HubBroker(
            nodes=self._nodes,
            router=self._sessions,
            relay=self.relay,
            policy=self._policy,
            audit=self._audit,
            metrics=self._metrics,
            clock=self._clock,
            new_id=self._config.new_id,
            kept=self.kept,
            bus=self._bus,
        )
        self.requests = RelayedRequests(
            nodes=self._nodes,
            policy=self._policy,
            audit=self._audit,
            metrics=self._metrics,
            clock=self._clock,
            new_id=self._config.new_id,
            bus=self._bus,
        )
        self.questions = NodeQuestions(self._clock, self._config.new_id)
        self.kept_judge = KeptSessionJudge(
            self._nodes,
            self._sessions,
            self.kept,
            self.records.earlier_shell_owners(),
            gate=self.gate,
            policy=self._policy,
            audit=self._audit,
            questions=self.questions,
            bus=self._bus,
            clock=self._clock,
            new_id=self._config.new_id,
        )
        self._clipboards = ClipboardNotes(self._sessions, self._audit, self._metrics, self._clock)

    def _make_revocation(self) -> None:
        self.lock_keeper = LockKeeper(
            self._locks, self.records.log, self._nodes, self.kept_judge.is_ending, self._audit
        )
        self._eviction = Eviction(
            peers=self._peers,
            nodes=self._nodes,
            broker=self.broker,
            policy=self._policy,
            sessions=self._sessions,
            requests=self.requests,
            gate=self.gate,
            audit=self._audit,
            tunnels=self._tunnels,
            kept_judge=self.kept_judge,
            bus=self._bus,
        )

        self.records.log.follow(Consequences(self._eviction, self._set_ceiling, self._bus).follow)

    def _make_nodes(self) -> None:
        self._heartbeats = HeartbeatMonitor[Peer](self._config.heartbeat_timeout)
        self._departed = DepartedNodes(self._clock)
        self._takeovers = self.records.takeovers(self._clock)
        self.node_service = NodeService(
            registry=self._nodes,
            heartbeats=self._heartbeats,
            broker=self.broker,
            requests=self.requests,
            tunnels=self._tunnels,
            questions=self.questions,
            kept_judge=self.kept_judge,
            lock_keeper=self.lock_keeper,
            departed=self._departed,
            takeovers=self._takeovers,
            audit=self._audit,
            metrics=self._metrics,
            clock=self._clock,
            on_other_labels=self._eviction.enforce_at,
        )

    def _make_inventory(self) -> None:
        self._inventory = Inventory(
            certificate=self._certificate,
            started_at=self._clock.now(),
            peers=self._peers,
            nodes=self._nodes,
            owners=self.records.owners,
            locks=self._locks,
            takeovers=self._takeovers,
            departed=self._departed,
            sessions=self._sessions,
            tunnels=self._tunnels,
            clock=self._clock,
        )

    def _make_admin(self) -> None:
        known = KnownPrincipals(self.records.enrolments, self._enrolled, lambda: self._config_in_force().authenticator)
        invites = self._make_invites(known)
        self.admin = AdminService(
            [
                LiveReads(self._inventory),
                AuditAdmin(self._audit),
                self._make_credential_admin(known),
                NodeIdAdmin(self.records.enrolments, self.records.owners, self._nodes),
                self._make_endings(),
                self._make_lock_admin(known),
                invites,
            ],
            invites=invites,
            gate=self.gate,
            eviction=self._eviction,
            log=self.records.log,
            audit=self._audit,
        )
        self._access = AccessAnswers(
            policy=self._policy,
            nodes=self._nodes,
            owners=self.records.owners,
            gate=self.gate,
            audit=self._audit,
        )

    def _make_credential_admin(self, known: KnownPrincipals) -> CredentialAdmin:
        return CredentialAdmin(
            known=known,
            store=self.records.enrolments,
            locks=self._locks,
            clock=self._clock,
            new_id=self._config.new_id,
        )

    def _make_invites(self, known: KnownPrincipals) -> Invites:
        return Invites(
            known=known,
            store=self.records.enrolments,
            locks=self._locks,
            nodes=self._nodes,
            owners=self.records.owners,
            certificate=self._certificate,
            clock=self._clock,
            new_id=self._config.new_id,
        )

    def _make_lock_admin(self, known: KnownPrincipals) -> LockAdmin:
        return LockAdmin(
            locks=self._locks,
            known=known,
            peers=self._peers,
            nodes=self._nodes,
            owners=self.records.owners,
            clock=self._clock,
            new_id=self._config.new_id,
        )

    def _make_endings(self) -> Endings:
        return Endings(
            peers=self._peers,
            eviction=self._eviction,
            sessions=self._sessions,
            broker=self.broker,
            nodes=self._nodes,
            questions=self.questions,
            tunnels=self._tunnels,
            bus=self._bus,
        )

    def _make_live(self, not_ready: Callable[[], str]) -> None:
        self.events = EventsService(
            inventory=self._inventory,
            nodes=self._nodes,
            routes=self._sessions,
            policy=self._policy,
            questions=self.questions,
            names=lambda: self._eviction.known,
            audit=self._audit,
            metrics=self._metrics,
            bus=self._bus,
            clock=self._clock,
        )
        self.pages = self._make_pages(not_ready)

    def _make_clients(self) -> None:
        self._client_service = ClientService(
            nodes=self._nodes,
            policy=self._policy,
            broker=self.broker,
            requests=self.requests,
            tunnels=self._tunnels,
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
            tunnels=self._tunnels,
            metrics=self._metrics,
            events=self.events,
            admin=self.admin,
            access=self._access,
        )

    # What the hub itself needs of them

    def peer_maker(
        self, *, on_login: Callable[[HubPeer], None], on_closed: Callable[[HubPeer], None]
    ) -> Callable[[], HubPeer]:
        """Return a factory of connections; `on_login` and `on_closed` are called for each."""
        table = self._table
        return partial(
            HubPeer,
            clock=self._clock,
            new_id=self._config.new_id,
            codec=hub_codec(),
            metrics=self._metrics,
            probe=self.probe,
            quota=self.quota,
            roles={
                Role.NODE: ServedRole(table[Role.NODE], self.node_service.left),
                Role.CLIENT: ServedRole(table[Role.CLIENT], self._client_service.left),
            },
            reception=self._receive,
            on_login=on_login,
            on_closed=on_closed,
            on_too_much=self.messages.too_much,
        )

    def _receive(self, peer: HubPeer) -> Reception:
        return Reception(
            peer,
            gate=self.gate,
            certificate=self._certificate,
            features=OF_HUB,
            join=self.admin.join,
            login_timeout=self._config_in_force().login_timeout,
            metrics=self._metrics,
            clock=self._clock,
        )

    def reloading(self, endpoint: WsServerEndpoint) -> HubReloading:
        """Return the part that applies changes of settings."""
        return HubReloading(
            self._config,
            endpoint=endpoint,
            certificate=self._certificate,
            gate=self.gate,
            log=self.records.log,
            policy=self._policy,
            nodes=self._nodes,
            heartbeats=self._heartbeats,
            pages=self.pages,
            audit=self._audit,
            eviction=self._eviction,
            store=self.records.enrolments,
            enrolled=self._enrolled,
            peers=self._peers,
        )

    # The rest

    def _make_pages(self, not_ready: Callable[[], str]) -> HubPages:
        collector = HubCollector(
            metrics=self._metrics,
            quota=self.quota,
            audit=self._audit,
            nodes=self._nodes,
            sessions=self._sessions,
            detached=self.events.count_detached,
            peers=self._peers,
            tunnels=self._tunnels,
        )
        return HubPages(
            not_ready=not_ready,
            audit=lambda: self._audit.condition,
            metrics=lambda: metrics_text(collector),
            metrics_type=CONTENT_TYPE,
            token=self._config.metrics_token,
            is_for_loopback=self._config.metrics_from_loopback,
        )

    def _set_ceiling(self, node_id: str, labels: dict[str, str]) -> None:
        self._nodes.set_ceiling(node_id, ceiling(self._config_in_force(), node_id, labels))

    def _why_no_connection(self, who: Principal) -> str:
        """Why a principal gets no further connection; the connections of its nodes do not count."""
        quota, size = self.quota, self._config_in_force().endpoint.max_connections
        nodes = 0
        if who.may_register_nodes:
            nodes = max(quota.limits.limit(who, Resource.NODE_IDS), self.records.owners.count_of(who.id))
        held = max(0, quota.connections_of(who.id) - nodes)
        return quota.problem(who, Resource.CONNECTIONS, held, Pool(size, quota.connections))
