"""Sums up frequent refusals and repetitions of a principal in the audit, as is done for failed logins."""

from collections.abc import Hashable, Iterable

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes
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
"""Actions that are never summed up: the named principal did not cause them, or the hub itself ended something."""

AT_WILL = frozenset({"events.subscribe"})
"""Actions that change nothing, and that anybody may repeat at will."""


ABSENCES = frozenset({ErrorCodes.UNKNOWN_NODE, ErrorCodes.NODE_OFFLINE, ErrorCodes.HUB_UNREACHABLE})
"""Reasons of `session.rejected` that deny nothing: whoever waits for a node asks for it until it is back."""

MOST_ALIKE = 10_000
"""Kinds of records that are counted separately; records of further kinds are kept."""

_LIMITED = "limited"
"""The reason of a sum of what was too frequent."""

_Sum = tuple[str, str, str, str, str, str]
"""The fields of a sum: action, outcome, principal, address, node id and reason."""


class AuditAdmission:
    """Admits the first refusals of a principal to the audit, and the first of its actions that are alike.

    The first record of its kind is always kept; so is each record about a session, as its id is new. Of a wait for a
    node the first refusal is admitted as any other, and those that say the same are summed up by themselves, so that
    they take nothing from what is admitted of other refusals.
    """

    def __init__(self, quota: Quota, clock: Clock) -> None:
        self._quota = quota
        self._clock = clock
        self._buckets: dict[Hashable, Bucket] = {}
        self._more: Sums[Hashable, _Sum] = Sums(SUMMARY_PERIOD)
        self._waits: Sums[Hashable, _Sum] = Sums(MINUTE)
        self._next_look = 0.0

    def admits(self, record: AuditRecord, alike: Hashable = None) -> bool:
        """Tell whether a record is kept; otherwise count it.

        For a successful record `alike` is compared in place of its reason and details.
        """
        name, action = record.principal, record.action
        if not name or action in CAUSED_BY_OTHERS:
            return True
        if action == "session.rejected" and record.reason in ABSENCES:
            return self._admits_absence(record)
        if record.outcome != "ok" or action in AT_WILL:
            return self._admits_refusal(record)
        if record.session_id:
            return True
        told = alike if alike is not None else (record.reason, record.detail, record.command)
        sum_ = (action, record.outcome, name, record.address, record.node_id, _LIMITED)
        return self._admits(Resource.REPEATS, name, (sum_, told), sum_)

    def _admits_refusal(self, record: AuditRecord) -> bool:
        name = record.principal
        return self._admits(Resource.REFUSALS, name, name, (record.action, record.outcome, name, "", "", _LIMITED))

    def _admits_absence(self, record: AuditRecord) -> bool:
        sum_ = (record.action, record.outcome, record.principal, record.address, record.node_id, record.reason)
        told, now = (sum_, record.detail, record.command), self._clock.monotonic()
        is_told = told in self._waits
        if is_told or self._admits_refusal(record):
            self._waits.add(told, sum_, now, int(is_told))
            return not is_told
        return False

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

    def take(self, now: float) -> Iterable[Summed[Hashable, _Sum]]:
        """Return the sums that are due, and forget them; `now` on the monotonic clock."""
        if now >= self._next_look:
            self._next_look = now + SUMMARY_PERIOD
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.full_at > now}
        return (*self._more.take(now), *self._waits.take(now))

    def flush(self) -> Iterable[Summed[Hashable, _Sum]]:
        """Return all sums, and forget them."""
        return (*self._more.flush(), *self._waits.flush())

    def _limit(self, name: str, resource: Resource) -> int:
        account = self._quota.account(name)
        who = account.who if account is not None else Principal(PrincipalId(name))
        return self._quota.limits.limit(who, resource)


class AuditSums:
    """Audits the sums of what was not admitted."""

    def __init__(self, admission: AuditAdmission, audit: AuditLog) -> None:
        self._admission = admission
        self._audit = audit

    def summarize(self, now: float) -> None:
        """Audit the sums that are due; `now` on the monotonic clock."""
        self._tell(self._admission.take(now))

    def flush(self) -> None:
        """Audit all sums."""
        self._tell(self._admission.flush())

    def _tell(self, sums: Iterable[Summed[Hashable, _Sum]]) -> None:
        for _, count, (action, outcome, principal, address, node_id, reason) in sums:
            fields = {"principal": principal, "address": address, "node_id": node_id, "reason": reason}
            self._audit.sum_up(action, outcome, **fields, detail=f"{count} more of these")
