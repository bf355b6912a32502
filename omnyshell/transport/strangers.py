"""Limits of connections that have not logged in ("strangers"), by address and in all.

No I/O; the caller passes the time.

Most of such a connection's cost is TLS. So excess ones are closed when they are accepted, which takes microseconds.
Above a first limit they are closed at random, so that retries succeed at some time, however many others there are. When
all places are taken, a network with fewer places than another takes over one of that other's: so a few addresses cannot
keep out others, however often they connect.
"""

import random
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple, Self

from omnyshell.errors import ConfigException
from omnyshell.networks import network_of
from omnyshell.protocol.limits import KIB, MIB

EVICTABLE_AGE = 3.0
"""Seconds after which a connection that has not logged in can lose its place to a new one, when places are short."""

MAX_RECEIVED = 128 * KIB
"""Bytes that a connection may send before it has logged in: the largest message, and the upgrade."""

MAX_RECEIVED_IN_ALL = 16 * MIB
ALWAYS_RECEIVED = 16 * KIB
"""If all together have sent too much, a connection with more than this is cut off; `hello` and login take a tenth of
it."""

MAX_ADDRESSES = 10_000
"""How many addresses' rates are remembered; the least recently seen one makes room."""

MAX_REFUSED = 1_000
"""How many refused addresses are counted separately; the others are counted together, under ""."""


class Acquaintance(Enum):
    """Whether an address is known."""

    UNKNOWN = auto()
    KNOWN = auto()
    """It had successful logins recently."""


RATE = {Acquaintance.UNKNOWN: 40.0, Acquaintance.KNOWN: 240.0}
"""Connections per second that an address may make in the long run; a limit above the default raises it in
proportion."""

AT_A_GO = {Acquaintance.UNKNOWN: 400, Acquaintance.KNOWN: 1_200}
"""Connections that an address may make at once, after a pause."""

_LIMIT = re.compile(r"([0-9]{1,6})(?::([0-9]{1,3}):([0-9]{1,6}))?")


class StrangerLimit(NamedTuple):
    """From `start` connections on, `rate` per cent of further ones are refused, increasing to all of them at `full`."""

    start: int
    rate: int
    full: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `START:RATE:FULL`, or `FULL` alone. Raises `ConfigException`."""
        match = _LIMIT.fullmatch(text.strip())
        full = int(match[3] or match[1]) if match is not None else 0
        if match is None or not 0 < int(match[1]) <= full or not 1 <= int(match[2] or 100) <= 100:
            text = f"a limit is written as START:RATE:FULL, as 200:30:400, or as one number above 0: not {text!r}"
            raise ConfigException(text)
        return cls(int(match[1]), int(match[2] or 100), full)

    @classmethod
    def exactly(cls, full: int) -> Self:
        """Return the limit that refuses nothing below `full`."""
        return cls(full, 100, full)

    def __str__(self) -> str:
        return f"{self.start}:{self.rate}:{self.full}"

    def refused(self, count: int) -> float:
        """Return the fraction of further connections that is refused at this count."""
        if count < self.start:
            return 0.0
        if count >= self.full:
            return 1.0
        rate = self.rate / 100
        return rate + (1 - rate) * (count - self.start) / (self.full - self.start)


@dataclass(eq=False, slots=True)
class Stranger:
    """A connection that has not logged in. Its owner sets `cut`, which ends it at once."""

    network: str
    standing: Acquaintance
    since: float
    cut: Callable[[], object] = field(default=lambda: None)
    received: int = 0


@dataclass(slots=True)
class _Allowance:
    left: float
    counted_at: float


_Members = dict[Stranger, None]
"""Strangers, oldest first."""


class _Crowd:
    """Strangers of one kind of address, by network, and the networks with the most.

    Each operation takes constant time.
    """

    def __init__(self) -> None:
        self.members: _Members = {}
        self._by_network: dict[str, _Members] = {}
        self._by_size: dict[int, dict[str, None]] = {}
        self._most = 0

    def of(self, network: str) -> _Members:
        """The strangers of a network."""
        return self._by_network.get(network, {})

    def add(self, stranger: Stranger) -> None:
        """Add a stranger."""
        self.members[stranger] = None
        mine = self._by_network.setdefault(stranger.network, {})
        mine[stranger] = None
        self._resize(stranger.network, len(mine) - 1, len(mine))

    def remove(self, stranger: Stranger) -> bool:
        """Remove a stranger; return whether it was there."""
        if stranger not in self.members:
            return False
        del self.members[stranger]
        mine = self._by_network[stranger.network]
        del mine[stranger]
        self._resize(stranger.network, len(mine) + 1, len(mine))
        if not mine:
            del self._by_network[stranger.network]
        return True

    def one_of_the_most(self, count: int) -> Stranger | None:
        """The oldest stranger of a network with the most, if it has more than `count`; else None."""
        if self._most <= count:
            return None
        return next(iter(self._by_network[next(iter(self._by_size[self._most]))]))

    def _resize(self, network: str, before: int, after: int) -> None:
        if before:
            alike = self._by_size[before]
            del alike[network]
            if not alike:
                del self._by_size[before]
        if after:
            self._by_size.setdefault(after, {})[network] = None
        if after > self._most or self._most not in self._by_size:
            # The maximum changes by at most one.
            self._most = after


class Strangers:
    """Decides about each new connection, and counts those that have not logged in.

    An unknown address is limited by `by_address`, and all unknown ones together by `in_all`. A known address is limited
    by neither, but may have at most as many places as `in_all`, and all known ones together twice as many. The rate of
    connections is limited for every address, however short they are.
    """

    def __init__(
        self,
        in_all: StrangerLimit,
        by_address: StrangerLimit,
        is_known: Callable[[str], bool],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.in_all = in_all
        self.by_address = by_address
        self._is_known = is_known
        self._chance = chance
        self._crowds = {standing: _Crowd() for standing in Acquaintance}
        self._received = 0
        """Bytes received by all present strangers."""

        self._allowances: OrderedDict[tuple[str, Acquaintance], _Allowance] = OrderedDict()
        self._refused: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(len(crowd.members) for crowd in self._crowds.values())

    def admit(self, address: str, now: float) -> Stranger | None:
        """Return the new connection's entry; None if it must be closed. Older ones may be cut off to make room."""
        network = network_of(address)
        standing = Acquaintance.KNOWN if self._is_known(network) else Acquaintance.UNKNOWN
        stranger = Stranger(network, standing, now)
        leaving = self._leaving_for(stranger)
        if leaving is None or not self._may_connect(stranger):
            self._count_refused(network)
            return None
        for other in leaving:
            self.leave(other)
            other.cut()
        self._crowds[standing].add(stranger)
        return stranger

    def leave(self, stranger: Stranger) -> None:
        """Remove a connection that has logged in, or ended. Idempotent."""
        if self._crowds[stranger.standing].remove(stranger):
            self._received -= stranger.received

    def may_receive(self, stranger: Stranger, size: int) -> bool:
        """Count bytes from a stranger; return False if it has to be cut off."""
        if stranger not in self._crowds[stranger.standing].members:
            return True
        stranger.received += size
        self._received += size
        most = MAX_RECEIVED if self._received <= MAX_RECEIVED_IN_ALL else ALWAYS_RECEIVED
        return stranger.received <= most

    def take_refused(self) -> Counter[str]:
        """Return how many connections were refused since the last call, by network."""
        taken, self._refused = self._refused, Counter()
        return taken

    def _limits(self, standing: Acquaintance) -> tuple[StrangerLimit, StrangerLimit]:
        """The limits of one address, and of all together."""
        if standing is Acquaintance.UNKNOWN:
            return self.by_address, self.in_all
        full = self.in_all.full
        return StrangerLimit.exactly(full), StrangerLimit.exactly(2 * full)

    def _leaving_for(self, stranger: Stranger) -> list[Stranger] | None:
        """Return the strangers to cut off for this one; None if room is needed and none can be."""
        crowd = self._crowds[stranger.standing]
        by_address, in_all = self._limits(stranger.standing)
        alike = crowd.of(stranger.network)
        leaving = self._yielding(alike, by_address, stranger.since)
        if leaving is None or leaving:
            # It takes the place of one from its own network, so no other network is affected.
            return leaving
        yielding = self._yielding(crowd.members, in_all, stranger.since)
        if yielding == []:
            return yielding
        from_most = crowd.one_of_the_most(len(alike) + 1)
        return [from_most] if from_most is not None else yielding

    def _yielding(self, members: _Members, limit: StrangerLimit, now: float) -> list[Stranger] | None:
        """Return a stranger old enough to make room, if one has to; None if there is none."""
        refused = limit.refused(len(members))
        if refused < 1:
            return None if refused and self._chance() < refused else []
        oldest = next(iter(members), None)
        if oldest is None or now - oldest.since < EVICTABLE_AGE:
            return None
        return [oldest]

    def _may_connect(self, stranger: Stranger) -> bool:
        """Tell whether the address's rate allows another connection now; if so, count it."""
        usual = AT_A_GO[stranger.standing]
        full = self.in_all.full if stranger.standing is Acquaintance.KNOWN else self.by_address.full
        most = max(usual, full)
        entry = self._allowance(stranger, most)
        rate = RATE[stranger.standing] * most / usual
        entry.left = min(most, entry.left + (stranger.since - entry.counted_at) * rate)
        entry.counted_at = stranger.since
        if entry.left < 1:
            return False
        entry.left -= 1
        return True

    def _allowance(self, stranger: Stranger, most: int) -> _Allowance:
        # An address that has become known gets a new allowance, as many users may share it.
        key = (stranger.network, stranger.standing)
        entry = self._allowances.setdefault(key, _Allowance(most, stranger.since))
        self._allowances.move_to_end(key)
        if len(self._allowances) > MAX_ADDRESSES:
            self._allowances.popitem(last=False)
        return entry

    def _count_refused(self, network: str) -> None:
        is_counted = network in self._refused or len(self._refused) < MAX_REFUSED
        self._refused[network if is_counted else ""] += 1
