"""Limits of what one principal may use of a hub, so that it cannot starve others, and reserves for administrators.

No I/O. Most usage is counted by the part of the hub that holds it, and passed to `problem`. Only usage that no other
part counts is in an account here, one for each connected principal.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.protocol.limits import MIB
from omnyshell.protocol.outbox import Backlog
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.limits import DEFAULTS, NOUNS, QuotaLimits, Resource

MAX_UNFINISHED = 64 * MIB
"""Bytes of unfinished messages of all principals together."""

ALWAYS_UNFINISHED = MIB
"""Bytes of unfinished messages that each principal may always have, however many the others have."""

RESERVE_SHARE, MAX_RESERVE, LEAST_WITH_RESERVE = 8, 64, 4
"""The reserve for administrators: one part in this many of a pool, at most this many, and none of a pool below the
third value."""

BURST = 0.25
"""Seconds' worth of requests that may come at once: all are handled in one turn of the event loop, which delays
everybody."""

STRANGER_INTERVAL = 0.05
"""Seconds that each message before the login counts for, after the first few."""

HOLD_AT_LEAST = 0.02
"""Seconds for which reading is held at least: resuming for a single request costs more than the request."""


_NOBODY = Principal(PrincipalId(""))


class Pool(NamedTuple):
    """A resource shared by all: its total, and how much is in use."""

    size: int
    taken: int

    @property
    def reserve(self) -> int:
        """How much is reserved for administrators."""
        return 0 if self.size < LEAST_WITH_RESERVE else max(1, min(MAX_RESERVE, self.size // RESERVE_SHARE))

    @property
    def share(self) -> int:
        """How much one principal may have: half."""
        return (self.size + 1) // 2


@dataclass(slots=True)
class Bucket:
    """A token bucket. Times in seconds, on one clock."""

    full_at: float = float("-inf")

    def take(self, now: float, interval: float, depth: float) -> float:
        """Take a token, even in advance; return in how many seconds it is due, negative if it was available.

        A token is added every `interval`; `depth` is how many seconds an empty bucket takes to fill.
        """
        full_at = self.full_at = (max(now, self.full_at)) + interval
        return full_at - now - depth

    def has_one(self, now: float, interval: float, depth: float) -> bool:
        """Whether a token is available."""
        return max(self.full_at, now) + interval - now <= depth + 1e-9


@dataclass(eq=False, slots=True)
class Account:
    """The usage that is counted for a connected principal."""

    who: Principal
    connections: int = 0
    unfinished: int = 0
    """Bytes of messages that have begun to arrive."""

    queued: Backlog = field(default_factory=lambda: Backlog(DEFAULTS[Resource.QUEUED] * MIB))
    """Bytes that wait to be sent."""

    requests: Bucket = field(default_factory=Bucket)
    interval: float = 1 / DEFAULTS[Resource.REQUESTS]
    """Seconds that each request counts for."""

    def charge(self, now: float, cost: float = 1.0) -> float:
        """Count a request; return for how many seconds reading from the connection has to be held, 0 for none."""
        wait = self.requests.take(now, cost * self.interval, BURST)
        return max(wait, HOLD_AT_LEAST) if wait > 0 else 0.0


def stranger() -> Account:
    """Return an account for a connection that has not logged in."""
    return Account(_NOBODY, interval=STRANGER_INTERVAL)


class Quota:
    """The limits of a hub, asked wherever somebody takes something; what it refuses, it counts."""

    def __init__(self, limits: QuotaLimits | None = None) -> None:
        self._limits = limits or QuotaLimits()
        self._accounts: dict[str, Account] = {}
        self.connections = 0
        """Connections that have logged in."""

        self.unfinished = 0
        """Bytes of unfinished messages of all principals."""

        self.refused: Counter[Resource] = Counter()
        """How often each limit has been met."""

    @classmethod
    def of(cls, config: HubConfig) -> Self:
        """Return the quota for a hub's settings."""
        return cls(_limits_of(config))

    @property
    def limits(self) -> QuotaLimits:
        """The limits in force."""
        return self._limits

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on; a principal over its limit keeps what it has."""
        self._limits = _limits_of(config)
        for account in self._accounts.values():
            self._limit(account)

    def why_no_more_ids(self, who: Principal, held: int) -> str:
        """Why a principal with `held` node ids may register no further one; "" if it may."""
        return self.problem(who, Resource.NODE_IDS, held)

    def problem(self, who: Principal, resource: Resource, held: int, pool: Pool | None = None) -> str:
        """Why a principal that holds so many gets no further one; "" if it does. Counts refusals."""
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
        """Stop counting a connection. Call it once for each `connected`."""
        account.connections -= 1
        self.connections -= 1

    def account(self, name: str) -> Account | None:
        """The account of a principal that is connected, or was recently; else None."""
        return self._accounts.get(name)

    def connections_of(self, name: str) -> int:
        """How many connections of a principal have logged in."""
        account = self._accounts.get(name)
        return account.connections if account is not None else 0

    def forget_quiet(self, now: float) -> None:
        """Drop accounts of disconnected principals whose buckets are full; `now` on the clock of requests."""
        gone = [name for name, each in self._accounts.items() if not each.connections and each.requests.full_at <= now]
        for name in gone:
            del self._accounts[name]

    # Unfinished messages

    def unfinished_grew(self, account: Account, by: int) -> str:
        """Add bytes of unfinished messages, negative once they are handled; return why there are too many, or ""."""
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


def _limits_of(config: HubConfig) -> QuotaLimits:
    return QuotaLimits(config.node_ids, config.quotas, config.max_channels)
