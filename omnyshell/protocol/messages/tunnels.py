"""Tunnels: opening, listing, closing, and the connections through them (docs/protocol.md#tunnels)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import COUNT, HOST, HOST_OR_NONE, PORT, PRINCIPAL_OR_NONE, TUNNEL_ID, TUNNEL_ID_OR_NONE
from omnyshell.model.schema import ANSWERED, FREE, OMIT, OMIT_EMPTY
from omnyshell.model.tunnels import TunnelInfo, TunnelProtocol
from omnyshell.protocol.messages.base import ChannelMessage, Way
from omnyshell.protocol.messages.detached import Outcome, Request


class TunnelOpenRequest(Request, kw_only=True):
    """A client asks for a public port.

    `protocol` stays text here, so that an unknown one can be refused.
    """

    TYPE: ClassVar[str] = "tunnel.open.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    node_id: Annotated[str, ANSWERED]
    """The node that connects to the target; `@local`, or nothing, for the asking client itself."""

    target_host: Annotated[str, ANSWERED] = "localhost"
    """The target's host, as the exposer finds it."""

    target_port: Annotated[int, ANSWERED]
    """The target's port."""

    public_port: Annotated[int | None, OMIT, ANSWERED] = None
    """The hub's port; any that is free where it is missing."""

    secure: Annotated[bool, OMIT] = False
    """Whether the hub speaks TLS with the outside."""

    protocol: Annotated[str, OMIT, ANSWERED] = TunnelProtocol.TCP.value
    """`tcp` for bytes, `http` for requests that get forwarding headers."""

    persist: Annotated[bool, OMIT] = False
    """Of `kept-tunnels`: whether it is to come back with the hub and its node."""


class TunnelOpened(Request, kw_only=True):
    """The tunnel is open."""

    TYPE: ClassVar[str] = "tunnel.opened"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    tunnel_id: Annotated[str, TUNNEL_ID]
    """The tunnel's id."""

    public_host: Annotated[str, HOST_OR_NONE] = ""
    """Where it is reached; empty for the hub's own name."""

    public_port: Annotated[int, PORT]
    """The hub's port."""

    secure: Annotated[bool, OMIT] = False
    """Whether the hub speaks TLS with the outside."""

    protocol: Annotated[TunnelProtocol, OMIT] = TunnelProtocol.TCP
    """`tcp` or `http`."""


class TunnelRejected(Request, kw_only=True):
    """The hub refused the tunnel."""

    TYPE: ClassVar[str] = "tunnel.rejected"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    reason: Annotated[str, FREE] = "tunnel_rejected"
    """Why, as a code."""

    message: Annotated[str, FREE] = "Tunnel rejected"
    """Why, in words."""


class TunnelCloseRequest(Request, kw_only=True):
    """Closes one of the caller's tunnels."""

    TYPE: ClassVar[str] = "tunnel.close.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    tunnel_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""


class TunnelCloseResponse(Outcome):
    """Whether the tunnel was closed."""

    TYPE: ClassVar[str] = "tunnel.close.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT


class TunnelListRequest(Request):
    """Lists the caller's tunnels."""

    TYPE: ClassVar[str] = "tunnel.list.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class TunnelListResponse(Request, kw_only=True):
    """The caller's tunnels."""

    TYPE: ClassVar[str] = "tunnel.list.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "tunnels"

    tunnels: tuple[TunnelInfo, ...] = ()
    """The tunnels that the caller opened."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """Of `rights`: how many are not told of, as there was no room."""


class NodeTunnelConnect(ChannelMessage, kw_only=True):
    """The hub asks the exposer to connect to a target."""

    TYPE: ClassVar[str] = "node.tunnel.connect"
    WAY: ClassVar[Way] = Way.HUB_TO_EXPOSER

    tunnel_id: Annotated[str, TUNNEL_ID]
    """The tunnel that somebody connected to."""

    target_host: Annotated[str, HOST] = "localhost"
    """The target's host."""

    target_port: Annotated[int, PORT]
    """The target's port."""

    principal: Annotated[str, PRINCIPAL_OR_NONE] = ""
    """Who opened the tunnel."""


class NodeTunnelConnected(ChannelMessage, kw_only=True):
    """The exposer is connected to the target."""

    TYPE: ClassVar[str] = "node.tunnel.connected"
    WAY: ClassVar[Way] = Way.EXPOSER_TO_HUB

    tunnel_id: Annotated[str, TUNNEL_ID_OR_NONE] = ""
    """That of the request."""


class NodeTunnelConnectFailed(ChannelMessage, kw_only=True):
    """The exposer could not, or may not, connect to the target."""

    TYPE: ClassVar[str] = "node.tunnel.connect.failed"
    WAY: ClassVar[Way] = Way.EXPOSER_TO_HUB

    tunnel_id: Annotated[str, TUNNEL_ID_OR_NONE] = ""
    """That of the request."""

    reason: Annotated[str, FREE] = "dial_failed"
    """`dial_failed`, or `forbidden` where the exposer does not allow the target."""

    message: Annotated[str | None, OMIT_EMPTY, FREE] = None
    """Why, in words."""
