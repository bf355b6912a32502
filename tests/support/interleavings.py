"""Random interleavings of what clients, nodes and time do to the hub's plain objects, and what must hold after each.

No sockets and no sleeping: peers are objects that remember what they were sent, the clock stands still until it is
moved. `run_seed` raises `AssertionError` with the seed and the steps that led there.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from support.fake_peers import FakePeer
from support.plain_hub import CHANNELS, NODE_IDS, PlainHub
from support.taken_back import TakenBack

from omnyshell import (
    NodeRegister,
    PlatformInfo,
)
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode, pack_data
from omnyshell.protocol.messages.forwards import ForwardDial
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.sessions.relay import ClientEnd

STEPS = 200
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


class World(PlainHub):
    """A hub's objects, and what the peers of one run do."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.random = random.Random(seed)
        self.steps: list[str] = []
        self.asked: Counter[tuple[FakePeer, str]] = Counter()
        self.answered: Counter[tuple[FakePeer, str]] = Counter()
        self.opening: Counter[FakePeer] = Counter()
        self.settled: Counter[FakePeer] = Counter()
        self.taken_back = TakenBack(lambda: self.nodes, is_whole=self.nodes_hub is self)

    @property
    def nodes_hub(self) -> PlainHub:
        """The hub that has the nodes."""
        return self

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
            (8, self.forward),
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
        actions += self.more_actions()
        weights = [weight for weight, _ in actions]
        (action,) = self.random.choices([action for _, action in actions], weights)
        self.steps.append(f"{action.__name__} {action()}")

    def more_actions(self) -> list[tuple[int, Callable[[], str]]]:
        """What else may happen, and how often."""
        return []

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
        routes = self.nodes_hub.router.of_peer(peer)
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
            self.end(peer, self.client_service)
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
            self.end(peer, self.nodes_hub.node_service)
        return repr(peer)

    def late_end(self) -> str:
        """A connection that the hub closed is only now found to have ended."""
        late = [(peer, self.client_service) for peer in self.clients if not peer.is_open and not peer.known_gone]
        late += [(peer, self.nodes_hub.node_service) for peer in self.nodes if not peer.is_open and not peer.known_gone]  # type: ignore[misc]
        if not late:
            return "nobody"
        peer, service = self.random.choice(late)
        self.end(peer, service)
        return repr(peer)

    def open(self) -> str:
        peer = self._pick(self.clients)
        if peer is None:
            return "nobody"
        channel = self._client_channel(peer, busy=0.1)
        resume = self.random.choice((None, None, "id-1", ""))
        mode = self.random.choice((*(SessionMode.SHELL, SessionMode.EXEC) * 4, SessionMode.TUNNEL))
        node_id = self.random.choice((*NODE_IDS * 3, "nowhere"))
        self.opening[peer] += 1
        ask = m.SessionOpen(node_id=node_id, mode=mode, resume_session_id=resume)
        self.taken_back.asked(peer, channel, lambda: self.from_client(peer, ask, channel), ahead=False)
        return f"{peer!r} {channel} {node_id}"

    def forward(self) -> str:
        """A client asks for a forward, or for a connection of one of its own or of nobody's."""
        peer = self._pick(self.clients)
        if peer is None:
            return "nobody"
        channel = self._client_channel(peer, busy=0.1)
        theirs = [route for route in self.router.of_peer(peer) if route.is_forward and not route.is_connection]
        of = self.random.choice((None, *(route.session.id for route in theirs), "no such"))
        node_id = self.random.choice((*NODE_IDS, *(route.session.node_id for route in theirs)))
        target = None if of is None else "localhost:80"
        ahead = target is not None and self.random.random() < 0.5
        ask = m.SessionOpen(node_id=node_id, mode=SessionMode.FORWARD, target=target, forward=of, ahead=ahead)
        self.opening[peer] += 1
        self.taken_back.asked(peer, channel, lambda: self.from_client(peer, ask, channel), ahead=ahead)
        return f"{peer!r} {channel} {node_id} {of} {'ahead' if ahead else ''}"

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
            message = self.random.choice(
                (window, m.ChannelResize(), m.ChannelSignal(signal="INT"), m.ChannelEof(), ForwardDial())
            )
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
        by = by if by is not None else self.random.choice((0.2, 1.0, 4.0, 11.0))
        self.clock.seconds += by
        return self.pass_time(self.clock.seconds)

    def pass_time(self, now: float) -> str:
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
        super().check()
        self.taken_back.check(self.clients)

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
            told = _told_of_sessions(peer)
            assert told + self.settled[peer] >= self.opening[peer], f"{peer!r} was not told of a session"


def _told_of_sessions(peer: FakePeer) -> int:
    """How many requests for sessions were answered, also by the end of the channel of who sends before the answer."""
    told, are_open = 0, set[int | None]()
    for channel, said in peer.inbox:
        if isinstance(said, m.SessionOpened):
            are_open.add(channel)
        is_end = isinstance(said, m.ChannelClose) and channel not in are_open
        told += is_end or isinstance(said, m.SessionOpened | m.SessionRejected)
        if isinstance(said, m.ChannelClose | m.SessionDetached):
            are_open.discard(channel)
    return told


def run_seed(seed: int, steps: int = STEPS, kind: type[World] = World) -> HubMetrics:
    """Run one interleaving and return what was counted; needs a running event loop, which has nothing to do."""
    world = kind(seed)
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
