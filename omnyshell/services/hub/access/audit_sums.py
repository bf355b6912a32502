"""Sums up in the audit what somebody is refused, or does alike, too often, as failed logins are: both cost little."""

from collections.abc import Hashable, Iterable

from omnyshell.clock import Clock
from omnyshell.ids import PrincipalId
from omnyshell.model.audit import AuditRecord
from omnyshell.model.principals import Principal
from omnyshell.services.hub.access.quota import Bucket, Quota
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.sums import Summed, Sums

SUMMARY_PERIOD = 10.0
"""Seconds over which further refusals of one principal are summed up."""

MINUTE = 60.0

CAUSED_BY_OTHERS = frozenset(
    {"auth.fail", "tunnel.refused", "node.displaced", "node.held-off", "node.timeout", "peer.revoked"}
)
"""Of these the principal is not the one who caused them, or the hub ended something: each stands with its address."""

AT_WILL = frozenset({"events.subscribe"})
"""What anybody may do as often as he likes, and changes nothing."""


MOST_ALIKE = 10_000
"""Kinds of records that are counted apart; what is of none of them is kept."""

_Sum = tuple[str, str, str, str, str]
"""Action, outcome, principal, address and node id of records that are summed up."""


class AuditSums:
    """Lets the first refusals of a principal into the audit, and of what it does the first that are alike.

    Whatever is told for the first time is kept: of sessions each one, as it has an id of its own.
    """

    def __init__(self, quota: Quota, audit: AuditLog, clock: Clock) -> None:
        self._quota = quota
        self._audit = audit
        self._clock = clock
        self._buckets: dict[Hashable, Bucket] = {}
        self._more: Sums[_Sum, _Sum] = Sums(SUMMARY_PERIOD)
        self._next_look = 0.0

    def admits(self, record: AuditRecord, alike: Hashable = None) -> bool:
        """Whether a record is kept; one that is not is counted.

        `alike` stands for what tells one that went well from others, in place of its reason and details.
        """
        name, action = record.principal, record.action
        if not name or action in CAUSED_BY_OTHERS:
            return True
        if record.outcome != "ok" or action in AT_WILL:
            return self._admits(Resource.REFUSALS, name, name, (action, record.outcome, name, "", ""))
        if record.session_id:
            return True
        told = alike if alike is not None else (record.reason, record.detail, record.command)
        sum_ = (action, record.outcome, name, record.address, record.node_id)
        return self._admits(Resource.REPEATS, name, (sum_, told), sum_)

    def _admits(self, resource: Resource, name: str, key: Hashable, sum_: _Sum) -> bool:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = Bucket()
            if resource is Resource.REFUSALS or len(self._buckets) < MOST_ALIKE:
                self._buckets[key] = bucket
        interval, now = MINUTE / max(1, self._limit(name, resource)), self._clock.monotonic()
        if bucket.has_one(now, interval, MINUTE):
            bucket.take(now, interval, MINUTE)
            return True
        self._quota.refused[resource] += 1
        self._more.add(sum_, sum_, now)
        return False

    def summarize(self, now: float) -> None:
        """Audit in sum what is due; `now` on the monotonic clock."""
        if now >= self._next_look:
            self._next_look = now + SUMMARY_PERIOD
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.full_at > now}
        self._tell(self._more.take(now))

    def flush(self) -> None:
        """Audit at once what was summed up."""
        self._tell(self._more.flush())

    def _tell(self, sums: Iterable[Summed[_Sum, _Sum]]) -> None:
        for _, count, (action, outcome, principal, address, node_id) in sums:
            fields = {"principal": principal, "address": address, "node_id": node_id}
            self._audit.sum_up(action, outcome, **fields, reason="limited", detail=f"{count} more of these")

    def _limit(self, name: str, resource: Resource) -> int:
        account = self._quota.account(name)
        who = account.who if account is not None else Principal(PrincipalId(name))
        return self._quota.limits.limit(who, resource)
