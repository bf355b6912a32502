"""Listing audit records, and acknowledging gaps of the trail (extension `admin`)."""

from omnyshell.model.admin import AuditEntry
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord
from omnyshell.protocol.messages.admin import AuditAcknowledge, AuditRequest, AuditResponse
from omnyshell.services.hub.admin.plans import AdminRefusedException, Plan, Plans, Reads, done
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.query import AuditQuery
from omnyshell.services.hub.peers.peer import Peer

MAX_AUDIT_LIMIT = 1000


class AuditAdmin:
    """Returns the newest matching records, and acknowledges gaps."""

    def __init__(self, trail: AuditLog) -> None:
        self._trail = trail
        self.reads: Reads = {AuditRequest: self._audit}
        self.plans: Plans = {AuditAcknowledge: self._acknowledge}

    def _audit(self, ask: AuditRequest) -> AuditResponse:
        query = AuditQuery(ask.since, ask.action, ask.principal, ask.node_id)
        limit = min(max(ask.limit, 1), MAX_AUDIT_LIMIT)
        wanted = [record for record in self._trail if query.matches(record)][-limit:]
        return AuditResponse(request_id=ask.request_id, records=tuple(map(entry, wanted)))

    def _acknowledge(self, ask: AuditAcknowledge, _admin: Peer) -> Plan:
        trail = self._trail
        if trail.check is not None and not trail.check.is_done:
            raise AdminRefusedException("the audit trail is still being gone through: try again in a moment")
        if not trail.faults:
            raise AdminRefusedException("nothing is wrong with the audit trail", code="not_found")
        detail = f"{len(trail.faults)} gaps: {'; '.join(trail.faults)}"
        return done("audit.acknowledge", {"detail": detail}, ask.request_id, trail.acknowledge)


def entry(record: AuditRecord) -> AuditEntry:
    """Return a record as it is on the wire."""
    return AuditEntry(at=record.at, **{name: getattr(record, name) for name in TEXT_FIELDS})
