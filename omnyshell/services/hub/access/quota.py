"""What one principal may take of a hub, so that nobody starves the others: limits, and what is kept for administrators.

Plain objects. What somebody holds is counted where it is held, and said by whoever asks; only what nothing else keeps
is kept here, in an account for each principal that is connected.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.protocol.limits import MIB
from omnyshell.protocol.outbox import Backlog
from omnyshell.services.hub.ground.limits import DEFAULTS, NOUNS, QuotaLimits, Resource

MAX_UNFINISHED = 64 * MIB
"""Bytes of unfinished messages of everybody together."""

ALWAYS_UNFINISHED = MIB
"""Bytes that each principal may have whatever the others have: nobody pays for what they hold."""

RESERVE_SHARE, MAX_RESERVE, LEAST_WITH_RESERVE = 8, 64, 4
"""One part in so many of what there is, and no more than so many, are kept for administrators; of few, nothing is."""

BURST = 0.25
"""Seconds of requests that may come at once: what is dealt with in one turn holds up everybody."""

STRANGER_INTERVAL = 0.05
"""Seconds that a message counts for before there is a login, beyond the first few."""

HOLD_AT_LEAST = 0.02
"""Seconds: a connection that is read for one request at a time costs more than it asks for."""


_NOBODY = Principal(PrincipalId(""))


class Pool(NamedTuple):
    """What all share: how much there is, and how much of it is taken."""

    size: int
    taken: int

    @property
    def reserve(self) -> int:
        """How much is kept for administrators."""
        return 0 if self.size < LEAST_WITH_RESERVE else max(1, min(MAX_RESERVE, self.size // RESERVE_SHARE))

    @property
    def share(self) -> int:
        """How much of it one principal gets: half."""
        return (self.size + 1) // 2


@dataclass(slots=True)
class Bucket:
    """Holds what may be taken at once, and fills up at a rate. Times in seconds, on one clock."""

    full_at: float = float("-inf")

    def take(self, now: float, interval: float, depth: float) -> float:
        """Take one; returns how long ago, if less than 0, or in how many seconds there is one to take.

        One comes back each `interval`; `depth` is how many seconds the whole takes to come back.
        """
        full_at = self.full_at = (max(now, self.full_at)) + interval
        return full_at - now - depth

    def has_one(self, now: float, interval: float, depth: float) -> bool:
        """Whether there is one to take."""
        return max(self.full_at, now) + interval - now <= depth + 1e-9


@dataclass(eq=False, slots=True)
class Account:
    """What is counted of a principal that is connected."""

    who: Principal
    connections: int = 0
    unfinished: int = 0
    """Bytes of messages that have begun to arrive."""

    queued: Backlog = field(default_factory=lambda: Backlog(DEFAULTS[Resource.QUEUED] * MIB))
    """What waits to be sent."""

    requests: Bucket = field(default_factory=Bucket)
    interval: float = 1 / DEFAULTS[Resource.REQUESTS]
    """Seconds that each request counts for."""

    def charge(self, now: float, cost: float = 1.0) -> float:
        """Count a request; returns for how many seconds the connection is not to be read further, 0 for none."""
        wait = self.requests.take(now, cost * self.interval, BURST)
        return max(wait, HOLD_AT_LEAST) if wait > 0 else 0.0


def stranger() -> Account:
    """Return what is counted of a connection that has not logged in."""
    return Account(_NOBODY, interval=STRANGER_INTERVAL)


class Quota:
    """The limits of a hub, asked wherever somebody takes something; what it refuses, it counts."""

    def __init__(self, limits: QuotaLimits | None = None) -> None:
        self._limits = limits or QuotaLimits()
        self._accounts: dict[str, Account] = {}
        self.connections = 0
        """How many have logged in."""

        self.unfinished = 0
        """Bytes of unfinished messages, of everybody."""

        self.refused: Counter[Resource] = Counter()
        """How often each limit has been met."""

    @property
    def limits(self) -> QuotaLimits:
        """The limits that are in force."""
        return self._limits

    def follow(self, limits: QuotaLimits) -> None:
        """Take other limits from now on. Nothing is taken away from who has more."""
        self._limits = limits
        for account in self._accounts.values():
            self._limit(account)

    def problem(self, who: Principal, resource: Resource, held: int, pool: Pool | None = None) -> str:
        """Why somebody who holds so many gets no further one; nothing where it may be had."""
        why = self._problem(who, resource, held, pool)
        if why:
            self.refused[resource] += 1
        return why

    def _problem(self, who: Principal, resource: Resource, held: int, pool: Pool | None) -> str:
        limit = self._limits.limit(who, resource)
        if pool is not None and not who.is_admin:
            if not self._limits.is_said(who, resource):
                limit = min(limit, pool.share)
            if pool.taken >= pool.size - pool.reserve:
                return f"All {NOUNS[resource]} are in use but those kept for administrators (limit '{resource}')"
        if held >= limit:
            return f"'{who.id}' has its {limit} {NOUNS[resource]} (limit '{resource}'); an administrator can allow more"
        return ""

    # Connections

    def connected(self, who: Principal) -> Account:
        """Count a connection that has logged in; returns the account of its principal."""
        account = self._accounts.setdefault(who.id, Account(who))
        account.who = who
        self._limit(account)
        account.connections += 1
        self.connections += 1
        return account

    def _limit(self, account: Account) -> None:
        account.interval = 1 / self._limits.limit(account.who, Resource.REQUESTS)
        account.queued.limit = self._limits.limit(account.who, Resource.QUEUED) * MIB

    def disconnected(self, account: Account) -> None:
        """Count one less. Once for each that was counted."""
        account.connections -= 1
        self.connections -= 1

    def account(self, name: str) -> Account | None:
        """The account of a principal that is connected, or was lately."""
        return self._accounts.get(name)

    def connections_of(self, name: str) -> int:
        """How many connections of a principal have logged in."""
        account = self._accounts.get(name)
        return account.connections if account is not None else 0

    def forget_quiet(self, now: float) -> None:
        """Drop accounts of principals that are gone and owe nothing; `now` on the clock that requests count by."""
        gone = [name for name, each in self._accounts.items() if not each.connections and each.requests.full_at <= now]
        for name in gone:
            del self._accounts[name]

    # Unfinished messages

    def unfinished_grew(self, account: Account, by: int) -> str:
        """Count bytes of unfinished messages that came, or less than none that were dealt with; returns the problem."""
        account.unfinished += by
        self.unfinished += by
        who = account.who
        most = MAX_UNFINISHED if who.is_admin else MAX_UNFINISHED - MAX_UNFINISHED // RESERVE_SHARE
        is_over = account.unfinished > self._limits.limit(who, Resource.UNFINISHED) * MIB
        are_over = self.unfinished > most and account.unfinished > ALWAYS_UNFINISHED
        if by <= 0 or not (is_over or are_over):
            return ""
        self.refused[Resource.UNFINISHED] += 1
        whose = f"'{who.id}' has" if is_over else "All together have"
        return f"{whose} too many {NOUNS[Resource.UNFINISHED]} (limit '{Resource.UNFINISHED}')"
