"""The subscribers of a hub's live state, and when messages are sent to each (extension `events`).

No I/O, and it never waits. A subscriber whose connection is full gets no messages; if that lasts, it is told later that
it lagged. The time for each round of messages is bounded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from omnyshell.clock import Clock
from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import LiveItem, Part
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.live.subscription import Subscription

SLICE = 0.004
"""Seconds of work at a time, as for all work beside the relay."""

PATIENCE = 5.0
"""Seconds without room after which a subscriber has lagged."""


class Receiver(Protocol):
    """The destination of a subscriber's messages; a `Peer` is one. Receivers are told apart by identity."""

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""

    @property
    def has_room(self) -> bool:
        """Whether a message would go out at once."""

    def send(self, message: ControlMessage) -> None:
        """Send a message."""


class Subscriber:
    """A subscription and the destination of its messages."""

    def __init__(self, subscription: Subscription, receiver: Receiver, now: float, holds: Callable[[], bool]) -> None:
        self.subscription = subscription
        self.receiver = receiver
        self.last_room = now
        """When its connection last had room, on the monotonic clock."""

        self.holds = holds
        """Whether its snapshot waits a moment for what is not there yet."""


class Subscribers:
    """All subscribers, served in turns."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._members: list[Subscriber] = []

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(tuple(self._members))

    def add(self, subscription: Subscription, receiver: Receiver, holds: Callable[[], bool] = lambda: False) -> None:
        """Add a subscriber; it is sent nothing while `holds` is true."""
        self._members.append(Subscriber(subscription, receiver, self._clock.monotonic(), holds))

    def remove(self, applies: Callable[[Subscriber], bool]) -> int:
        """Remove the subscribers for which `applies` is true; return how many."""
        before = len(self._members)
        self._members = [member for member in self._members if not applies(member)]
        return before - len(self._members)

    def wants(self, part: Part) -> bool:
        """Whether anybody subscribes to a part."""
        return any(part in member.subscription.parts for member in self._members)

    def mark(self, part: Part, key: str, owner: str | None, final: LiveItem | None = None) -> None:
        """Mark an item as changed; see `Subscription.mark`."""
        for member in self._members:
            member.subscription.mark(part, key, owner, final)

    def has_others(self, principal: str | None) -> bool:
        """Whether the principal, or anybody if None, has a subscription that does not see everything."""
        return bool(self._others(principal))

    def mark_rights(self, principal: str | None, nodes: Sequence[str]) -> None:
        """Mark the rights of a principal, or of everybody if None, as changed: its own, and those on nodes."""
        for member in self._members:
            subscription = member.subscription
            if subscription.viewer.hears_rights and principal in (None, subscription.viewer.principal):
                subscription.mark_rights()
                for node_id in nodes:
                    subscription.mark(Part.NODES, node_id, None)

    def mark_for_others(self, principal: str | None, part: Part, items: Iterable[tuple[str, str | None]]) -> None:
        """Mark items, given by key and owner, as changed for subscribers that do not see everything."""
        others = self._others(principal)
        for key, owner in items if others else ():
            for subscription in others:
                subscription.mark(part, key, owner)

    def _others(self, principal: str | None) -> list[Subscription]:
        told = (member.subscription for member in self._members if not member.subscription.viewer.is_admin)
        return [each for each in told if principal in (None, each.viewer.principal)]

    def mark_traffic(self, part: Part, key: str, owner: str) -> None:
        """Mark an item's counters as changed."""
        for member in self._members:
            member.subscription.mark_traffic(part, key, owner)

    def looking(self) -> list[Subscriber]:
        """Return those who look at nodes' vitals."""
        return [member for member in self._members if member.subscription.looks]

    def mark_vitals(self, node_id: str) -> None:
        """Mark a node's vitals as changed."""
        for member in self._members:
            member.subscription.mark_vitals(node_id)

    def of_clients(self) -> list[Subscription]:
        """Return the subscriptions that are told of what other hubs tell: all but those of hubs."""
        return [member.subscription for member in self._members if not member.subscription.is_hubs]

    def mark_metrics(self) -> None:
        """Mark the hub's figures as changed."""
        for member in self._members:
            member.subscription.mark_metrics()

    def add_record(self, record: AuditRecord) -> None:
        """Add an audit record."""
        for member in self._members:
            member.subscription.add_record(record)

    def tell(self) -> bool:
        """Send messages for one slice of time; return whether more could be sent at once."""
        started = self._clock.monotonic()
        waiting = [member for member in self._members if self._is_ready(member, started)]
        while waiting:
            member = waiting.pop(0)
            message = member.subscription.take(self._clock.now())
            if message is not None:
                if member.receiver.is_open:
                    member.receiver.send(message)
                if member.subscription.has_work and member.receiver.has_room:
                    waiting.append(member)
            if self._clock.monotonic() - started >= SLICE:
                break
        # The next turn begins with the subscribers that were not served in this one.
        places = {member: place for place, member in enumerate(waiting)}
        self._members.sort(key=lambda member: places.get(member, len(places)))
        return bool(waiting)

    def _is_ready(self, member: Subscriber, now: float) -> bool:
        if not member.subscription.has_work or member.holds():
            member.last_room = now
            return False
        if member.receiver.has_room:
            member.last_room = now
            return True
        if now - member.last_room >= PATIENCE:
            member.subscription.fall_behind()
        return False
