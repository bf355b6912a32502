"""What an admin sees of a hub: principals, invites, connections, sessions, nodes, audit records."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from omnyshell.model.schema import OMIT, WireObject


class InviteKind(StrEnum):
    """Whom an invite is for."""

    NODE = "node"
    USER = "user"


class CredentialKind(StrEnum):
    """What a principal logs in with."""

    TOKEN = "token"  # noqa: S105
    KEY = "key"


class CredentialInfo(WireObject, kw_only=True):
    """A token or key, without any secret."""

    id: str
    kind: CredentialKind
    label: Annotated[str, OMIT] = ""
    created_at: datetime
    expires_at: Annotated[datetime | None, OMIT] = None
    public_key: Annotated[str | None, OMIT] = None


class PrincipalInfo(WireObject, kw_only=True):
    """A principal that the hub knows."""

    principal: str
    display_name: Annotated[str, OMIT] = ""
    roles: tuple[str, ...] = ()
    source: Annotated[str, OMIT] = "hub"
    """`hub` for its database, `configuration` for what its configuration grants."""

    created_at: Annotated[datetime | None, OMIT] = None
    created_by: Annotated[str, OMIT] = ""
    binds: Annotated[bool, OMIT] = False
    """Whether its key logins must be bound to this hub (`auth-bind`)."""

    credentials: tuple[CredentialInfo, ...] = ()


class InviteInfo(WireObject, kw_only=True):
    """An invite, without its token."""

    invite_id: str
    kind: InviteKind
    node_id: Annotated[str | None, OMIT] = None
    principal: Annotated[str | None, OMIT] = None
    roles: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    created_at: datetime
    created_by: str = ""
    expires_at: datetime


class PeerInfo(WireObject, kw_only=True):
    """A connection that has logged in."""

    peer_id: str
    role: str
    principal: str
    address: str = ""
    node_id: Annotated[str | None, OMIT] = None
    connected_at: datetime


class LiveSession(WireObject, kw_only=True):
    """A session that goes through the hub. Bytes of input and of output."""

    session_id: str
    node_id: str
    principal: str
    mode: str
    state: str
    address: str = ""
    created_at: datetime
    bytes_in: int = 0
    bytes_out: int = 0


class NodeRecord(WireObject, kw_only=True):
    """A node id: whose it is, whether it is connected, and the labels that the hub sets for it."""

    node_id: str
    principal: str = ""
    online: bool = False
    hub_labels: dict[str, str] = {}


class AuditEntry(WireObject, kw_only=True):
    """An audit record on the wire."""

    at: datetime
    action: str
    outcome: str = "ok"
    principal: Annotated[str, OMIT] = ""
    address: Annotated[str, OMIT] = ""
    node_id: Annotated[str, OMIT] = ""
    session_id: Annotated[str, OMIT] = ""
    reason: Annotated[str, OMIT] = ""
    detail: Annotated[str, OMIT] = ""
