"""Asks other hubs for what is live there while somebody here subscribes, and tells them what is live here.

No I/O and no timer: the service that samples counters calls `sample` once a second.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, ProtocolException
from omnyshell.model.live import LiveHub, LiveItem, Part
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import EVENTS, LOGINS, OTHERS_SESSIONS, SESSION_USAGE, VITALS, WHOLE_VIEW
from omnyshell.protocol.messages.events import EventsUpdate, register
from omnyshell.services.hub.live.elsewhere.part import TOLD_PARTS, Changes, HubPart
from omnyshell.services.hub.live.elsewhere.port import OtherHubs
from omnyshell.services.hub.live.elsewhere.whole import WholeView
from omnyshell.services.hub.live.seen import seen_hub
from omnyshell.services.hub.live.subscribers import Receiver, Subscribers
from omnyshell.services.hub.live.subscription import LiveSource, Subscription, Wanted
from omnyshell.services.hub.live.viewer import Viewer
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.version import __version__

FIRST_ANSWER = 1.0
"""Seconds for which a snapshot waits for the hubs that were just asked."""

SILENT = 5.0
"""Seconds without a word behind which what a hub has told is not what is there now: it says its figures each second."""

KEPT = 30.0
"""Seconds without a word behind which what a hub has told is forgotten."""

FORGOTTEN_AT_ONCE = 1_000
"""How many items of a hub that was lost are forgotten in a second, so that nothing else waits for it."""

LINGER = 10.0
"""Seconds for which hubs are still asked behind the last subscriber."""

HEARD_STEP = timedelta(seconds=5)
"""How much later the engine was heard of, for that to be told by itself."""

ANOTHER_HUB = Viewer(
    "",
    is_admin=True,
    features=frozenset({EVENTS, LOGINS, OTHERS_SESSIONS, SESSION_USAGE, VITALS, WHOLE_VIEW}),
)
"""Hubs tell each other everything: each shows its own subscribers what these may see."""

logger = logging.getLogger("omnyshell.cluster")


class _Asked:
    """A hub that was asked."""

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.since = self.heard = now
        self.is_up = True
        """Whether it may answer: the link is there, and what it said could be read."""

        self.is_forgotten = False
        """Whether what it told was forgotten: when it is heard again, it has to tell all."""

        self.known_at: datetime | None = None
        """When it last said a word, for display."""


class LiveElsewhere:
    """Keeps the parts of other hubs in a `WholeView`, and serves theirs of this hub."""

    def __init__(
        self,
        whole: WholeView,
        own: LiveSource,
        subscribers: Subscribers,
        hubs: OtherHubs,
        clock: Clock,
        *,
        tracks: Callable[[], None],
        due: Callable[[], None],
        vitals: Callable[[], Iterable[str]],
    ) -> None:
        """`tracks` has this hub track its own state, `due` has subscribers told at once.

        `vitals` returns the nodes of this hub whose machines are known.
        """
        self.whole = whole
        self._own = own
        self._subscribers = subscribers
        self._hubs = hubs
        self._clock = clock
        self._tracks = tracks
        self._due = due
        self._vitals = vitals
        self._codec = register(FrameCodec())
        self._asked: dict[str, _Asked] = {}
        self._numbers = 0
        self._looks = False
        self._wanted_at: float | None = None
        """When somebody here last subscribed or asked; None while no hub is asked."""

        self._waiting: list[Answer[None]] = []
        self._served: dict[str, Subscription] = {}
        self._homes: dict[str, str] = {}
        hubs.hear(self)

    # What the service of subscriptions calls

    def want(self) -> None:
        """Ask all hubs that are not asked yet, as somebody wants to know."""
        is_new, self._wanted_at = self._wanted_at is None, self._clock.monotonic()
        if is_new:
            for hub in self._hubs.up():
                self._ask(hub)
            self._see_hubs()

    def ask(self) -> Answer[None]:
        """Ask all hubs; the answer is there when they have told what is there, or a second later. It does not fail."""
        self._tracks()
        self.want()
        answer = Answer[None]()
        self._waiting.append(answer)
        self._answer()
        return answer

    def items(self, part: Part) -> list[LiveItem]:
        """Return what is live at this hub and those that have told, each marked with its hub."""
        seen = (self.whole.describe(part, key, ANOTHER_HUB) for key in self.whole.keys(part))
        return [item for item in seen if item is not None and not item.gone]

    def hub_of(self, part: Part, ref: str) -> str:
        """Return the other hub that is known to have the one item of which this is the id, or how it begins; or ""."""
        told = self.whole.parts.items()
        found = [(key, hub) for hub, each in told for key in each.keys(part) if key.startswith(ref)]
        exact = [hub for key, hub in found if key == ref] or [hub for _, hub in found]
        return exact[0] if len(exact) == 1 else ""

    def stop(self) -> None:
        """Ask nobody any more, and forget what they told. Idempotent."""
        self._wanted_at = None
        for hub, asked in self._asked.items():
            if asked.is_up:
                self._hubs.leave(hub)
        self._asked.clear()
        self.whole.parts.clear()
        self.whole.rows.clear()
        self._homes.clear()
        self._looks = False
        self._answer()

    def is_awaited(self) -> bool:
        """Whether a hub that was just asked has not told all that it has yet."""
        now, parts = self._clock.monotonic(), self.whole.parts
        return any(
            asked.is_up and not parts[hub].is_complete and now - asked.since < FIRST_ANSWER
            for hub, asked in self._asked.items()
        )

    def node_changed(self, node_id: str) -> None:
        """See whether another hub has a node now: other words about its sessions count then."""
        before, now = self._homes.get(node_id, ""), self.whole.home_of(node_id)
        if before == now:
            return
        if now:
            self._homes[node_id] = now
        else:
            del self._homes[node_id]
        subscriptions = self._subscribers.of_clients()
        for key, owner in list(self.whole.sessions_at(node_id)):
            for subscription in subscriptions:
                subscription.mark(Part.SESSIONS, key, owner)

    def sample(self) -> None:
        """See who is silent, who looks at vitals, and how the hubs are. Call it every second."""
        if self._wanted_at is None:
            return
        now, subscriptions = self._clock.monotonic(), self._subscribers.of_clients()
        if subscriptions:
            self._wanted_at = now
        elif now - self._wanted_at >= LINGER:
            self.stop()
            return
        for hub, asked in list(self._asked.items()):
            if now - asked.heard > KEPT:
                self._forget(hub)
        looks = any(subscription.looks for subscription in subscriptions)
        if looks != self._looks:
            self._looks = looks
            for hub, asked in self._asked.items():
                if asked.is_up:
                    self._hubs.look(hub, looks=looks)
        self._see_hubs()
        self._answer()

    # What other hubs say: see `HearsHubs`

    def came_up(self, hub: str) -> None:
        """See `HearsHubs`."""
        if self._wanted_at is not None:
            self._ask(hub)
            self._see_hubs()

    def went_down(self, hub: str) -> None:
        """See `HearsHubs`."""
        self.left(hub)
        if hub in self._asked:
            self._asked[hub].is_up = False
            self._see_hubs()

    def asked(self, hub: str, number: int, receiver: Receiver, *, looks: bool) -> None:
        """See `HearsHubs`."""
        self.left(hub)
        self._tracks()
        wanted = Wanted(frozenset({*TOLD_PARTS, Part.METRICS}), audit_limit=0)
        subscription = self._served[hub] = Subscription(str(number), ANOTHER_HUB, wanted, self._own, is_hubs=True)
        subscription.looks = looks
        self._subscribers.add(subscription, receiver)
        self._due()

    def looked(self, hub: str, *, looks: bool) -> None:
        """See `HearsHubs`."""
        if hub in self._served:
            self._served[hub].look(tuple(self._vitals()), looks=looks)

    def left(self, hub: str) -> None:
        """See `HearsHubs`."""
        served = self._served.pop(hub, None)
        if served is not None:
            self._subscribers.remove(lambda member: member.subscription is served)

    def told(self, hub: str, raw: bytes) -> None:
        """See `HearsHubs`."""
        asked = self._asked.get(hub)
        if asked is None or not asked.is_up:
            return
        try:
            message = self._codec.decode_control(raw).message
        except ProtocolException as exc:
            logger.error("what hub '%s' tells of what is live there cannot be read: %s", hub, exc)
            asked.is_up, asked.heard = False, float("-inf")
            self._hubs.leave(hub)
            return
        if getattr(message, "subscription_id", "") != str(asked.number):
            return
        if asked.is_forgotten:
            self._ask(hub)
            return
        asked.heard, asked.known_at = self._clock.monotonic(), self._clock.now()
        if isinstance(message, EventsUpdate):
            part = self.whole.parts[hub]
            was_complete = part.is_complete
            self._changed(part.take(message))
            if part.is_complete and not was_complete:
                self._see_hubs()
                self._answer()
                self._due()

    # The rest

    def _answer(self) -> None:
        """Answer those who asked, if no hub is awaited."""
        if self._waiting and not self.is_awaited():
            waiting, self._waiting = self._waiting, []
            for answer in waiting:
                answer.give(None)

    def _ask(self, hub: str) -> None:
        self._numbers += 1
        before = self._asked.get(hub)
        asked = self._asked[hub] = _Asked(self._numbers, self._clock.monotonic())
        asked.known_at = before.known_at if before is not None else None
        self.whole.parts.setdefault(hub, HubPart(hub)).is_complete = False
        self._hubs.ask(hub, self._numbers, looks=self._looks)

    def _forget(self, hub: str) -> None:
        """Forget some of what a hub has told."""
        part, self._asked[hub].is_forgotten = self.whole.parts[hub], True
        self._changed(part.forget(ErrorCodes.HUB_UNREACHABLE, FORGOTTEN_AT_ONCE))
        if not len(part) and not self._asked[hub].is_up and hub not in self.whole.rows:
            del self._asked[hub], self.whole.parts[hub]

    def _see_hubs(self) -> None:
        """Tell how the hubs are, where that is otherwise than before."""
        now, rows = self._clock.monotonic(), self.whole.rows
        seen = {each.hub: self._row(each, now) for each in self._hubs.hubs()}
        for hub in [hub for hub in rows if hub not in seen]:
            final = replace(rows.pop(hub), gone=True)
            for subscription in self._subscribers.of_clients():
                subscription.mark(Part.HUBS, hub, None, final)
        for hub, row in seen.items():
            before = rows.get(hub)
            if before is None or _is_news(before, row):
                rows[hub] = row
                for subscription in self._subscribers.of_clients():
                    if before is None or seen_hub(before, subscription.viewer) != seen_hub(row, subscription.viewer):
                        subscription.mark(Part.HUBS, hub, None)

    def _row(self, known: LiveHub, now: float) -> LiveHub:
        """Return a hub with how its items are known."""
        if known.own:
            return replace(known, is_told=True, version=__version__)
        asked, part = self._asked.get(known.hub), self.whole.parts.get(known.hub)
        if asked is None or part is None:
            return known
        is_told = asked.is_up and part.is_complete and now - asked.heard < SILENT
        return replace(known, is_told=is_told, known_at=None if is_told else asked.known_at, version=part.version)

    def _changed(self, changes: Changes) -> None:
        subscriptions = self._subscribers.of_clients()
        for part, key, owner, final in changes.items:
            for subscription in subscriptions:
                subscription.mark(part, key, owner, final)
            if part is Part.NODES:
                self.node_changed(key)
        for part, key, owner, _ in changes.counted:
            for subscription in subscriptions:
                subscription.mark_traffic(part, key, owner)
        for node_id in changes.vitals:
            for subscription in subscriptions:
                subscription.mark_vitals(node_id)


def _is_news(before: LiveHub, now: LiveHub) -> bool:
    """Whether more is new than that the engine was heard of again, which it is all the time."""
    if before.heard_at is None or now.heard_at is None or now.heard_at - before.heard_at >= HEARD_STEP:
        return before != now
    return replace(before, heard_at=None) != replace(now, heard_at=None)
