"""Serves the extension `events`: handles subscriptions, the hub's events, and timers."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes
from omnyshell.model.live import Part
from omnyshell.protocol.messages.events import EventsEnded, EventsSubscribe, EventsUnsubscribe
from omnyshell.protocol.messages.vitals import VitalsLook
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.access.policy import HubPolicy, JudgedNode
from omnyshell.services.hub.access.quota import Pool, Quota
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import (
    EventBus,
    HubEvent,
    KillEvent,
    NodeEvent,
    PeerEvent,
    RightsEvent,
    SessionEvent,
    WatchEvent,
)
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.inventory.inventory import Inventory
from omnyshell.services.hub.live.session_polls import SessionPolls
from omnyshell.services.hub.live.sessions import LiveSessions
from omnyshell.services.hub.live.subscribers import Subscriber, Subscribers
from omnyshell.services.hub.live.subscription import LiveSource, Subscription, Wanted
from omnyshell.services.hub.live.view import LiveView
from omnyshell.services.hub.live.viewer import Viewer
from omnyshell.services.hub.live.vitals_polls import VitalsPolls
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.kept_judge import keeps_sessions
from omnyshell.services.hub.sessions.router import SessionRouter

if TYPE_CHECKING:
    from omnyshell.services.hub.live.elsewhere.port import OtherHubs
    from omnyshell.services.hub.live.elsewhere.telling import LiveElsewhere

MAX_OF_PEER = 4
MAX_SUBSCRIPTIONS = 500
"""The most subscriptions of one connection, and of all together."""

LONGEST_ID = 128

TURN = 0.1
"""Seconds between turns of sending; an item that changes several times in between is sent once."""

BUSY_TURN = 0.01
"""The same while more could be sent."""

SAMPLE = 1.0
"""Seconds between samples of counters."""

LINGER = 10.0
"""Seconds for which state is still tracked after the last subscriber left, as starting again costs more."""

UNSUBSCRIBED = "unsubscribed"
DUPLICATE = "duplicate"
"""The code for a refused subscription whose id is in use; the existing one goes on."""


class Judges(NamedTuple):
    """How rights on nodes are judged; see `Viewer.of`."""

    find: Callable[[str], JudgedNode | None]
    judged: Callable[[str], NodeResource | None]


class EventsService:
    """Sends events to subscribers. Without subscribers it is idle, with no timer. Call `close` with the hub."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        nodes: NodeRegistry,
        routes: SessionRouter,
        policy: HubPolicy,
        quota: Quota,
        questions: NodeQuestions,
        names: Callable[[], Iterable[str]],
        audit: AuditLog,
        metrics: HubMetrics,
        bus: EventBus,
        clock: Clock,
    ) -> None:
        """`names` returns all principals that can log in, as far as they can be listed."""
        self._inventory = inventory
        self._nodes = nodes
        self._policy = policy
        self._quota = quota
        self._audit = audit
        self._bus = bus
        self._clock = clock
        self._subscribers = Subscribers(clock)
        self._sessions = LiveSessions(
            self._subscribers.mark, clock, routes.carried, self._keeps_sessions, self._is_connected
        )
        self._vitals = VitalsPolls(nodes, questions, clock, self._subscribers.mark_vitals)
        self._view = LiveView(
            inventory=inventory,
            sessions=self._sessions,
            audit=audit,
            metrics=metrics,
            subscribers=lambda: len(self._subscribers),
            vitals=self._vitals.find,
        )
        self._source: LiveSource = self._view
        self._judges = Judges(nodes.find, inventory.judged)
        self.elsewhere: LiveElsewhere | None = None
        self._polls = SessionPolls(self._sessions, nodes, questions, clock, names)
        self._ends: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._sampled_at = 0.0
        self._worst_lag = 0.0
        self._pinged: list[str] = []
        self._deserted_at = 0.0

    def join(self, others: "OtherHubs") -> None:
        """Show what is live at other hubs too, and show these what is live here. Call it before anybody connects."""
        # A hub that is alone loads nothing of it.
        from omnyshell.services.hub.live.elsewhere.telling import LiveElsewhere
        from omnyshell.services.hub.live.elsewhere.whole import WholeView

        here = self._judges
        whole = WholeView(
            self._view,
            others.own,
            find_here=here.find,
            judged_here=here.judged,
            hub_labels=lambda node_id: self._nodes.hub_labels.get(node_id, {}),
        )
        self._source = whole
        self._judges = Judges(whole.find, whole.judged)
        self.elsewhere = LiveElsewhere(
            whole,
            self._view,
            self._subscribers,
            others,
            self._clock,
            tracks=self._track,
            due=lambda: self._schedule(0.0),
            vitals=self._vitals.known,
        )

    def __len__(self) -> int:
        return len(self._subscribers)

    def count_detached(self) -> int | None:
        """Return the number of detached sessions; None without subscribers to sessions, as nodes are not asked then."""
        return self._sessions.count_detached().total() if self._subscribers.wants(Part.SESSIONS) else None

    def left(self, peer: Peer) -> None:
        """End all subscriptions of a connection that ended. Idempotent."""
        self._remove(lambda member: member.receiver is peer)

    def close(self) -> None:
        """Stop. Idempotent."""
        self._remove(lambda _: True)
        self._stop()

    # Subscribing

    def subscribe(self, peer: Peer, ask: EventsSubscribe, _channel: int) -> None:
        """Begin a subscription, or refuse it."""
        viewer = Viewer.of(peer.principal, frozenset(peer.features), self._policy, *self._judges)
        parts = frozenset(part for part in Part if not ask.parts or part in ask.parts) & viewer.parts
        problem = self._problem(peer, ask, parts)
        if problem is not None:
            code, text = problem
            self._record(peer, "denied", ask, code)
            peer.send(EventsEnded(subscription_id=ask.subscription_id[:LONGEST_ID], code=code, message=text))
            return
        self._record(peer, "ok", ask, "")
        self._track()
        wanted = Wanted(parts, ask.audit_since, ask.audit_limit)
        subscription = Subscription(ask.subscription_id, viewer, wanted, self._source)
        if self.elsewhere is not None:
            self.elsewhere.want()
            self._subscribers.add(subscription, peer, self.elsewhere.is_awaited)
        else:
            self._subscribers.add(subscription, peer)
        self._schedule(0.0)

    def _problem(self, peer: Peer, ask: EventsSubscribe, parts: frozenset[Part]) -> tuple[str, str] | None:
        """Why a subscription is refused: a code and a text; None where it is not."""
        mine = [member.subscription.id for member in self._subscribers if member.receiver is peer]
        if not 0 < len(ask.subscription_id) <= LONGEST_ID:
            return ErrorCodes.BAD_REQUEST, f"A subscription needs an id of 1 to {LONGEST_ID} characters"
        if ask.subscription_id in mine:
            return DUPLICATE, "This connection has a subscription with that id, which goes on"
        if not parts:
            unknown = not any(part in ask.parts for part in Part)
            code = ErrorCodes.BAD_REQUEST if unknown else ErrorCodes.NOT_AUTHORIZED
            return code, "No part that was asked for is known here" if unknown else "Only administrators may see this"
        of_principal = sum(member.subscription.viewer.principal == peer.principal.id for member in self._subscribers)
        pool = Pool(MAX_SUBSCRIPTIONS, len(self._subscribers))
        if len(mine) >= MAX_OF_PEER or pool.taken >= pool.size:
            return ErrorCodes.CAPACITY_EXCEEDED, "There are too many subscriptions"
        why = self._quota.problem(peer.principal, Resource.SUBSCRIPTIONS, of_principal, pool)
        return (ErrorCodes.CAPACITY_EXCEEDED, why) if why else None

    def unsubscribe(self, peer: Peer, ask: EventsUnsubscribe, _channel: int) -> None:
        """End a subscription."""
        id_ = ask.subscription_id
        self._remove(lambda member: member.receiver is peer and member.subscription.id == id_)
        peer.send(EventsEnded(subscription_id=id_[:LONGEST_ID], code=UNSUBSCRIBED))

    def look(self, peer: Peer, ask: VitalsLook, _channel: int) -> None:
        """Tell a subscription of nodes' vitals from now on, or no longer."""
        for member in self._subscribers:
            if member.receiver is peer and member.subscription.id == ask.subscription_id:
                known = self._vitals.known() if self.elsewhere is None else self._source.keys(Part.NODES)
                member.subscription.look(known, looks=ask.looks)

    def _remove(self, applies: Callable[[Subscriber], bool]) -> None:
        if self._subscribers.remove(applies):
            self._deserted_at = self._clock.monotonic()

    def _track(self) -> None:
        """Begin to track state, as the first subscriber came. Idempotent."""
        if not self._subscribers:
            self._deserted_at = self._clock.monotonic()
        if self._timer is not None:
            return
        self._view.start()
        self._polls.start()
        self._ends = [self._bus.listen(self._receive), self._audit.add_sink(self._subscribers.add_record)]
        self._sampled_at = self._clock.monotonic()
        self._worst_lag = 0.0
        self._schedule(0.0)

    def _stop(self) -> None:
        """Stop tracking state. Idempotent."""
        for end in self._ends:
            end()
        self._ends.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.elsewhere is not None:
            self.elsewhere.stop()
        self._polls.stop()
        self._vitals.stop()
        self._view.stop()

    # What happens

    def _receive(self, event: HubEvent) -> None:
        if isinstance(event, SessionEvent):
            self._sessions.receive(event)
        elif isinstance(event, KillEvent):
            self._sessions.killed(event)
        elif isinstance(event, WatchEvent):
            self._sessions.watched(event)
        elif isinstance(event, NodeEvent):
            self._node_changed(event.node_id)
        elif isinstance(event, PeerEvent):
            self._peer_changed(event)
        elif isinstance(event, RightsEvent):
            self._subscribers.mark_rights(event.principal, self._source.keys(Part.NODES))
            if self._subscribers.has_others(event.principal):
                nodes = ((key, None) for key in self._source.keys(Part.NODES))
                self._subscribers.mark_for_others(event.principal, Part.NODES, nodes)
                self._subscribers.mark_for_others(event.principal, Part.SESSIONS, self._source.owned_sessions())
        elif event.is_open:
            self._view.add_tunnel(event.tunnel)
            self._subscribers.mark(Part.TUNNELS, event.tunnel.key, event.tunnel.principal)
        else:
            final = self._view.remove_tunnel(event.tunnel)
            self._subscribers.mark(Part.TUNNELS, final.key, final.principal, final)

    def _node_changed(self, node_id: str) -> None:
        self._subscribers.mark(Part.NODES, node_id, None)
        if self.elsewhere is not None:
            self.elsewhere.node_changed(node_id)
        peer = self._inventory.peer_of_node(node_id)
        if peer is None:
            self._polls.left(node_id)
            self._vitals.left(node_id)
            self._sessions.node_gone(node_id)
        else:
            self._polls.came(node_id)
            told = self._view.note_node(peer.id, node_id)
            if told is not None:
                self._subscribers.mark(Part.PEERS, told.key, told.principal)

    def _peer_changed(self, event: PeerEvent) -> None:
        peer = event.peer
        final = None
        if event.is_connected:
            self._view.add_peer(peer)
        else:
            final = self._view.remove_peer(peer.key)
            if final is None:
                return
        self._subscribers.mark(Part.PEERS, peer.key, peer.principal, final)

    def _is_connected(self, node_id: str) -> bool:
        node = self._nodes.find(node_id)
        return node is not None and node.peer.is_open

    def _keeps_sessions(self, node_id: str) -> bool:
        node = self._nodes.find(node_id)
        return node is not None and node.peer.is_open and keeps_sessions(node)

    # The time that passes

    def _schedule(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._clock.monotonic() + delay
        self._timer = loop.call_later(delay, self._turn)

    def _turn(self) -> None:
        now = self._clock.monotonic()
        if not self._subscribers and now - self._deserted_at >= LINGER:
            self._stop()
            return
        self._worst_lag = max(self._worst_lag, now - self._due)
        more = False
        try:
            if now - self._sampled_at >= SAMPLE:
                self._sample(now)
            more = self._subscribers.tell()
        finally:
            # If sending fails for one subscriber, the event loop reports it; the others are served in the next turn.
            self._schedule(BUSY_TURN if more else TURN)

    def _sample(self, now: float) -> None:
        # All counters are sampled, even without a subscriber for them, as rates refer to the last sample.
        seconds, self._sampled_at = now - self._sampled_at, now
        told = self._subscribers
        self._sessions.sample(seconds, lambda key, owner: told.mark_traffic(Part.SESSIONS, key, owner))
        self._view.sample_tunnels(seconds, lambda key, owner: told.mark_traffic(Part.TUNNELS, key, owner))
        for node_id in self._view.sample_nodes():
            told.mark(Part.NODES, node_id, "")
        self._view.sample_metrics(self._worst_lag, seconds)
        if self.elsewhere is not None:
            self.elsewhere.sample()
        self._worst_lag = 0.0
        told.mark_metrics()
        if told.wants(Part.SESSIONS):
            self._polls.ask()
        if told.wants(Part.NODES):
            self._ping_some()
            self._vitals.ask([member.subscription.viewer for member in told.looking()])

    def _ping_some(self) -> None:
        """Ping a tenth of the nodes each second, to measure their round trips."""
        if not self._pinged:
            self._pinged = sorted(self._nodes.online())
        for _ in range(len(self._nodes) // 10 + 1):
            peer = self._inventory.peer_of_node(self._pinged.pop()) if self._pinged else None
            if peer is not None:
                peer.ping()

    def _record(self, peer: Peer, outcome: str, ask: EventsSubscribe, reason: str) -> None:
        self._audit.record(
            "events.subscribe",
            outcome,
            principal=peer.principal.id,
            address=peer.address,
            reason=reason,
            detail=",".join(ask.parts[: len(Part)])[:LONGEST_ID],
        )
