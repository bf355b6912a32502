"""Assembles the parts of a hub, and passes each the parts that it uses."""

from collections.abc import Callable, Sequence
from functools import partial

from omnyshell.ids import PrincipalId
from omnyshell.model.hubs import OtherHub
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.messages.base import Role
from omnyshell.services.hub.access.audit_sums import AuditAdmission, AuditSums
from omnyshell.services.hub.access.connections import ConnectionAdmission
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.own_files import digests
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.access_ends import AccessEnds
from omnyshell.services.hub.admin.access_answers import AccessAnswers
from omnyshell.services.hub.admin_assembly import assemble_admin
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.client_service import ClientService
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator, HubAuthenticator
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.event_bus import EventBus
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.inventory.inventory import Inventory
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.message_table import hub_codec, message_table
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.nodes.ceilings import LabelCeilings
from omnyshell.services.hub.nodes.departed import DepartedNodes
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.nodes.places import Places
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.pages.metrics_text import CONTENT_TYPE, HubCollector, metrics_text
from omnyshell.services.hub.pages.pages import HubPages
from omnyshell.services.hub.peers.addresses import HubAddresses
from omnyshell.services.hub.peers.hand_over import HandOver
from omnyshell.services.hub.peers.handlers import MessageTable, ServedRole
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.peers.login_gate import LoginGate
from omnyshell.services.hub.peers.message_watch import MessageWatch
from omnyshell.services.hub.peers.peer import ConnectedPeers, Peer, Peers, PeersTogether
from omnyshell.services.hub.peers.proofs import ProofRules
from omnyshell.services.hub.peers.reception import Reception
from omnyshell.services.hub.peers.relay_probe import RelayProbe
from omnyshell.services.hub.peers.send_watch import SendWatch
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.reloading import Follow, HubReloading
from omnyshell.services.hub.revocation.consequences import Consequences
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.revocation.lock_keeper import LockKeeper
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.forwards import ForwardAnswers
from omnyshell.services.hub.sessions.kept_judge import KeptSessionJudge
from omnyshell.services.hub.sessions.processes import SessionProcesses
from omnyshell.services.hub.sessions.relay import Relay
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.truth.changes import Transaction
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.transport.endpoint import WsServerEndpoint
from omnyshell.transport.introductions import Introductions


class HubServices:
    """The services of a hub, put together room by room: each is given its neighbours by name, and none gets this."""

    def __init__(
        self,
        *,
        config: HubConfig,
        certificate: HubCertificate,
        records: HubRecords,
        locks: Locks,
        policy: HubPolicy,
        quota: Quota,
        peers: Peers[HubPeer],
        nodes: NodeRegistry,
        directory: NodeDirectory,
        all_nodes: NodeDirectory,
        visitors: Sequence[ConnectedPeers],
        places: Places | None,
        sessions: SessionRouter,
        tunnels: TunnelBroker,
        audit: AuditLog,
        admission: AuditAdmission,
        metrics: HubMetrics,
        bus: EventBus,
        not_ready: Callable[[], str],
    ) -> None:
        """`directory` has the nodes that the hub may serve now, `all_nodes` those as well that it may not.

        `places` are those of a hub that is one of several, and `visitors` the clients of others that use its nodes.

        `admission` is what `audit` asks; `not_ready` returns why the hub cannot serve, or "".
        """
        self._config, self._clock = config, config.clock
        self._present = config
        self._certificate, self._locks, self._policy = certificate, locks, policy
        self._peers, self._nodes, self._sessions, self._tunnels = peers, nodes, sessions, tunnels
        self._audit, self._metrics, self._bus = audit, metrics, bus
        self._directory, self._all_nodes, self._places = directory, all_nodes, places
        self._everybody = PeersTogether(peers, *visitors) if visitors else peers
        self.records = records
        self.quota = quota
        self._make_hand_over()
        self._make_logins()
        self._make_limits(admission)
        self._make_sessions()
        self._make_revocation()
        self._make_nodes()
        self._make_inventory()
        self._make_admin()
        self._make_live(not_ready)
        self._make_clients()
        self._table = self._make_table()

    # The rooms, each on those before it

    def _make_hand_over(self) -> None:
        places = self._places
        others: Callable[[], tuple[OtherHub, ...]] = places.others if places is not None else tuple
        is_any_there = places.is_any_there if places is not None else lambda: False
        self.hand_over = HandOver(self._peers, others, is_any_there, self._announce)
        self._announce(False)

    def _announce(self, is_going: bool) -> None:  # a listener
        """Tell the other hubs where peers reach this one, and how many are to come."""
        if self._places is not None:
            urls, settings = self._present.public_urls, self._config.cluster or ClusterSettings()
            self._places.tell_peers(str(urls[0]) if urls else "", 0 if is_going else settings.weight)

    def _make_logins(self) -> None:
        config, clock = self._config, self._clock
        self._enrolled = EnrolledAuthenticator(self.records.enrolments, clock)
        self.records.log.follow(self._enrolled.follow)
        self._authenticator = HubAuthenticator(config, self._enrolled)
        self.addresses = HubAddresses(self.records.known_addresses(clock), self._audit, self._metrics)
        self.proofs = ProofRules(config, self.records.bound_keys())
        self._connections = ConnectionAdmission(config, self.quota, self.records.owners.count_of)
        self.gate = LoginGate(
            config,
            authenticator=self._authenticator,
            proofs=self.proofs,
            counters=self.records.key_counters(),
            locks=self._locks,
            audit=self._audit,
            metrics=self._metrics,
            clock=clock,
            why_no_more=self._connections.problem,
            why_nobody=self._places.why_no_logins if self._places is not None else lambda: "",
        )

    def _make_limits(self, admission: AuditAdmission) -> None:
        self.audit_sums = AuditSums(admission, self._audit)
        self.messages = MessageWatch(self._peers, self._audit, self._config.message_timeout)
        self.sending = SendWatch(self._peers, self.quota, self._audit)
        self.probe = RelayProbe(self._metrics.relay_seconds)

    def _make_sessions(self) -> None:
        self.kept = self.records.kept_sessions(self._clock)
        self.relay = Relay(self._metrics)
        self._clipboards = ClipboardNotes(self._audit, self._clock)
        self.requests = RelayedRequests(
            nodes=self._directory,
            policy=self._policy,
            quota=self.quota,
            audit=self._audit,
            metrics=self._metrics,
            clock=self._clock,
            new_id=self._config.new_id,
            bus=self._bus,
        )
        self.broker = HubBroker(
            nodes=self._directory,
            router=self._sessions,
            relay=self.relay,
            policy=self._policy,
            quota=self.quota,
            audit=self._audit,
            metrics=self._metrics,
            clock=self._clock,
            new_id=self._config.new_id,
            kept=self.kept,
            clipboards=self._clipboards,
            acting_on=self.requests.acting_on,
            bus=self._bus,
        )
        self.questions = NodeQuestions(self._clock, self._config.new_id)
        self.processes = SessionProcesses(
            nodes=self._directory, policy=self._policy, questions=self.questions, audit=self._audit, clock=self._clock
        )
        self.kept_judge = KeptSessionJudge(
            nodes=self._nodes,
            routes=self._sessions,
            kept=self.kept,
            earlier_owners=self.records.earlier_shell_owners(),
            gate=self.gate,
            locks=self._locks,
            policy=self._policy,
            audit=self._audit,
            questions=self.questions,
            bus=self._bus,
            clock=self._clock,
            new_id=self._config.new_id,
        )

    def _make_revocation(self) -> None:
        self._ceilings = LabelCeilings(self._config, self.records.enrolments, self._nodes)
        self._nodes.begin(self.records.owners, self._ceilings.all())
        self.lock_keeper = LockKeeper(
            locks=self._locks,
            log=self.records.log,
            nodes=self._nodes,
            is_ending=self.kept_judge.is_ending,
            audit=self._audit,
        )
        self._eviction = Eviction(
            peers=self._everybody,
            nodes=self._all_nodes,
            broker=self.broker,
            policy=self._policy,
            sessions=self._sessions,
            requests=self.requests,
            authenticator=self._authenticator,
            locks=self._locks,
            gate=self.gate,
            audit=self._audit,
            tunnels=self._tunnels,
            kept_judge=self.kept_judge,
            bus=self._bus,
        )
        self._consequences = Consequences(self._eviction, self._ceilings.set, self._nodes.release, self._bus)
        self.records.log.follow(self._consequences.follow)

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
            places=self._places,
            others=self.hand_over.welcome,
            hands_over=lambda: self.hand_over.is_under_way,
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
        self.admin = assemble_admin(
            records=self.records,
            certificate=self._certificate,
            enrolled=self._enrolled,
            authenticator=self._authenticator,
            locks=self._locks,
            gate=self.gate,
            proofs=self.proofs,
            inventory=self._inventory,
            peers=self._peers,
            nodes=self._nodes,
            sessions=self._sessions,
            broker=self.broker,
            tunnels=self._tunnels,
            questions=self.questions,
            eviction=self._eviction,
            hand_over=self.hand_over,
            audit=self._audit,
            bus=self._bus,
            clock=self._clock,
            new_id=self._config.new_id,
            everywhere=lambda: self.events.elsewhere,
        )
        self._access = AccessAnswers(
            policy=self._policy,
            nodes=self._nodes,
            owners=self.records.owners,
            authenticator=self._authenticator,
            locks=self._locks,
            audit=self._audit,
        )

    def _make_live(self, not_ready: Callable[[], str]) -> None:
        self.events = EventsService(
            inventory=self._inventory,
            nodes=self._nodes,
            routes=self._sessions,
            policy=self._policy,
            quota=self.quota,
            questions=self.questions,
            names=lambda: self._eviction.known,
            audit=self._audit,
            metrics=self._metrics,
            bus=self._bus,
            clock=self._clock,
        )
        self.pages = self._make_pages(not_ready)

    def _make_clients(self) -> None:
        self.client_service = ClientService(
            nodes=self._directory,
            policy=self._policy,
            broker=self.broker,
            requests=self.requests,
            tunnels=self._tunnels,
            events=self.events,
            clipboards=self._clipboards,
            processes=self.processes,
            hub_of=self._places.hub_of if self._places is not None else None,
            clock=self._clock,
        )

    def _make_table(self) -> MessageTable:
        return message_table(
            node_service=self.node_service,
            client_service=self.client_service,
            broker=self.broker,
            relayed=self.requests,
            processes=self.processes,
            forwards=ForwardAnswers(self._sessions, self.broker),
            tunnels=self._tunnels,
            metrics=self._metrics,
            events=self.events,
            admin=self.admin,
            access=self._access,
        )

    # What the hub itself needs of them

    def deny(self, locks: Transaction) -> None:
        """Have locks hold that are in no table, and what they forbid end."""
        for follow in (self._locks.follow, self._consequences.follow):
            follow(locks)()

    def lift(self, locks: Transaction) -> None:
        """End such locks; those that the tables have hold on. Raises `ConfigException` if the tables cannot be read."""
        self._locks.follow(locks)()
        self._locks.begin(self.records.locks.locks())
        self._consequences.follow(locks)()

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
                Role.CLIENT: ServedRole(table[Role.CLIENT], self.client_service.left),
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
            others=self.hand_over.welcome,
            metrics=self._metrics,
            clock=self._clock,
        )

    def judge_ends_anew(self) -> None:
        """Judge what ends at a time by the clock as it is now, which was wrong before."""
        self._locks.judge_anew()
        self._enrolled.judge_anew()

    def keys_of_owner(self, node_id: str) -> frozenset[bytes]:
        """Return the enrolled keys of a node id's owner."""
        owner = self.records.owners.owners().get(node_id)
        return self._enrolled.keys_of(PrincipalId(owner)) if owner is not None else frozenset()

    def digests_of_files(self) -> dict[str, str]:
        """Return digests of what the hub reads of files of its own, as they are now."""
        return digests(self._present, self._authenticator.configured, self._certificate.current.authority)

    def reloading(self, endpoint: WsServerEndpoint, introductions: Introductions) -> HubReloading:
        """Return the part that applies changes of settings."""
        return HubReloading(
            self._config,
            followers=self._followers(),
            endpoint=endpoint,
            introductions=introductions,
            certificate=self._certificate,
            proofs=self.proofs,
            ends=AccessEnds(
                log=self.records.log,
                enrolled=self._enrolled,
                store=self.records.enrolments,
                eviction=self._eviction,
                audit=self._audit,
                clock=self._clock,
            ),
            eviction=self._eviction,
            peers=self._peers,
            audit=self._audit,
        )

    def _follow(self, config: HubConfig) -> None:
        self._present = config
        self._announce(self.hand_over.is_under_way)

    def _followers(self) -> tuple[Follow, ...]:
        return (
            self._follow,
            self._authenticator.follow,
            self.gate.follow,
            self.proofs.follow,
            self._connections.follow,
            self.messages.follow,
            self._heartbeats.follow,
            self._policy.follow,
            self.quota.follow,
            self._ceilings.follow,
            self.pages.follow,
            self._audit.follow,
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
