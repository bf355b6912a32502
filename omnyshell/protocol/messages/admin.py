"""Administration over the wire and joining by invite: extension `admin`, described in `docs/extensions.md`.

Not among the messages that every peer knows: who serves or uses them registers them with its codec, see `register`.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import (
    AuditEntry,
    InviteInfo,
    InviteKind,
    LiveSession,
    LockInfo,
    NodeRecord,
    PeerInfo,
    PrincipalInfo,
    RightInfo,
)
from omnyshell.model.grammars import (
    COUNT,
    EXPOSER_ID,
    FINGERPRINT,
    FINGERPRINT_OR_NONE,
    ID,
    NODE_ID,
    PRINCIPAL,
    ROLES,
    SECRET,
    SETTINGS,
    UID_OR_NONE,
)
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import AUDIT_ACKNOWLEDGE, LOCKS, RIGHTS
from omnyshell.protocol.messages.base import ControlMessage

DEFAULT_OVERLAP = 3600
DEFAULT_INVITE_TTL = 900
DEFAULT_AUDIT_LIMIT = 200


class AdminRequest(ControlMessage, kw_only=True):
    """What every request of an admin has."""

    ENDS: ClassVar[tuple[str, ...]] = ()
    """Fields of the extension `admin-ends`: a hub without it would grant for good what is meant for a time."""

    FLEET: ClassVar[tuple[str, ...]] = ()
    """Fields of the extension `fleet-invites`: a hub without it would make an invite of another kind."""

    NEEDS: ClassVar[str] = ""
    """The extension of which the request is, beside `admin`; a hub without it drops what it does not know."""

    request_id: Annotated[str, FREE]


class AdminResult(AdminRequest, kw_only=True):
    """An action was done, or any request was refused."""

    TYPE: ClassVar[str] = "admin.result"

    ok: bool = False
    code: Annotated[str | None, OMIT, FREE] = None
    message: Annotated[str | None, OMIT, FREE] = None
    id: Annotated[str | None, OMIT, ID] = None
    expires_at: Annotated[datetime | None, OMIT] = None
    """When what was granted ends."""


class HubInfoRequest(AdminRequest, kw_only=True):
    """Asks what this hub is."""

    TYPE: ClassVar[str] = "admin.hub.request"


class HubInfoResponse(AdminRequest, kw_only=True):
    """What this hub is."""

    TYPE: ClassVar[str] = "admin.hub.response"

    hub_uid: Annotated[str, UID_OR_NONE]
    version: Annotated[str, FREE]
    started_at: datetime
    peers: Annotated[int, COUNT] = 0
    nodes: Annotated[int, COUNT] = 0
    sessions: Annotated[int, COUNT] = 0
    tunnels: Annotated[int, COUNT] = 0
    ca_fingerprint: Annotated[str, FINGERPRINT_OR_NONE] = ""


class PrincipalsRequest(AdminRequest, kw_only=True):
    """Asks for the principals that the hub knows."""

    TYPE: ClassVar[str] = "admin.principals.request"


class PrincipalsResponse(AdminRequest, kw_only=True):
    """The principals, sorted, with their credentials but no secret."""

    TYPE: ClassVar[str] = "admin.principals.response"

    principals: tuple[PrincipalInfo, ...] = ()


class PrincipalAdd(AdminRequest, kw_only=True):
    """Adds a principal, without a credential yet; with a time, for which it has the roles."""

    TYPE: ClassVar[str] = "admin.principal.add"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    display_name: Annotated[str, OMIT, ANSWERED] = ""
    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class PrincipalRoles(AdminRequest, kw_only=True):
    """Gives a principal these roles instead of those it has; with a time, beside them and for so long."""

    TYPE: ClassVar[str] = "admin.principal.roles"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class PrincipalRevoke(AdminRequest, kw_only=True):
    """Removes a principal with all its credentials, and ends what it has open."""

    TYPE: ClassVar[str] = "admin.principal.revoke"

    principal: Annotated[str, ANSWERED]


class TokenAdd(AdminRequest, kw_only=True):
    """Makes a token for a principal."""

    TYPE: ClassVar[str] = "admin.token.add"

    principal: Annotated[str, ANSWERED]
    label: Annotated[str, OMIT, FREE] = ""
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class TokenRotate(AdminRequest, kw_only=True):
    """Makes a new token in place of one, which goes on for `overlapSeconds`."""

    TYPE: ClassVar[str] = "admin.token.rotate"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    credential_id: Annotated[str | None, OMIT, ANSWERED] = None
    overlap_seconds: Annotated[int, ANSWERED] = DEFAULT_OVERLAP
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class TokenAdded(AdminRequest, kw_only=True):
    """A token, which the hub says once and keeps as a hash."""

    TYPE: ClassVar[str] = "admin.token.added"

    credential_id: Annotated[str, ID]
    token: Annotated[str, SECRET]
    expires_at: Annotated[datetime | None, OMIT] = None


class KeyAdd(AdminRequest, kw_only=True):
    """Lets a principal log in with an Ed25519 key."""

    TYPE: ClassVar[str] = "admin.key.add"
    ENDS: ClassVar[tuple[str, ...]] = ("ttl_seconds",)

    principal: Annotated[str, ANSWERED]
    public_key: Annotated[str, ANSWERED]
    label: Annotated[str, OMIT, FREE] = ""
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class CredentialRevoke(AdminRequest, kw_only=True):
    """Removes a token or key, and ends the connections that logged in with it."""

    TYPE: ClassVar[str] = "admin.credential.revoke"

    principal: Annotated[str, ANSWERED]
    credential_id: Annotated[str, ANSWERED]


class PeersRequest(AdminRequest, kw_only=True):
    """Asks for the connections that have logged in."""

    TYPE: ClassVar[str] = "admin.peers.request"


class PeersResponse(AdminRequest, kw_only=True):
    """The connections, oldest first."""

    TYPE: ClassVar[str] = "admin.peers.response"

    peers: tuple[PeerInfo, ...] = ()


class PeerDrop(AdminRequest, kw_only=True):
    """Ends a connection, with the sessions and tunnels it holds."""

    TYPE: ClassVar[str] = "admin.peer.drop"

    peer_id: Annotated[str, ANSWERED]


class LiveSessionsRequest(AdminRequest, kw_only=True):
    """Asks for the sessions of everyone."""

    TYPE: ClassVar[str] = "admin.sessions.request"


class LiveSessionsResponse(AdminRequest, kw_only=True):
    """The sessions, oldest first."""

    TYPE: ClassVar[str] = "admin.sessions.response"

    sessions: tuple[LiveSession, ...] = ()


class SessionEnd(AdminRequest, kw_only=True):
    """Ends any session, and what runs in it; with node and owner, one too that waits detached in its node."""

    TYPE: ClassVar[str] = "admin.session.close"

    session_ref: Annotated[str, ANSWERED]
    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    principal: Annotated[str | None, OMIT, ANSWERED] = None


class AllTunnelsRequest(AdminRequest, kw_only=True):
    """Asks for the tunnels of everyone."""

    TYPE: ClassVar[str] = "admin.tunnels.request"


class AllTunnelsResponse(AdminRequest, kw_only=True):
    """The tunnels, by public port."""

    TYPE: ClassVar[str] = "admin.tunnels.response"

    tunnels: tuple[TunnelInfo, ...] = ()


class TunnelEnd(AdminRequest, kw_only=True):
    """Closes any tunnel."""

    TYPE: ClassVar[str] = "admin.tunnel.close"

    tunnel_ref: Annotated[str, ANSWERED]


class NodeRecordsRequest(AdminRequest, kw_only=True):
    """Asks for the node ids that are known, connected or not."""

    TYPE: ClassVar[str] = "admin.nodes.request"


class NodeRecordsResponse(AdminRequest, kw_only=True):
    """The node ids, sorted."""

    TYPE: ClassVar[str] = "admin.nodes.response"

    nodes: tuple[NodeRecord, ...] = ()


class AccessRequest(AdminRequest, kw_only=True):
    """Asks what a principal may do on a node, and why. Everybody may ask about themselves, which no principal means."""

    TYPE: ClassVar[str] = "admin.access.request"
    NEEDS: ClassVar[str] = RIGHTS

    node_id: Annotated[str, ANSWERED]
    principal: Annotated[str | None, OMIT, ANSWERED] = None


class AccessResponse(AdminRequest, kw_only=True):
    """What a principal may do on a node."""

    TYPE: ClassVar[str] = "admin.access.response"

    node_id: Annotated[str, EXPOSER_ID]
    principal: Annotated[str, PRINCIPAL]
    known: bool = False
    """Whether anybody of that name can log in, as far as the hub can tell."""

    online: bool = False
    """Whether the node is connected; otherwise only the hub's own labels for it count."""

    roles: Annotated[tuple[str, ...], ROLES] = ()
    rights: tuple[RightInfo, ...] = ()


class NodeLabelsSet(AdminRequest, kw_only=True):
    """Sets the hub's labels of a node id: a ceiling for its own. None of them removes what was set."""

    TYPE: ClassVar[str] = "admin.node.labels"

    node_id: Annotated[str, ANSWERED]
    labels: Annotated[dict[str, str], ANSWERED] = {}


class NodeRelease(AdminRequest, kw_only=True):
    """Releases a node id, so that another principal can register it."""

    TYPE: ClassVar[str] = "admin.node.release"

    node_id: Annotated[str, ANSWERED]


class InviteCreate(AdminRequest, kw_only=True):
    """Makes a token that lets a node, or a user, join once."""

    TYPE: ClassVar[str] = "admin.invite.create"
    FLEET: ClassVar[tuple[str, ...]] = ("uses", "id_prefix")
    ENDS: ClassVar[tuple[str, ...]] = ("role_ttl_seconds", "key_ttl_seconds")

    kind: Annotated[str, ANSWERED]
    """An `InviteKind`; a hub answers what it does not know."""

    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    principal: Annotated[str | None, OMIT, ANSWERED] = None
    display_name: Annotated[str, OMIT, ANSWERED] = ""
    roles: Annotated[tuple[str, ...], ANSWERED] = ()
    labels: Annotated[dict[str, str], ANSWERED] = {}
    ttl_seconds: Annotated[int, ANSWERED] = DEFAULT_INVITE_TTL
    role_ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    key_ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    uses: Annotated[int | None, OMIT, ANSWERED] = None
    """How many machines can join by it, each as a node of its own."""

    id_prefix: Annotated[str | None, OMIT, ANSWERED] = None


class InviteCreated(AdminRequest, kw_only=True):
    """A join token, which the hub says once and keeps as a hash."""

    TYPE: ClassVar[str] = "admin.invite.created"

    invite_id: Annotated[str, ID]
    token: Annotated[str, SECRET]
    expires_at: datetime
    ca_fingerprint: Annotated[str, FINGERPRINT]


class InvitesRequest(AdminRequest, kw_only=True):
    """Asks for the invites that can still be used."""

    TYPE: ClassVar[str] = "admin.invites.request"


class InvitesResponse(AdminRequest, kw_only=True):
    """The invites, oldest first."""

    TYPE: ClassVar[str] = "admin.invites.response"

    invites: tuple[InviteInfo, ...] = ()


class InviteRevoke(AdminRequest, kw_only=True):
    """Makes an invite useless."""

    TYPE: ClassVar[str] = "admin.invite.revoke"

    invite_id: Annotated[str, ANSWERED]


class LocksRequest(AdminRequest, kw_only=True):
    """Asks for what is locked."""

    TYPE: ClassVar[str] = "admin.locks.request"
    NEEDS: ClassVar[str] = LOCKS


class LocksResponse(AdminRequest, kw_only=True):
    """What is locked, by kind and name."""

    TYPE: ClassVar[str] = "admin.locks.response"

    locks: tuple[LockInfo, ...] = ()


class LockAdd(AdminRequest, kw_only=True):
    """Locks a principal, a node or a role, for a time or until the lock is removed; `kind` is a `LockKind`."""

    TYPE: ClassVar[str] = "admin.lock.add"
    NEEDS: ClassVar[str] = LOCKS

    kind: Annotated[str, ANSWERED]
    name: Annotated[str, ANSWERED]
    why: Annotated[str, OMIT, ANSWERED] = ""
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class LockRemove(AdminRequest, kw_only=True):
    """Removes a lock."""

    TYPE: ClassVar[str] = "admin.lock.remove"
    NEEDS: ClassVar[str] = LOCKS

    kind: Annotated[str, ANSWERED]
    name: Annotated[str, ANSWERED]


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


class JoinRequest(ControlMessage, kw_only=True):
    """Trades an invite's token for an enrolled key, in place of a login.

    `host` and `port` belong to the extension `auth-bind-2`.
    """

    TYPE: ClassVar[str] = "join.request"

    token: Annotated[str, ANSWERED]
    public_key: Annotated[str, ANSWERED]
    signature: Annotated[str, ANSWERED]
    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    suggested_id: Annotated[str | None, OMIT, ANSWERED] = None
    host: Annotated[str | None, OMIT, ANSWERED] = None
    port: Annotated[int | None, OMIT, ANSWERED] = None


class JoinAccepted(ControlMessage, kw_only=True):
    """The key is enrolled: connect again and log in with it."""

    TYPE: ClassVar[str] = "join.accepted"

    kind: InviteKind
    principal: Annotated[str, PRINCIPAL]
    roles: Annotated[tuple[str, ...], ROLES] = ()
    node_id: Annotated[str | None, OMIT, NODE_ID] = None
    labels: Annotated[dict[str, str], SETTINGS] = {}


class JoinRefused(ControlMessage, kw_only=True):
    """The token is real and cannot be used so; the invite stays as it is."""

    TYPE: ClassVar[str] = "join.refused"

    reason: Annotated[str, FREE]
    message: Annotated[str, FREE] = ""


MESSAGES: tuple[type[ControlMessage], ...] = (
    AdminResult,
    HubInfoRequest,
    HubInfoResponse,
    PrincipalsRequest,
    PrincipalsResponse,
    PrincipalAdd,
    PrincipalRoles,
    PrincipalRevoke,
    TokenAdd,
    TokenRotate,
    TokenAdded,
    KeyAdd,
    CredentialRevoke,
    PeersRequest,
    PeersResponse,
    PeerDrop,
    LiveSessionsRequest,
    LiveSessionsResponse,
    SessionEnd,
    AllTunnelsRequest,
    AllTunnelsResponse,
    TunnelEnd,
    NodeRecordsRequest,
    NodeRecordsResponse,
    AccessRequest,
    AccessResponse,
    NodeLabelsSet,
    NodeRelease,
    InviteCreate,
    InviteCreated,
    InvitesRequest,
    InvitesResponse,
    InviteRevoke,
    LocksRequest,
    LocksResponse,
    LockAdd,
    LockRemove,
    AuditRequest,
    AuditResponse,
    AuditAcknowledge,
    JoinRequest,
    JoinAccepted,
    JoinRefused,
)


def register(codec: FrameCodec) -> FrameCodec:
    """Teach a codec these messages; returns it."""
    for declared in MESSAGES:
        codec.register(declared.TYPE, declared.from_wire)
    return codec
