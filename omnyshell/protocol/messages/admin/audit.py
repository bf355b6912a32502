"""The audit trail, as an admin reads it (docs/extensions.md#audit-acknowledge)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import AuditEntry
from omnyshell.model.grammars import COUNT
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.extensions import AUDIT_ACKNOWLEDGE, AUDIT_OF_HUBS
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way

DEFAULT_AUDIT_LIMIT = 200


class AuditRequest(AdminRequest, kw_only=True):
    """Asks for the newest audit records that fit."""

    TYPE: ClassVar[str] = "admin.audit.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    since: Annotated[datetime | None, OMIT] = None
    """Nothing from before this."""

    action: Annotated[str, OMIT, FREE] = ""
    """This action alone, or a pattern such as `session.*`."""

    principal: Annotated[str, OMIT, FREE] = ""
    """This principal alone."""

    node_id: Annotated[str, OMIT, FREE] = ""
    """This node alone."""

    limit: Annotated[int, ANSWERED] = DEFAULT_AUDIT_LIMIT
    """How many records; values outside 1 to 1,000 are clamped."""


class AuditResponse(AdminRequest, kw_only=True):
    """Audit records, oldest first."""

    TYPE: ClassVar[str] = "admin.audit.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "records"
    NEWEST_LAST: ClassVar[bool] = True

    records: tuple[AuditEntry, ...] = ()
    """The records, oldest first."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class AuditPageRequest(AdminRequest, kw_only=True):
    """Asks for a page of the audit trail of one of several hubs, from a number on, oldest first."""

    TYPE: ClassVar[str] = "admin.audit.page.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    NEEDS: ClassVar[str] = AUDIT_OF_HUBS

    hub: Annotated[str, OMIT, ANSWERED] = ""
    """Whose trail; that of the hub that is asked if empty."""

    after: Annotated[int, ANSWERED] = 0
    """The number in the trail behind which the page begins."""

    since: Annotated[datetime | None, OMIT] = None
    """Nothing from before this."""

    action: Annotated[str, OMIT, FREE] = ""
    """This action alone, or a pattern such as `session.*`."""

    principal: Annotated[str, OMIT, FREE] = ""
    """This principal alone."""

    node_id: Annotated[str, OMIT, FREE] = ""
    """This node alone."""


class AuditPageResponse(AdminRequest, kw_only=True):
    """A page of a hub's audit trail."""

    TYPE: ClassVar[str] = "admin.audit.page.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    NEEDS: ClassVar[str] = AUDIT_OF_HUBS

    hub: Annotated[str, FREE] = ""
    """Whose trail it is; empty for a hub that is alone."""

    hubs: Annotated[tuple[str, ...], FREE] = ()
    """All hubs that there are, of several."""

    records: tuple[AuditEntry, ...] = ()
    """Those that fit, oldest first; there may be none, and more pages."""

    after: Annotated[int, COUNT] = 0
    """The number in the trail up to which was looked."""

    is_last: bool = False
    """Whether that is all for now."""


class AuditAcknowledge(AdminRequest, kw_only=True):
    """Says that an admin knows of the gaps in the audit trail."""

    TYPE: ClassVar[str] = "admin.audit.acknowledge"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    NEEDS: ClassVar[str] = AUDIT_ACKNOWLEDGE
