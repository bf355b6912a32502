"""What is live on a hub, and ending it (docs/extensions.md#what-is-live)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import PeerInfo, SessionInfo
from omnyshell.model.grammars import COUNT, FINGERPRINT_OR_NONE, UID_OR_NONE
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way


class HubInfoRequest(AdminRequest, kw_only=True):
    """Asks what this hub is."""

    TYPE: ClassVar[str] = "admin.hub.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class HubInfoResponse(AdminRequest, kw_only=True):
    """What this hub is."""

    TYPE: ClassVar[str] = "admin.hub.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    hub_uid: Annotated[str, UID_OR_NONE]
    """The hub's UID."""

    version: Annotated[str, FREE]
    """The version of its software."""

    started_at: datetime
    """When it started."""

    peers: Annotated[int, COUNT] = 0
    """How many connections have logged in."""

    nodes: Annotated[int, COUNT] = 0
    """How many nodes are connected."""

    sessions: Annotated[int, COUNT] = 0
    """How many sessions go through it."""

    tunnels: Annotated[int, COUNT] = 0
    """How many tunnels are open."""

    ca_fingerprint: Annotated[str, FINGERPRINT_OR_NONE] = ""
    """The fingerprint that joining peers check its certificate against; empty if it has no such certificate."""


class PeersRequest(AdminRequest, kw_only=True):
    """Asks for the connections that have logged in."""

    TYPE: ClassVar[str] = "admin.peers.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class PeersResponse(AdminRequest, kw_only=True):
    """The connections, oldest first."""

    TYPE: ClassVar[str] = "admin.peers.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "peers"

    peers: tuple[PeerInfo, ...] = ()
    """The connections, oldest first."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class PeerDrop(AdminRequest, kw_only=True):
    """Ends a connection, with the sessions and tunnels it holds."""

    TYPE: ClassVar[str] = "admin.peer.drop"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    peer_id: Annotated[str, ANSWERED]
    """The connection."""


class LiveSessionsRequest(AdminRequest, kw_only=True):
    """Asks for the sessions of everyone."""

    TYPE: ClassVar[str] = "admin.sessions.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class LiveSessionsResponse(AdminRequest, kw_only=True):
    """The sessions, oldest first."""

    TYPE: ClassVar[str] = "admin.sessions.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "sessions"

    sessions: tuple[SessionInfo, ...] = ()
    """The sessions, oldest first."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class SessionEnd(AdminRequest, kw_only=True):
    """Ends any session, and what runs in it. A detached one is found by node and owner."""

    TYPE: ClassVar[str] = "admin.session.close"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    session_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""

    node_id: Annotated[str | None, OMIT, ANSWERED] = None
    """Where it waits, if it is detached."""

    principal: Annotated[str | None, OMIT, ANSWERED] = None
    """Its owner, if it is detached."""


class AllTunnelsRequest(AdminRequest, kw_only=True):
    """Asks for the tunnels of everyone."""

    TYPE: ClassVar[str] = "admin.tunnels.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class AllTunnelsResponse(AdminRequest, kw_only=True):
    """The tunnels, by public port."""

    TYPE: ClassVar[str] = "admin.tunnels.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "tunnels"

    tunnels: tuple[TunnelInfo, ...] = ()
    """The tunnels, sorted by public port."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class TunnelEnd(AdminRequest, kw_only=True):
    """Closes any tunnel."""

    TYPE: ClassVar[str] = "admin.tunnel.close"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    tunnel_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""
