"""The subscribers of a hub's live state, and when each is told what (extension `events`).

A plain object with a clock: nobody is waited for. A subscriber whose connection takes nothing is told nothing; one that
stays so is told later that it lagged. What telling may cost the hub at a time is bounded.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from omnyshell.clock import Clock
from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import LiveItem, Part
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.live.subscription import Subscription

SLICE = 0.004
"""Seconds of work at a time, as everything that runs beside the relay."""

PATIENCE = 5.0
"""Seconds after which a subscriber that takes nothing has lagged."""


class Receiver(Protocol):
    """Where a subscriber's messages go."""

    @property
    def has_room(self) -> bool:
        """Whether a message would go out at once."""

    def tell(self, message: ControlMessage) -> None:
        """Send a message."""


class Subscriber:
    """A subscription and where its messages go."""

    def __init__(self, subscription: Subscription, receiver: Receiver, now: float) -> None:
        self.subscription = subscription
        self.receiver = receiver
        self.last_room = now
        """When its connection last took something, on the monotonic clock."""


class Subscribers:
    """Those who are told, in turns."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._members: list[Subscriber] = []

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(tuple(self._members))

    def add(self, subscription: Subscription, receiver: Receiver) -> None:
        """Tell one more."""
        self._members.append(Subscriber(subscription, receiver, self._clock.monotonic()))

    def remove(self, applies: Callable[[Subscriber], bool]) -> int:
        """Tell those no more; returns how many they were."""
        before = len(self._members)
        self._members = [member for member in self._members if not applies(member)]
        return before - len(self._members)

    def wants(self, part: Part) -> bool:
        """Whether anybody is told about a part."""
        return any(part in member.subscription.parts for member in self._members)

    def mark(self, part: Part, key: str, owner: str | None, final: LiveItem | None = None) -> None:
        """An item changed; see `Subscription.mark`."""
        for member in self._members:
            member.subscription.mark(part, key, owner, final)

    def has_others(self, principal: str | None) -> bool:
        """Whether a principal, or anybody, is told who does not see everything."""
        return bool(self._others(principal))

    def mark_for_others(self, principal: str | None, part: Part, items: Iterable[tuple[str, str | None]]) -> None:
        """Items may have changed for those who do not see everything; each with its key and its owner."""
        others = self._others(principal)
        for key, owner in items if others else ():
            for subscription in others:
                subscription.mark(part, key, owner)

    def _others(self, principal: str | None) -> list[Subscription]:
        told = (member.subscription for member in self._members if not member.subscription.viewer.is_admin)
        return [each for each in told if principal in (None, each.viewer.principal)]

    def mark_traffic(self, part: Part, key: str, owner: str) -> None:
        """Counters changed."""
        for member in self._members:
            member.subscription.mark_traffic(part, key, owner)

    def mark_metrics(self) -> None:
        """The hub's figures have been taken anew."""
        for member in self._members:
            member.subscription.mark_metrics()

    def add_record(self, record: AuditRecord) -> None:
        """Something was audited."""
        for member in self._members:
            member.subscription.add_record(record)

    def tell(self) -> bool:
        """Tell what can be told in one slice of time; returns whether more could be told at once."""
        started = self._clock.monotonic()
        waiting = [member for member in self._members if self._is_ready(member, started)]
        while waiting:
            member = waiting.pop(0)
            message = member.subscription.take(self._clock.now())
            if message is not None:
                member.receiver.tell(message)
                if member.subscription.has_work and member.receiver.has_room:
                    waiting.append(member)
            if self._clock.monotonic() - started >= SLICE:
                break
        # The next turn goes on with whoever would have been next, those who have had theirs last.
        places = {member: place for place, member in enumerate(waiting)}
        self._members.sort(key=lambda member: places.get(member, len(places)))
        return bool(waiting)

    def _is_ready(self, member: Subscriber, now: float) -> bool:
        if not member.subscription.has_work:
            member.last_room = now
            return False
        if member.receiver.has_room:
            member.last_room = now
            return True
        if now - member.last_room >= PATIENCE:
            member.subscription.fall_behind()
        return False
