"""One entry of the audit trail."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what, from where, on which node and session, and how it ended.

    `action` is a dotted name such as `session.open`; `outcome` is `ok`, `denied` or `error`.
    """

    at: datetime
    action: str
    outcome: str = "ok"
    principal: str = ""
    address: str = ""
    node_id: str = ""
    session_id: str = ""
    reason: str = ""
    detail: str = ""
