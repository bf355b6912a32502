"""What a hub knows of addresses: from which there were good logins, over restarts, and which were turned away."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterable

from omnyshell.clock import Clock
from omnyshell.networks import network_of
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.ground.store import KnownAddress
from omnyshell.sums import Sums

DAY = 86_400
REMEMBERED = 30 * DAY
"""Seconds after its last good login for which an address is known."""

MAX_KNOWN = 10_000
"""How many addresses are known; beyond that, whoever logged in from most of them loses the one not seen for longest."""

SUMMARY_PERIOD = 10.0
SHOWN = 10
"""Of addresses that were turned away, those that came most often are audited one by one, the others in sum."""

logger = logging.getLogger("omnyshell.hub")


class KnownAddresses:
    """The networks from which there were good logins of late. No I/O; a day is the finest that is kept of time."""

    def __init__(
        self,
        clock: Clock,
        records: LateTable[str, KnownAddress] | None = None,
        remembered: Iterable[KnownAddress] = (),
    ) -> None:
        """`remembered` are those of earlier, the one not seen for longest first; `records` is where they are kept."""
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
        """Note a good login."""
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
            # Not simply the oldest: one login is enough to come from thousands of IPv6 networks.
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
    """Knows addresses with good logins, and audits who was turned away."""

    def __init__(self, known: KnownAddresses, audit: AuditLog, metrics: HubMetrics) -> None:
        self.known = known
        self._audit = audit
        self._metrics = metrics
        self._refused: Counter[str] = Counter()
        # Of all together, as which of them are told depends on how often the others came.
        self._sums: Sums[str, None] = Sums(SUMMARY_PERIOD)

    def refused(self, counts: Counter[str], now: float) -> None:
        """Count connections that were turned away before they could log in, by network, and audit the first ones."""
        if counts:
            self._refused += counts
            self._metrics.connections_refused += counts.total()
            if self._sums.note("", None, now):
                self.flush()

    def summarize(self, now: float) -> None:
        """Audit what is due; `now` on the monotonic clock."""
        if self._sums.take(now):
            self.flush()

    def flush(self) -> None:
        """Audit all who were turned away."""
        refused, self._refused = self._refused, Counter()
        others = refused.pop("", 0)
        named = refused.most_common(SHOWN)
        others += refused.total() - sum(count for _, count in named)
        for network, count in [*named, ("", others)] if others else named:
            where = network or "other addresses"
            logger.warning("%d connections from %s refused before login: too many", count, where)
            detail = f"{count} connections from {where}"
            self._audit.record("connection.refused", "denied", address=network, reason="before login", detail=detail)
