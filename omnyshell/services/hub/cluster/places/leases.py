"""Leases of hubs: how others count them, and how a hub counts its own (docs/architecture.md#leases).

Whoever reads a beat counts from then on its own clock, and the hub itself from before it was sent: readers always end
a lease later than its holder does. No clock is compared with another hub's.
"""

from enum import Enum

from omnyshell.model.grammars import HUB_URL
from omnyshell.services.hub.cluster.places.records import Beat

BEAT_PERIOD = 5.0
"""Seconds between the beats of a hub."""

MISSED = BEAT_PERIOD + 1.0
"""Seconds after reading a beat after which another one should have come."""

SILENT = BEAT_PERIOD + MISSED
"""Seconds after which two should have: the hub has a lease yet, and people are told that it says nothing."""

LEASE = 15.0
"""Seconds after reading a beat during which others take the hub to be there."""

OWN_LEASE = 14.5
"""Seconds after sending a beat during which its hub serves: less, as clocks run unlike by a few percent at most."""

UNANSWERED = 6.0
"""Seconds after which a beat that the engine has not acknowledged says that the engine is away."""

LONGEST_STEP = 3.0
"""Seconds between two ticks beyond which the hub itself was stopped, so that nothing can be said of the engine."""


MOST_UNANSWERED = 64
"""Beats of which it is kept when they were sent. While the engine is away they are many, and none is answered."""


class HeardLeases:
    """The leases of other hubs, as one reads their beats. Times on the reader's monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._runs: dict[str, int] = {}
        self._until: dict[str, float] = {}
        self._read: dict[str, int] = {}
        self._links: dict[str, str] = {}
        self._beats: dict[str, tuple[Beat, float]] = {}

    def heard(self, hub: str, beat: Beat, now: float) -> None:
        """Note a beat that was read."""
        if beat.run < self._runs.get(hub, 0):
            return
        self._beats[hub] = beat, now
        self._runs[hub], self._read[hub], self._links[hub] = beat.run, beat.read, beat.links
        self._until[hub] = now if beat.is_last else now + LEASE

    def run_of(self, hub: str) -> int:
        """Return the newest run of a hub; 0 if nothing was heard of it."""
        return self._runs.get(hub, 0)

    def read_by(self, hub: str) -> int:
        """Return up to which record a hub has read, as far as it has said; 0 if nothing was heard of it."""
        return self._read.get(hub, 0)

    def is_there(self, hub: str, run: int, now: float) -> bool:
        """Whether that run of a hub may still serve."""
        return run == self._runs.get(hub) and now < self._until[hub]

    def is_silent(self, hub: str, heard_by: str, now: float) -> bool:
        """Whether two beats of a hub have not come, and not because none come: the one of `heard_by` has."""
        last, other = self._beats.get(hub), self._beats.get(heard_by)
        return last is not None and other is not None and now - last[1] >= SILENT and now - other[1] < MISSED

    def has_ended(self, hub: str, run: int) -> bool:
        """Whether that run of a hub is over for good: the hub has said so, or has begun another one."""
        last = self._beats.get(hub)
        return run < self._runs.get(hub, 0) or (last is not None and last[0].run == run and last[0].is_last)

    def links(self) -> dict[str, str]:
        """Return where hubs are reached by a link, of those that are, as they last said, their leases ended or not."""
        return {hub: place for hub, place in self._links.items() if place}

    def last_of(self, hub: str) -> tuple[Beat, float] | None:
        """Return the last beat of a hub, and when it was read; None if nothing was heard of it."""
        return self._beats.get(hub)

    def reached(self) -> dict[str, tuple[str, int]]:
        """Return where peers reach hubs, of those that say it so that peers can read it, and their weights."""
        said = ((hub, beat.url, beat.weight) for hub, (beat, _) in self._beats.items())
        return {hub: (url, weight) for hub, url, weight in said if HUB_URL.fits(url)}

    def hubs(self) -> tuple[str, ...]:
        """Return the hubs of which anything was heard."""
        return tuple(self._runs)


class Standing(Enum):
    """What a hub may do by its own lease."""

    HELD = "held"
    ENGINE_AWAY = "engine away"
    """The lease was held when the engine went away: what is connected goes on, and nothing new comes."""

    LAPSED = "lapsed"
    """Nothing is opened."""


class OwnLease:
    """A hub's own lease. Times on `CLOCK_BOOTTIME`, which goes on while a machine sleeps, in seconds.

    Call `tick` every second.
    """

    def __init__(self, stale_after: float) -> None:
        """`stale_after` is for how long the engine may be away before nothing is opened any more."""
        self._stale_after = stale_after
        self._until = float("-inf")
        self._sent: dict[int, float] = {}
        self._renewed: tuple[int, float] | None = None
        self._ticked: float | None = None
        self._away_since: float | None = None

    def sent(self, number: int, boot: float) -> None:
        """Note that a beat is about to be sent; each has another number, which grows."""
        self._sent[number] = boot
        if len(self._sent) > MOST_UNANSWERED:
            # The oldest one says for how long the engine has not answered, and the newest ones may be answered yet.
            _oldest, second, *_ = self._sent
            del self._sent[second]

    def acknowledged(self, number: int, seq: int, read: int, boot: float) -> None:
        """The engine has a beat under `seq`; the hub has read the stream up to `read`.

        A lapsed lease is held again once the stream was read up to that beat.
        """
        sent_at = self._sent.get(number)
        if sent_at is None:
            return
        self._forget(number)
        if boot < self._until and self._away_since is None:
            self._until = max(self._until, sent_at + OWN_LEASE)
        else:
            self._renewed = seq, sent_at + OWN_LEASE
            self.read(read, boot)

    def read(self, seq: int, boot: float) -> None:
        """The hub has read the stream up to `seq`."""
        if self._renewed is not None and seq >= self._renewed[0]:
            until, self._renewed = self._renewed[1], None
            if boot < until:
                self._until, self._away_since = until, None
                # What was read late may be of a lease that ends before the next tick, with the engine away again.
                self._see(boot)

    def tick(self, boot: float) -> None:
        """See whether the engine has gone away while the lease is held and the hub itself ran."""
        self._see(boot)
        self._ticked = boot

    def _see(self, boot: float) -> None:
        ran = self._ticked is not None and boot - self._ticked <= LONGEST_STEP
        if self._away_since is None and ran and boot < self._until:
            oldest = min(self._sent.values(), default=boot)
            if boot - oldest >= UNANSWERED:
                self._away_since = boot

    def end(self) -> None:
        """Hold nothing any more, as the hub stops or another run of it has begun."""
        self._until, self._sent, self._renewed, self._away_since = float("-inf"), {}, None, None

    def standing(self, boot: float) -> Standing:
        """Return what the hub may do now."""
        if self._away_since is not None:
            is_fresh = boot < self._away_since + self._stale_after
            return Standing.ENGINE_AWAY if is_fresh else Standing.LAPSED
        return Standing.HELD if boot < self._until else Standing.LAPSED

    def _forget(self, number: int) -> None:
        """Forget that beats up to this one are unanswered: the engine has answered."""
        self._sent = {later: at for later, at in self._sent.items() if later > number}
