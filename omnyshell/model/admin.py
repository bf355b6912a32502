"""What an admin sees of a hub: principals, invites, connections, sessions, nodes, audit records."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from omnyshell.model.grammars import (
    ADDRESS,
    BASE64,
    COUNT,
    ID,
    NODE_ID,
    NODE_ID_OR_NONE,
    PRINCIPAL,
    PRINCIPAL_OR_NONE,
    ROLE,
    ROLES,
    SESSION_ID,
    WORD,
)
from omnyshell.model.schema import FREE, OMIT, WireObject


class InviteKind(StrEnum):
    """Whom an invite is for."""

    NODE = "node"
    USER = "user"


class CredentialKind(StrEnum):
    """What a principal logs in with."""

    TOKEN = "token"  # noqa: S105
    KEY = "key"


class LockKind(StrEnum):
    """What a lock locks."""

    PRINCIPAL = "principal"
    NODE = "node"
    ROLE = "role"


class LockInfo(WireObject, kw_only=True):
    """Something that is locked: logins of a principal, or of everyone with a role, or all that is done on a node."""

    id: Annotated[str, ID]
    kind: LockKind
    name: Annotated[str, PRINCIPAL]
    why: Annotated[str, OMIT, FREE] = ""
    created_at: datetime
    created_by: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends by itself; None is never."""


class CredentialInfo(WireObject, kw_only=True):
    """A token or key, without any secret."""

    id: Annotated[str, ID]
    kind: CredentialKind
    label: Annotated[str, OMIT, FREE] = ""
    created_at: datetime
    expires_at: Annotated[datetime | None, OMIT] = None
    public_key: Annotated[str | None, OMIT, BASE64] = None


class TimedRole(WireObject, kw_only=True):
    """A role that ends."""

    role: Annotated[str, ROLE]
    expires_at: datetime


class PrincipalInfo(WireObject, kw_only=True):
    """A principal that the hub knows."""

    principal: Annotated[str, PRINCIPAL]
    display_name: Annotated[str, OMIT, FREE] = ""
    roles: Annotated[tuple[str, ...], ROLES] = ()
    timed_roles: Annotated[tuple[TimedRole, ...], OMIT] = ()
    """Those of `roles` that end by themselves."""

    source: Annotated[str, OMIT, WORD] = "hub"
    """`hub` for its database, `configuration` for what its configuration grants."""

    created_at: Annotated[datetime | None, OMIT] = None
    created_by: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    binds: Annotated[bool, OMIT] = False
    """Whether its key logins must be bound to this hub (`auth-bind`)."""

    credentials: tuple[CredentialInfo, ...] = ()


class InviteInfo(WireObject, kw_only=True):
    """An invite, without its token."""

    invite_id: Annotated[str, ID]
    kind: InviteKind
    node_id: Annotated[str | None, OMIT, NODE_ID] = None
    principal: Annotated[str | None, OMIT, PRINCIPAL] = None
    roles: Annotated[tuple[str, ...], ROLES] = ()
    labels: Annotated[dict[str, str], FREE] = {}
    created_at: datetime
    created_by: Annotated[str, PRINCIPAL_OR_NONE] = ""
    expires_at: datetime
    role_ttl_seconds: Annotated[int | None, OMIT, COUNT] = None
    """For how long it gives its roles, from its use on; None is for good."""

    key_ttl_seconds: Annotated[int | None, OMIT, COUNT] = None
    """For how long the key that is enrolled can be used."""

    uses_left: Annotated[int | None, OMIT, COUNT] = None
    """How many machines can still join by it; None for an invite that is good once."""

    id_prefix: Annotated[str, OMIT, NODE_ID_OR_NONE] = ""
    """What the ids of those machines begin with."""


class PeerInfo(WireObject, kw_only=True):
    """A connection that has logged in."""

    peer_id: Annotated[str, ID]
    role: Annotated[str, FREE]
    principal: Annotated[str, PRINCIPAL]
    address: Annotated[str, ADDRESS] = ""
    node_id: Annotated[str | None, OMIT, NODE_ID] = None
    connected_at: datetime


class LiveSession(WireObject, kw_only=True):
    """A session that goes through the hub. Bytes of input and of output."""

    session_id: Annotated[str, SESSION_ID]
    node_id: Annotated[str, NODE_ID]
    principal: Annotated[str, PRINCIPAL]
    mode: Annotated[str, WORD]
    state: Annotated[str, WORD]
    address: Annotated[str, ADDRESS] = ""
    created_at: datetime
    bytes_in: Annotated[int, COUNT] = 0
    bytes_out: Annotated[int, COUNT] = 0


class NodeRecord(WireObject, kw_only=True):
    """A node id: whose it is, whether it is connected, and the labels that the hub sets for it."""

    node_id: Annotated[str, NODE_ID]
    principal: Annotated[str, PRINCIPAL_OR_NONE] = ""
    online: bool = False
    hub_labels: Annotated[dict[str, str], FREE] = {}
    locked: Annotated[str, OMIT, FREE] = ""
    """By whom it is locked, and why; empty where it is not."""


class RightInfo(WireObject, kw_only=True):
    """One right of a principal on a node, and why it has it or not."""

    right: Annotated[str, WORD]
    allowed: bool
    why: Annotated[str, FREE] = ""
    needed: Annotated[tuple[str, ...], ROLES] = ()
    """Roles each of which would do."""

    unserved: Annotated[bool, OMIT] = False
    """Whether the node itself says that it serves nothing of the kind, to nobody."""


class AuditEntry(WireObject, kw_only=True):
    """An audit record on the wire."""

    at: datetime
    action: Annotated[str, FREE]
    outcome: Annotated[str, FREE] = "ok"
    principal: Annotated[str, OMIT, FREE] = ""
    address: Annotated[str, OMIT, FREE] = ""
    node_id: Annotated[str, OMIT, FREE] = ""
    session_id: Annotated[str, OMIT, FREE] = ""
    reason: Annotated[str, OMIT, FREE] = ""
    detail: Annotated[str, OMIT, FREE] = ""
    command: Annotated[str, OMIT, FREE] = ""
