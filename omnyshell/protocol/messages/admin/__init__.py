"""Administration over the wire and joining by invite (docs/extensions.md#admin).

Codecs do not know these messages by default: a peer that uses them registers them, see `register`.
"""

from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.messages.admin.audit import (
    AuditAcknowledge,
    AuditPageRequest,
    AuditPageResponse,
    AuditRequest,
    AuditResponse,
)
from omnyshell.protocol.messages.admin.base import AdminRequest, AdminResult
from omnyshell.protocol.messages.admin.draining import HubDrain, HubDrainingRequest, HubDrainingResponse
from omnyshell.protocol.messages.admin.hub_members import HubInvite, HubInvited, HubRemove
from omnyshell.protocol.messages.admin.invites import (
    InviteCreate,
    InviteCreated,
    InviteRevoke,
    InvitesRequest,
    InvitesResponse,
)
from omnyshell.protocol.messages.admin.joining import JoinAccepted, JoinRefused, JoinRequest
from omnyshell.protocol.messages.admin.live import (
    AllTunnelsRequest,
    AllTunnelsResponse,
    HubInfoRequest,
    HubInfoResponse,
    LiveSessionsRequest,
    LiveSessionsResponse,
    PeerDrop,
    PeersRequest,
    PeersResponse,
    SessionEnd,
    TunnelEnd,
)
from omnyshell.protocol.messages.admin.locks import LockAdd, LockRemove, LocksRequest, LocksResponse
from omnyshell.protocol.messages.admin.nodes import (
    AccessRequest,
    AccessResponse,
    NodeLabelsSet,
    NodeRecordsRequest,
    NodeRecordsResponse,
    NodeRelease,
)
from omnyshell.protocol.messages.admin.principals import (
    CredentialRevoke,
    KeyAdd,
    PrincipalAdd,
    PrincipalRevoke,
    PrincipalRoles,
    PrincipalsRequest,
    PrincipalsResponse,
    TokenAdd,
    TokenAdded,
    TokenRotate,
)
from omnyshell.protocol.messages.base import ControlMessage

__all__ = [
    "AccessRequest",
    "AccessResponse",
    "AdminRequest",
    "AdminResult",
    "AllTunnelsRequest",
    "AllTunnelsResponse",
    "AuditAcknowledge",
    "AuditPageRequest",
    "AuditPageResponse",
    "AuditRequest",
    "AuditResponse",
    "CredentialRevoke",
    "HubDrain",
    "HubDrainingRequest",
    "HubDrainingResponse",
    "HubInfoRequest",
    "HubInfoResponse",
    "HubInvite",
    "HubInvited",
    "HubRemove",
    "InviteCreate",
    "InviteCreated",
    "InviteRevoke",
    "InvitesRequest",
    "InvitesResponse",
    "JoinAccepted",
    "JoinRefused",
    "JoinRequest",
    "KeyAdd",
    "LiveSessionsRequest",
    "LiveSessionsResponse",
    "LockAdd",
    "LockRemove",
    "LocksRequest",
    "LocksResponse",
    "NodeLabelsSet",
    "NodeRecordsRequest",
    "NodeRecordsResponse",
    "NodeRelease",
    "PeerDrop",
    "PeersRequest",
    "PeersResponse",
    "PrincipalAdd",
    "PrincipalRevoke",
    "PrincipalRoles",
    "PrincipalsRequest",
    "PrincipalsResponse",
    "SessionEnd",
    "TokenAdd",
    "TokenAdded",
    "TokenRotate",
    "TunnelEnd",
]

MESSAGES: tuple[type[ControlMessage], ...] = tuple(
    globals()[name] for name in __all__ if hasattr(globals()[name], "TYPE")
)


def register(codec: FrameCodec) -> FrameCodec:
    """Teach a codec these messages; returns it."""
    return codec.learn(MESSAGES)
