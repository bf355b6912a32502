"""Addresses: which ones had successful logins, across restarts, and which were refused before login."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterable

from omnyshell.clock import Clock
from omnyshell.networks import network_of
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.ground.store import KnownAddress
from omnyshell.steps import step
from omnyshell.sums import Sums

DAY = 86_400
REMEMBERED = 30 * DAY
"""Seconds for which an address is known after its last successful login."""

MAX_KNOWN = 10_000
"""How many addresses are known; beyond it, the principal with the most of them loses the one that was seen least
recently."""

SUMMARY_PERIOD = 10.0
SHOWN = 10
"""How many refused addresses are audited one by one, those with the most connections; others as a sum."""

logger = logging.getLogger("omnyshell.hub")


class KnownAddresses:
    """The networks with successful logins recently. No I/O; times are stored to the day."""

    def __init__(
        self,
        clock: Clock,
        records: LateTable[str, KnownAddress] | None = None,
        remembered: Iterable[KnownAddress] = (),
    ) -> None:
        """`remembered` are the stored ones, the least recently seen first; `records` is the table for changes."""
        self._clock = clock
        self._records = records
        self._known: OrderedDict[str, KnownAddress] = OrderedDict((each.network, each) for each in remembered)
        self._by_principal = Counter(each.principal for each in self._known.values())
        self._make_room()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, network: str) -> bool:
        found = self._known.get(network)
        return found is not None and self._now() - found.seen_at < REMEMBERED

    def logged_in(self, address: str, principal: str) -> None:
        """Note a successful login."""
        network, now = network_of(address), self._now()
        found = self._known.get(network)
        if found is not None:
            if abs(now - found.seen_at) < DAY:
                self._known.move_to_end(network)
                return
            self._forget(network)
        self._known[network] = seen = KnownAddress(network, principal, now)
        if self._records is not None:
            self._records.put(network, seen)
        self._by_principal[principal] += 1
        self._make_room()

    def _make_room(self) -> None:
        while self._known and self._now() - (oldest := next(iter(self._known.values()))).seen_at >= REMEMBERED:
            self._forget(oldest.network)
        while len(self._known) > MAX_KNOWN:
            # Not simply the oldest: one principal can log in from thousands of IPv6 networks.
            [(principal, _)] = self._by_principal.most_common(1)
            self._forget(next(each.network for each in self._known.values() if each.principal == principal))

    def _forget(self, network: str) -> None:
        gone = self._known.pop(network)
        if self._records is not None:
            self._records.remove(network)
        self._by_principal[gone.principal] -= 1
        if not self._by_principal[gone.principal]:
            del self._by_principal[gone.principal]

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


class HubAddresses:
    """Knows the addresses with successful logins, and audits refused ones."""

    def __init__(self, known: KnownAddresses, audit: AuditLog, metrics: HubMetrics) -> None:
        self.known = known
        self._audit = audit
        self._metrics = metrics
        self._refused: Counter[str] = Counter()
        # One sum for all addresses, as which ones are named depends on the counts of all.
        self._sums: Sums[str, None] = Sums(SUMMARY_PERIOD)

    def refused(self, counts: Counter[str], now: float) -> None:
        """Count connections that were refused before login, by network, and audit the first ones."""
        if counts:
            self._refused += counts
            self._metrics.connections_refused += counts.total()
            for network, count in counts.most_common(SHOWN):
                where = network or "other addresses"
                step(logger, "connections refused before login", address=where, detail=f"{count} times")
            if self._sums.note("", None, now):
                self.flush()

    def summarize(self, now: float) -> None:
        """Audit the sums that are due; `now` on the monotonic clock."""
        if self._sums.take(now):
            self.flush()

    def flush(self) -> None:
        """Audit all sums."""
        refused, self._refused = self._refused, Counter()
        others = refused.pop("", 0)
        named = refused.most_common(SHOWN)
        others += refused.total() - sum(count for _, count in named)
        for network, count in [*named, ("", others)] if others else named:
            where = network or "other addresses"
            logger.warning("%d connections from %s refused before login: too many", count, where)
            detail = f"{count} connections from {where}"
            self._audit.record("connection.refused", "denied", address=network, reason="before login", detail=detail)
