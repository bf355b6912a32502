"""The audit trail, as an admin reads it (docs/extensions.md#what-is-live)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import AuditEntry
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.extensions import AUDIT_ACKNOWLEDGE
from omnyshell.protocol.messages.admin.base import AdminRequest

DEFAULT_AUDIT_LIMIT = 200


class AuditRequest(AdminRequest, kw_only=True):
    """Asks for the newest audit records that fit."""

    TYPE: ClassVar[str] = "admin.audit.request"

    since: Annotated[datetime | None, OMIT] = None
    action: Annotated[str, OMIT, FREE] = ""
    principal: Annotated[str, OMIT, FREE] = ""
    node_id: Annotated[str, OMIT, FREE] = ""
    limit: Annotated[int, ANSWERED] = DEFAULT_AUDIT_LIMIT


class AuditResponse(AdminRequest, kw_only=True):
    """Audit records, oldest first."""

    TYPE: ClassVar[str] = "admin.audit.response"

    records: tuple[AuditEntry, ...] = ()


class AuditAcknowledge(AdminRequest, kw_only=True):
    """Says that an admin knows of the gaps in the audit trail; extension `audit-acknowledge`."""

    TYPE: ClassVar[str] = "admin.audit.acknowledge"
    NEEDS: ClassVar[str] = AUDIT_ACKNOWLEDGE
