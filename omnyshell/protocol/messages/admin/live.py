"""What is live on a hub, and ending it (docs/extensions.md#what-is-live)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import LiveSession, PeerInfo
from omnyshell.model.grammars import COUNT, FINGERPRINT_OR_NONE, UID_OR_NONE
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.messages.admin.base import AdminRequest


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
