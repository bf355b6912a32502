"""A hub's plain objects put together without sockets, and what must hold of them whatever peers and time do."""

import itertools
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

from support.admin_rooms import admin_service
from support.clock import FakeClock
from support.enrolments import owners_in_memory
from support.fake_peers import FakePeer, FakePorts

from omnyshell import (
    AuditLog,
    HeartbeatMonitor,
    HubBroker,
    NodeRegistry,
    PortRange,
    RoleBasedAuthorizer,
    SessionRouter,
    TunnelRegistry,
)
from omnyshell.protocol.limits import MAX_CREDIT
from omnyshell.protocol.messages.base import Role
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.client_service import ClientService
from omnyshell.services.hub.ground.certificate import SecureTunnels
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.limits import Allowance, QuotaLimits, Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.message_table import message_table
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.nodes.departed import DepartedNodes
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.takeovers import Takeovers
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.forwards import ForwardAnswers
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.processes import SessionProcesses
from omnyshell.services.hub.sessions.relay import Relay, SessionEnd
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.transport.introductions import Introductions

CHANNELS = 6
NODE_IDS = ("n1", "n2", "n3")
PORTS = PortRange(20_000, 20_004)

LIMITS = {
    Resource.SESSIONS: 3,
    Resource.SESSIONS_AT_NODE: 2,
    Resource.FORWARDS: 3,
    Resource.TUNNELS: 2,
    Resource.PENDING: 3,
}
"""Of one of the principals."""


class PlainHub:
    """The objects, and the peers that ever were; the clock stands still until it is moved."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.clients: list[FakePeer] = []
        self.nodes: list[FakePeer] = []
        self._ids = itertools.count(1)
        self._assemble()

    def _new_id(self) -> str:
        return f"id-{next(self._ids)}"

    def _assemble(self) -> None:
        quota = Quota(QuotaLimits(exceptions=(Allowance(LIMITS, frozenset({"ann"})),), max_channels=5))
        policy = HubPolicy(RoleBasedAuthorizer(), Locks(self.clock))
        self.audit = audit = AuditLog(self.clock)
        bus = LocalEventBus()
        self.metrics = metrics = HubMetrics()
        self.router = SessionRouter()
        self.owners = owners_in_memory()
        self.registry = NodeRegistry(self.owners, {}, bus)
        self.ports = TunnelRegistry(PORTS)
        self.directory = self.make_directory()
        common: dict[str, Any] = {"nodes": self.directory, "policy": policy, "audit": audit, "metrics": metrics}
        common["quota"] = quota
        common |= {"clock": self.clock, "new_id": self._new_id, "bus": bus}
        clipboards = ClipboardNotes(audit, self.clock)
        self.requests = RelayedRequests(**common)
        self.broker = HubBroker(
            router=self.router,
            relay=Relay(metrics),
            kept=KeptSessions(self.clock),
            clipboards=clipboards,
            acting_on=self.requests.acting_on,
            **common,
        )
        self.tunnels = TunnelBroker(
            registry=self.ports,
            ports=FakePorts(),
            public_host="",
            secure=SecureTunnels,
            introductions=Introductions(),
            new_request_id=self._new_id,
            **common,
        )
        self.heartbeats = HeartbeatMonitor(30.0)
        self.departed, self.takeovers = DepartedNodes(self.clock), Takeovers(self.clock)
        questions = NodeQuestions(self.clock, self._new_id)
        self.questions, self.bus = questions, bus
        processes = SessionProcesses(
            nodes=self.directory, policy=policy, questions=questions, audit=audit, clock=self.clock
        )
        # Nothing is locked here, and nothing outlives its connection.
        no_kept_judge = cast("Any", SimpleNamespace(came=lambda _node: None))
        no_locks = cast("Any", SimpleNamespace(turns_away=lambda _peer, _node_id: False))
        self.node_service = NodeService(
            registry=self.registry,
            broker=self.broker,
            requests=self.requests,
            tunnels=self.tunnels,
            metrics=metrics,
            questions=questions,
            kept_judge=no_kept_judge,
            lock_keeper=no_locks,
            heartbeats=self.heartbeats,
            audit=audit,
            clock=self.clock,
            departed=self.departed,
            takeovers=self.takeovers,
        )
        # Nobody here subscribes to live state, or administers.
        no_events = cast("Any", MagicMock())
        self.client_service = ClientService(
            nodes=self.directory,
            policy=policy,
            broker=self.broker,
            requests=self.requests,
            tunnels=self.tunnels,
            events=no_events,
            clipboards=clipboards,
            processes=processes,
            hub_of=None,
            clock=self.clock,
        )
        self.table = message_table(
            node_service=self.node_service,
            client_service=self.client_service,
            broker=self.broker,
            relayed=self.requests,
            processes=processes,
            forwards=ForwardAnswers(self.router, self.broker),
            tunnels=self.tunnels,
            metrics=metrics,
            events=no_events,
            admin=admin_service(),
            access=cast("Any", MagicMock()),
        )

    def make_directory(self) -> NodeDirectory:
        """Where nodes are looked up."""
        return self.registry

    # What peers say

    def from_client(self, peer: FakePeer, message: Any, channel: int = 0) -> None:
        self.table[Role.CLIENT][type(message)](peer, message, channel)

    def from_node(self, peer: FakePeer, message: Any, channel: int = 0) -> None:
        self.table[Role.NODE][type(message)](peer, message, channel)

    def end(self, peer: FakePeer, service: Any) -> None:
        """Have a connection end, and the hub know it."""
        peer.vanish()
        peer.known_gone = True
        service.left(peer)

    # What must hold

    def check(self) -> None:
        self._check_routes()
        self._check_requests()
        self._check_tunnels()
        for record in self.registry.connected():
            assert record.peer.is_open, f"{record.node_id} is listed, and its connection has ended"
            assert self.registry.of_peer(record.peer) is record

    def _check_routes(self) -> None:
        routes = list(self.router)
        assert len(self.router) == len(routes) == len(set(map(id, routes)))
        recount: Counter[Any] = Counter()
        for route in routes:
            assert route.client.is_open, "a route whose client is gone"
            assert route.node.is_open, "a route whose node is gone"
            self.check_place(route)
            for peer, channel in ((route.client, route.client_channel), (route.node, route.node_channel)):
                assert cast("SessionEnd", peer.channels[channel]).route is route
            for credit in (route.to_client, route.to_node):
                assert 0 <= credit.available <= MAX_CREDIT
            recount.update((route.client, route.node))
        for peer in self.connected():
            assert self.router.count(peer) == recount[peer]
            owned = [each for each in peer.channels.values() if isinstance(each, SessionEnd) and each.peer is peer]
            assert len(owned) == recount[peer], "a channel belongs to a session that is over"
        held = Counter((route.session.principal, route.session.node_id, route.is_forward) for route in routes)
        held.update((route.session.principal, "", route.is_forward) for route in routes)
        assert held == self.router._held, "what principals hold is not what is counted"
        held -= self._shared(routes)
        assert held["ann", "", False] <= LIMITS[Resource.SESSIONS]
        assert all(held["ann", node, True] <= LIMITS[Resource.FORWARDS] for node in NODE_IDS)
        assert all(held["ann", node, False] <= LIMITS[Resource.SESSIONS_AT_NODE] for node in NODE_IDS)
        self._check_forwards(routes)

    def connected(self) -> list[FakePeer]:
        """The hub's own connections."""
        return [*self.clients, *self.nodes]

    def check_place(self, route: SessionRoute) -> None:
        at = self.registry.find(route.session.node_id)
        assert at is self.registry.of_peer(route.node) is not None, "a route of an id that its node has no more"

    def _shared(self, routes: list[SessionRoute]) -> Counter[Any]:
        """Places that two have together: a session, and who takes it up and is not answered yet."""
        takers = [route for route in routes if route.instead_of in routes]
        assert not any(route.is_open for route in takers), "two have a place, and the node has answered"
        assert len({route.instead_of for route in takers}) == len(takers), "three have a place together"
        shared = Counter[Any]()
        for route in takers:
            before, who = route.instead_of, route.client.principal.id
            if before is not None and before.client.principal.id == who == before.session.principal:
                shared.update((who, place, route.is_forward) for place in (route.session.node_id, ""))
        return shared

    def _check_forwards(self, routes: list[SessionRoute]) -> None:
        forwards = Counter(route.node for route in routes if route.is_forward)
        assert forwards == self.router._forwards, "how many forwards there are is not what is counted"
        unused = [each for theirs in self.router._ahead.values() for each in theirs]
        assert set(unused) == {route for route in routes if route.is_ahead}, "what is unused is not what is counted"
        assert all(each.forward in routes for each in unused), "a connection that nobody uses outlives its forward"
        for route in routes:
            assert all(each in routes and each.forward is route for each in route.connections)
            if route.forward is not None and route.forward in routes:
                assert route in route.forward.connections, "a connection that its forward does not know"
                assert route.client is route.forward.client, "a connection of another client"

    def _check_requests(self) -> None:
        recount: Counter[Any] = Counter()
        for pending in self.requests._pending.values():
            assert pending.client.is_open, "a request whose client is gone"
            assert pending.node.is_open, "a request whose node is gone"
            recount.update((pending.client, pending.node))
        assert recount == self.requests._of_peer
        of_principals = Counter(pending.client.principal.id for pending in self.requests._pending.values())
        assert of_principals == self.requests._of_principal
        assert of_principals["ann"] <= LIMITS[Resource.PENDING]

    def _check_tunnels(self) -> None:
        tunnels = self.tunnels.tunnels
        ports = [tunnel.info.public_port for tunnel in tunnels]
        assert len(ports) == len(set(ports)) == len(self.ports), "a port with two owners, or with none"
        assert all(port in PORTS for port in ports)
        assert sum(tunnel.owner.id == "ann" for tunnel in tunnels) <= LIMITS[Resource.TUNNELS]
        serving = [id_ for exposer in self.tunnels._exposers.values() for id_ in exposer.tunnels]
        assert sorted(serving) == sorted(tunnel.info.tunnel_id for tunnel in self.tunnels.tunnels)
        for tunnel in tunnels:
            assert tunnel.exposer.peer.is_open, "a tunnel whose exposer is gone"

    def end_all(self) -> None:
        """All leave: nobody holds anything any more."""
        for peers, service in ((self.clients, self.client_service), (self.nodes, self.node_service)):
            for peer in peers:
                if not peer.known_gone:
                    self.end(peer, service)
        assert not len(self.router)
        assert not self.router._held
        assert not self.requests._of_principal
        assert not len(self.ports)
