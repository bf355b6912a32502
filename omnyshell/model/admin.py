"""What an admin sees of a hub: principals, invites, connections, sessions, nodes, audit records."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from omnyshell.model.grammars import (
    ADDRESS,
    BASE64,
    COUNT,
    HUB_ID_OR_NONE,
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
    """The lock's id."""

    kind: LockKind
    """What kind of thing is locked."""

    name: Annotated[str, PRINCIPAL]
    """Which of that kind."""

    why: Annotated[str, OMIT, FREE] = ""
    """The reason that was given."""

    created_at: datetime
    """When it was made."""

    created_by: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    """Who made it."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends by itself."""


class CredentialInfo(WireObject, kw_only=True):
    """A token or key, without any secret."""

    id: Annotated[str, ID]
    """What it is called in requests."""

    kind: CredentialKind
    """A token or a key."""

    label: Annotated[str, OMIT, FREE] = ""
    """What it is for."""

    created_at: datetime
    """When it was made."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends."""

    public_key: Annotated[str | None, OMIT, BASE64] = None
    """The key, where it is one."""

    application: Annotated[str | None, OMIT, FREE] = None
    """Of `security-keys`: the application of a key that a hardware token holds."""


class TimedRole(WireObject, kw_only=True):
    """A role that ends."""

    role: Annotated[str, ROLE]
    """The role."""

    expires_at: datetime
    """When it ends."""


class PrincipalInfo(WireObject, kw_only=True):
    """A principal that the hub knows."""

    principal: Annotated[str, PRINCIPAL]
    """Its name."""

    display_name: Annotated[str, OMIT, FREE] = ""
    """Its name for people."""

    roles: Annotated[tuple[str, ...], ROLES] = ()
    """The roles that it has now."""

    timed_roles: Annotated[tuple[TimedRole, ...], OMIT] = ()
    """Of `admin-ends`: those of `roles` that end by themselves."""

    source: Annotated[str, OMIT, WORD] = "hub"
    """`hub` for its database, `configuration` for what its configuration grants."""

    created_at: Annotated[datetime | None, OMIT] = None
    """When it was made."""

    created_by: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    """Who made it."""

    binds: Annotated[bool, OMIT] = False
    """Whether its key logins must be bound to this hub (`auth-bind`)."""

    credentials: tuple[CredentialInfo, ...] = ()
    """What it logs in with; those of the configuration are not told."""


class InviteInfo(WireObject, kw_only=True):
    """An invite, without its token."""

    invite_id: Annotated[str, ID]
    """What it is called in requests."""

    kind: InviteKind
    """Whom it is for."""

    node_id: Annotated[str | None, OMIT, NODE_ID] = None
    """The id that the node gets."""

    principal: Annotated[str | None, OMIT, PRINCIPAL] = None
    """The user's name."""

    roles: Annotated[tuple[str, ...], ROLES] = ()
    """The roles that the user gets."""

    labels: Annotated[dict[str, str], FREE] = {}
    """The labels that the node gets."""

    created_at: datetime
    """When it was made."""

    created_by: Annotated[str, PRINCIPAL_OR_NONE] = ""
    """Who made it."""

    expires_at: datetime
    """When it can no longer be used."""

    role_ttl_seconds: Annotated[int | None, OMIT, COUNT] = None
    """For how long the user has the roles, counted from the join."""

    key_ttl_seconds: Annotated[int | None, OMIT, COUNT] = None
    """For how long the key that is enrolled can be used."""

    uses_left: Annotated[int | None, OMIT, COUNT] = None
    """How many machines can still join by it; missing for an invite that is good once."""

    id_prefix: Annotated[str, OMIT, NODE_ID_OR_NONE] = ""
    """What the ids of those machines begin with."""


class PeerInfo(WireObject, kw_only=True):
    """A connection that has logged in."""

    peer_id: Annotated[str, ID]
    """What it is called in requests."""

    role: Annotated[str, FREE]
    """The role in its `hello`."""

    principal: Annotated[str, PRINCIPAL]
    """Who logged in."""

    address: Annotated[str, ADDRESS] = ""
    """Where it comes from."""

    node_id: Annotated[str | None, OMIT, NODE_ID] = None
    """The node that it registered."""

    connected_at: datetime
    """Since when."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which it is; missing where the hub is alone."""


class SessionInfo(WireObject, kw_only=True):
    """A session that goes through the hub."""

    session_id: Annotated[str, SESSION_ID]
    """The session's id."""

    node_id: Annotated[str, NODE_ID]
    """Where it runs."""

    principal: Annotated[str, PRINCIPAL]
    """Its owner."""

    mode: Annotated[str, WORD]
    """What runs."""

    state: Annotated[str, WORD]
    """`opening` or `open`."""

    address: Annotated[str, ADDRESS] = ""
    """Where its client is."""

    created_at: datetime
    """When it was opened."""

    bytes_in: Annotated[int, COUNT] = 0
    """Input that was relayed."""

    bytes_out: Annotated[int, COUNT] = 0
    """Output that was relayed."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which it is; missing where the hub is alone."""


class NodeRecord(WireObject, kw_only=True):
    """A node id: whose it is, whether it is connected, and the labels that the hub sets for it."""

    node_id: Annotated[str, NODE_ID]
    """The id."""

    principal: Annotated[str, PRINCIPAL_OR_NONE] = ""
    """Whose it is; empty where nobody has it."""

    online: bool = False
    """Whether the node is connected."""

    hub_labels: Annotated[dict[str, str], FREE] = {}
    """The labels that the hub sets for it."""

    locked: Annotated[str, OMIT, FREE] = ""
    """Who locked it, and why; empty if it is not locked."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which the node is connected; missing where it is not, or the hub is alone."""


class RightInfo(WireObject, kw_only=True):
    """One right of a principal on a node, and why it has it or not."""

    right: Annotated[str, WORD]
    """The right."""

    allowed: bool
    """Whether the principal has it."""

    why: Annotated[str, FREE] = ""
    """Why, in words."""

    needed: Annotated[tuple[str, ...], ROLES] = ()
    """The roles of which any one would grant it."""

    unserved: Annotated[bool, OMIT] = False
    """Whether the node does not offer this to anybody."""

    narrowed: Annotated[bool, OMIT] = False
    """Of `logins`: whether grants give it as some users of the node's machine alone."""

    logins: Annotated[tuple[str, ...], OMIT, FREE] = ()
    """Of `logins`: these users, where it is `narrowed`; nobody where there are none."""


class AuditEntry(WireObject, kw_only=True):
    """An audit record on the wire."""

    at: datetime
    """When."""

    action: Annotated[str, FREE]
    """What was done: a dotted name such as `session.open`."""

    outcome: Annotated[str, FREE] = "ok"
    """`ok`, `denied` or `error`."""

    principal: Annotated[str, OMIT, FREE] = ""
    """Who did it."""

    address: Annotated[str, OMIT, FREE] = ""
    """From where."""

    node_id: Annotated[str, OMIT, FREE] = ""
    """On which node."""

    session_id: Annotated[str, OMIT, FREE] = ""
    """In which session."""

    reason: Annotated[str, OMIT, FREE] = ""
    """Why it ended so, as a code."""

    detail: Annotated[str, OMIT, FREE] = ""
    """What else is known."""

    command: Annotated[str, OMIT, FREE] = ""
    """What was asked to run, as far as the hub keeps that."""
