"""Sums up in the audit what somebody is refused too often, as failed logins are: a refusal is cheap to cause."""

from collections import Counter

from omnyshell.clock import Clock
from omnyshell.ids import PrincipalId
from omnyshell.model.audit import AuditRecord
from omnyshell.model.principals import Principal
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.quota import Bucket, Quota, Resource

SUMMARY_PERIOD = 10.0
"""Seconds over which further refusals of one principal are summed up."""

MINUTE = 60.0

CAUSED_BY_OTHERS = frozenset(
    {"auth.fail", "tunnel.refused", "node.displaced", "node.held-off", "node.timeout", "peer.revoked"}
)
"""Of these the principal is not the one who caused them, or the hub ended something: each stands with its address."""

AT_WILL = frozenset({"events.subscribe"})
"""What anybody may do as often as he likes, and changes nothing."""


class RefusalSums:
    """Lets the first refusals of a principal into the audit, and counts the others."""

    def __init__(self, quota: Quota, audit: AuditLog, clock: Clock) -> None:
        self._quota = quota
        self._audit = audit
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._more: Counter[tuple[str, str, str]] = Counter()
        self._next_summary = 0.0

    def admits(self, record: AuditRecord) -> bool:
        """Whether a record is kept; one that is not is counted."""
        is_refusal = record.outcome != "ok" or record.action in AT_WILL
        if not is_refusal or not record.principal or record.action in CAUSED_BY_OTHERS:
            return True
        interval, now = MINUTE / max(1, self._limit(record.principal)), self._clock.monotonic()
        bucket = self._buckets.setdefault(record.principal, Bucket())
        if bucket.has_one(now, interval, MINUTE):
            bucket.take(now, interval, MINUTE)
            return True
        self._quota.refused[Resource.REFUSALS] += 1
        self._more[record.principal, record.action, record.outcome] += 1
        return False

    def summarize(self, now: float) -> None:
        """Audit in sum what is due; `now` on the monotonic clock."""
        if now >= self._next_summary:
            self._next_summary = now + SUMMARY_PERIOD
            self._buckets = {name: bucket for name, bucket in self._buckets.items() if bucket.full_at > now}
            self.flush()

    def flush(self) -> None:
        """Audit at once what was summed up."""
        more, self._more = self._more, Counter()
        for (principal, action, outcome), count in more.items():
            detail = f"{count} more of these"
            self._audit.sum_up(action, outcome, principal=principal, reason="limited", detail=detail)

    def _limit(self, name: str) -> int:
        account = self._quota.account(name)
        who = account.who if account is not None else Principal(PrincipalId(name))
        return self._quota.limits.limit(who, Resource.REFUSALS)
