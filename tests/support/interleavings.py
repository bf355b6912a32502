"""Random interleavings of what clients, nodes and time do to the hub's plain objects, and what must hold after each.

No sockets and no sleeping: peers are objects that remember what they were sent, the clock stands still until it is
moved. `run_seed` raises `AssertionError` with the seed and the steps that led there.
"""

import itertools
import random
from collections import Counter
from collections.abc import Callable
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
    NodeRegister,
    NodeRegistry,
    PlatformInfo,
    PortRange,
    RoleBasedAuthorizer,
    SessionRouter,
    TunnelRegistry,
)
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode, pack_data
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
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.takeovers import Takeovers
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.relay import ClientEnd, Relay, SessionEnd
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.transport.introductions import Introductions

STEPS = 200
CHANNELS = 6
NODE_IDS = ("n1", "n2", "n3")
FEATURES = ("exec", "shell", "detach", "tunnel")
ASKING = (
    m.NodeSessionOpen,
    m.NodeSessionDetach,
    m.NodeDetachedSessionsRequest,
    m.NodeDetachedSessionKillRequest,
    m.NodeActiveSessionDetach,
    m.ChannelClose,
)
"""What a node does something about."""

PORTS = PortRange(20_000, 20_004)

LIMITS = {Resource.SESSIONS: 3, Resource.SESSIONS_AT_NODE: 2, Resource.TUNNELS: 2, Resource.PENDING: 3}
"""Of one of the principals."""


class World:
    """A hub's objects, and the peers of one run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.clock = FakeClock()
        self.steps: list[str] = []
        self.clients: list[FakePeer] = []
        self.nodes: list[FakePeer] = []
        self.asked: Counter[tuple[FakePeer, str]] = Counter()
        self.answered: Counter[tuple[FakePeer, str]] = Counter()
        self.opening: Counter[FakePeer] = Counter()
        self.settled: Counter[FakePeer] = Counter()
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
        common: dict[str, Any] = {"nodes": self.registry, "policy": policy, "audit": audit, "metrics": metrics}
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
        # Nothing is locked here, and nothing outlives its connection.
        no_kept_judge = cast("Any", SimpleNamespace(came=lambda _node: None))
        no_locks = cast("Any", SimpleNamespace(turns_away=lambda _peer, _node_id: False))
        self.node_service = NodeService(
            registry=self.registry,
            broker=self.broker,
            requests=self.requests,
            tunnels=self.tunnels,
            metrics=metrics,
            questions=NodeQuestions(self.clock, self._new_id),
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
            nodes=self.registry,
            policy=policy,
            broker=self.broker,
            requests=self.requests,
            tunnels=self.tunnels,
            events=no_events,
            clipboards=clipboards,
        )
        self.table = message_table(
            node_service=self.node_service,
            client_service=self.client_service,
            broker=self.broker,
            relayed=self.requests,
            tunnels=self.tunnels,
            metrics=metrics,
            events=no_events,
            admin=admin_service(),
            access=cast("Any", MagicMock()),
        )

    # What peers say

    def from_client(self, peer: FakePeer, message: Any, channel: int = 0) -> None:
        self.table[Role.CLIENT][type(message)](peer, message, channel)

    def from_node(self, peer: FakePeer, message: Any, channel: int = 0) -> None:
        self.table[Role.NODE][type(message)](peer, message, channel)

    # Steps

    def step(self) -> None:
        actions: list[tuple[int, Callable[[], str]]] = [
            (2, self.connect_client),
            (1, self.drop_client),
            (5, self.connect_node),
            (1, self.drop_node),
            (1, self.register_again),
            (2, self.late_end),
            (8, self.open),
            (3, self.close),
            (3, self.detach),
            (16, self.node_reacts),
            (3, self.node_closes),
            (6, self.channel_message),
            (6, self.data),
            (6, self.ask),
            (3, self.tunnel_open),
            (2, self.tunnel_close),
            (8, self.heartbeat),
            (2, self.time_passes),
            (1, self.evict),
        ]
        weights = [weight for weight, _ in actions]
        (action,) = self.random.choices([action for _, action in actions], weights)
        self.steps.append(f"{action.__name__} {action()}")

    def _pick(self, peers: list[FakePeer]) -> FakePeer | None:
        alive = [peer for peer in peers if peer.is_open]
        return self.random.choice(alive) if alive else None

    def _client_channel(self, peer: FakePeer, busy: float = 0.8) -> int:
        """Mostly one that has a session, or mostly one that has none."""
        if self.random.random() < busy:
            routes = self.router.of_peer(peer)
            if routes:
                return self.random.choice(routes).client_channel
        return self.random.randrange(CHANNELS)

    def _node_channel(self, peer: FakePeer) -> int:
        routes = self.router.of_peer(peer)
        if routes and self.random.random() < 0.8:
            return self.random.choice(routes).node_channel
        return self.random.randrange(1, 30)

    def connect_client(self) -> str:
        name = self.random.choice(("ann", "bob"))
        self.clients.append(FakePeer(f"{name}-{len(self.clients)}", "admin"))
        return repr(self.clients[-1])

    def drop_client(self) -> str:
        peer = self._pick(self.clients)
        if peer is not None:
            self._end(peer, self.client_service)
        return repr(peer)

    def connect_node(self) -> str:
        peer = FakePeer(f"box-{len(self.nodes)}", "node")
        self.nodes.append(peer)
        return f"{peer!r} {self._register(peer)}"

    def _register(self, peer: FakePeer) -> str:
        node_id = self.random.choice(NODE_IDS)
        platform = PlatformInfo(os="linux", arch="x64")
        self.from_node(peer, NodeRegister(node_id=node_id, platform=platform))
        self.from_node(peer, m.NodeCapabilitiesMessage(features=FEATURES, max_sessions=4))
        return node_id

    def register_again(self) -> str:
        """A node takes another id, or its own anew, over the connection that it has."""
        peer = self._pick(self.nodes)
        return f"{peer!r} {self._register(peer)}" if peer is not None else "nobody"

    def drop_node(self) -> str:
        peer = self._pick(self.nodes)
        if peer is not None:
            self._end(peer, self.node_service)
        return repr(peer)

    def late_end(self) -> str:
        """A connection that the hub closed is only now found to have ended."""
        late = [(peer, self.client_service) for peer in self.clients if not peer.is_open and not peer.known_gone]
        late += [(peer, self.node_service) for peer in self.nodes if not peer.is_open and not peer.known_gone]  # type: ignore[misc]
        if not late:
            return "nobody"
        peer, service = self.random.choice(late)
        self._end(peer, service)
        return repr(peer)

    def _end(self, peer: FakePeer, service: Any) -> None:
        peer.vanish()
        peer.known_gone = True
        service.left(peer)

    def open(self) -> str:
        peer = self._pick(self.clients)
        if peer is None:
            return "nobody"
        channel = self._client_channel(peer, busy=0.1)
        resume = self.random.choice((None, None, "id-1", ""))
        mode = self.random.choice((*(SessionMode.SHELL, SessionMode.EXEC) * 4, SessionMode.TUNNEL))
        node_id = self.random.choice((*NODE_IDS * 3, "nowhere"))
        self.opening[peer] += 1
        self.from_client(peer, m.SessionOpen(node_id=node_id, mode=mode, resume_session_id=resume), channel)
        return f"{peer!r} {channel} {node_id}"

    def close(self) -> str:
        peer = self._pick(self.clients)
        if peer is not None:
            channel = self._client_channel(peer)
            owner = peer.channels.get(channel)
            if isinstance(owner, ClientEnd) and not owner.route.is_open:
                # Whoever leaves before the answer gets none.
                self.settled[peer] += 1
            self.from_client(peer, m.ChannelClose(reason="client_closed"), channel)
        return repr(peer)

    def detach(self) -> str:
        peer = self._pick(self.clients)
        if peer is not None:
            self.from_client(peer, m.SessionDetachRequest(), self._client_channel(peer))
        return repr(peer)

    def node_reacts(self) -> str:
        """A node deals with one thing that it was sent; not always the first."""
        for node in self.nodes:
            node.inbox = [item for item in node.inbox if isinstance(item[1], ASKING)]
        peer = self._pick([peer for peer in self.nodes if peer.inbox])
        if peer is None:
            return "nobody"
        channel, message = peer.inbox.pop(self.random.randrange(min(3, len(peer.inbox))))
        answer = self._node_answer(message)
        if answer is not None:
            self.from_node(peer, answer, channel or 0)
        return f"{peer!r} {channel} {type(message).__name__} -> {type(answer).__name__}"

    def _node_answer(self, message: Any) -> Any:
        if isinstance(message, m.NodeSessionOpen):
            kinds: list[Any] = [m.NodeSessionOpened(session_id=message.session_id)] * 3
            kinds += [m.NodeSessionRejected(session_id=message.session_id, reason="bad_request", message="no"), None]
            kinds += [m.ChannelClose(reason="error")]
            return self.random.choice(kinds)
        if isinstance(message, m.NodeSessionDetach):
            return m.NodeSessionDetached(session_id=message.session_id, short_id="s")
        if isinstance(message, m.NodeDetachedSessionsRequest):
            return self.random.choice((m.NodeDetachedSessionsResponse(request_id=message.request_id), None))
        if isinstance(message, m.NodeDetachedSessionKillRequest):
            return m.NodeDetachedSessionKillResponse(request_id=message.request_id, ok=True)
        if isinstance(message, m.NodeActiveSessionDetach):
            return m.NodeActiveSessionDetachResponse(request_id=message.request_id, ok=True)
        return None

    def node_closes(self) -> str:
        peer = self._pick(self.nodes)
        if peer is not None:
            channel = self._node_channel(peer)
            if self.random.random() < 0.5:
                self.from_node(peer, m.ChannelExit(exit_code=0, ts=self.clock.now()), channel)
            self.from_node(peer, m.ChannelClose(reason="normal"), channel)
        return repr(peer)

    def channel_message(self) -> str:
        credit = self.random.choice((0, 1, 65_536, 1 << 22, 1 << 31, -5))
        window = m.ChannelWindow(credit=credit)
        client, node = self._pick(self.clients), self._pick(self.nodes)
        if client is not None:
            message = self.random.choice((window, m.ChannelResize(), m.ChannelSignal(signal="INT"), m.ChannelEof()))
            self.from_client(client, message, self._client_channel(client))
        if node is not None:
            self.from_node(node, window, self._node_channel(node))
        return repr(credit)

    def data(self) -> str:
        size = self.random.choice((0, 1, 1000, 65_536))
        client, node = self._pick(self.clients), self._pick(self.nodes)
        for _ in range(self.random.choice((1, 6))):
            if client is not None and client.is_open:
                channel = self._client_channel(client)
                raw = pack_data(DataOpcode.STDIN, channel, bytes(size))
                client.receive(DataOpcode.STDIN, channel, raw)
            if node is not None and node.is_open:
                channel = self._node_channel(node)
                raw = pack_data(DataOpcode.STDOUT, channel, bytes(size))
                node.receive(DataOpcode.STDOUT, channel, raw)
        return str(size + HEADER_SIZE)

    def ask(self) -> str:
        peer = self._pick(self.clients)
        if peer is None:
            return "nobody"
        # Two clients may well choose the same id, and one may use it again.
        id_, node_id = f"r{self.random.randrange(3)}", self.random.choice((*NODE_IDS, "nowhere"))
        request = self.random.choice(
            (
                m.DetachedSessionsRequest(request_id=id_, node_id=node_id),
                m.DetachedSessionKillRequest(request_id=id_, node_id=node_id, session_ref="id-1"),
                m.ActiveSessionDetachRequest(request_id=id_, node_id=node_id, session_ref=""),
            )
        )
        self.asked[peer, id_] += 1
        self.from_client(peer, request)
        return f"{peer!r} {id_} {node_id}"

    def tunnel_open(self) -> str:
        peer = self._pick(self.clients)
        if peer is None:
            return "nobody"
        node_id = self.random.choice((*NODE_IDS, "@local"))
        port = self.random.choice((None, None, 20_000, 20_003, 30_000))
        request = m.TunnelOpenRequest(request_id="t", node_id=node_id, target_port=80, public_port=port)
        self.from_client(peer, request)
        return f"{peer!r} {node_id} {port}"

    def tunnel_close(self) -> str:
        peer = self._pick(self.clients)
        if peer is not None:
            owned = self.ports.of_owner(peer.principal.id)
            ref = self.random.choice(owned).info.tunnel_id if owned else "none"
            self.from_client(peer, m.TunnelCloseRequest(request_id="t", tunnel_ref=ref))
        return repr(peer)

    def heartbeat(self) -> str:
        for peer in self.nodes:
            if peer.is_open and self.random.random() < 0.7:
                seq = int(self.clock.seconds)
                self.from_node(peer, m.NodeHeartbeat(node_id="n1", seq=seq, ts=self.clock.now()))
        return ""

    def time_passes(self, by: float | None = None) -> str:
        self.clock.seconds += by if by is not None else self.random.choice((0.2, 1.0, 4.0, 11.0))
        now = self.clock.seconds
        self.node_service.drop_silent(now)
        self.broker.expire(now)
        self.requests.expire(now)
        self.tunnels.refusals.summarize(now)
        return f"{now:g}"

    def evict(self) -> str:
        routes = list(self.router)
        if not routes:
            return "nothing"
        self.broker.end(self.random.choice(routes), "error", "ended by the hub")
        return ""

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
            at = self.registry.find(route.session.node_id)
            assert at is self.registry.of_peer(route.node) is not None, "a route of an id that its node has no more"
            for peer, channel in ((route.client, route.client_channel), (route.node, route.node_channel)):
                assert cast("SessionEnd", peer.channels[channel]).route is route
            for credit in (route.to_client, route.to_node):
                assert 0 <= credit.available <= MAX_CREDIT
            recount.update((route.client, route.node))
        for peer in (*self.clients, *self.nodes):
            assert self.router.count(peer) == recount[peer]
            owned = [owner for owner in peer.channels.values() if isinstance(owner, SessionEnd)]
            assert len(owned) == recount[peer], "a channel belongs to a session that is over"
        held = Counter((route.session.principal, route.session.node_id) for route in routes)
        held.update((route.session.principal, "") for route in routes)
        assert held == self.router._held, "what principals hold is not what is counted"
        assert held["ann", ""] <= LIMITS[Resource.SESSIONS]
        assert all(held["ann", node] <= LIMITS[Resource.SESSIONS_AT_NODE] for node in NODE_IDS)

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
                    self._end(peer, service)
        assert not len(self.router)
        assert not self.router._held
        assert not self.requests._of_principal
        assert not len(self.ports)

    def check_end(self) -> None:
        """Once every deadline has passed, each question of a client that is still there has had one answer."""
        self.time_passes(31.0)
        self.time_passes(31.0)
        for peer in self.clients:
            if not peer.is_open:
                continue
            kinds = (m.DetachedSessionsResponse, m.DetachedSessionKillResponse, m.ActiveSessionDetachResponse)
            answers = Counter(said.request_id for _, said in peer.inbox if isinstance(said, kinds))
            for (who, id_), count in self.asked.items():
                assert who is not peer or answers[id_] == count, f"{peer!r} asked {count} times and heard {answers}"
            told = sum(isinstance(said, m.SessionOpened | m.SessionRejected) for _, said in peer.inbox)
            assert told + self.settled[peer] >= self.opening[peer], f"{peer!r} was not told of a session"


def run_seed(seed: int, steps: int = STEPS) -> HubMetrics:
    """Run one interleaving and return what was counted; needs a running event loop, which has nothing to do."""
    world = World(seed)
    try:
        for _ in range(steps):
            world.step()
            world.check()
        world.check_end()
        world.check()
        world.end_all()
        world.check()
    except Exception as exc:
        told = "\n".join(world.steps[-25:])
        raise AssertionError(f"seed {seed}, step {len(world.steps)}: {exc!r}\n{told}") from exc
    return world.metrics
