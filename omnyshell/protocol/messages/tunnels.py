"""Tunnels: opening, listing, closing, and the connections through them (wire protocol section 6)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import HOST, HOST_OR_NONE, PORT, PRINCIPAL_OR_NONE, TUNNEL_ID, TUNNEL_ID_OR_NONE
from omnyshell.model.schema import ANSWERED, FREE, OMIT, OMIT_EMPTY
from omnyshell.model.tunnels import TunnelInfo, TunnelProtocol
from omnyshell.protocol.messages.base import ChannelMessage
from omnyshell.protocol.messages.detached import Outcome, Request


class TunnelOpenRequest(Request, kw_only=True):
    """A client asks for a public port. `protocol` stays text here, so that an unknown one can be refused."""

    TYPE: ClassVar[str] = "tunnel.open.request"

    node_id: Annotated[str, ANSWERED]
    target_host: Annotated[str, ANSWERED] = "localhost"
    target_port: Annotated[int, ANSWERED]
    public_port: Annotated[int | None, OMIT, ANSWERED] = None
    secure: Annotated[bool, OMIT] = False
    protocol: Annotated[str, OMIT, ANSWERED] = TunnelProtocol.TCP.value


class TunnelOpened(Request, kw_only=True):
    """The tunnel is open; an empty host means the hub's own name."""

    TYPE: ClassVar[str] = "tunnel.opened"

    tunnel_id: Annotated[str, TUNNEL_ID]
    public_host: Annotated[str, HOST_OR_NONE] = ""
    public_port: Annotated[int, PORT]
    secure: Annotated[bool, OMIT] = False
    protocol: Annotated[TunnelProtocol, OMIT] = TunnelProtocol.TCP


class TunnelRejected(Request, kw_only=True):
    """The hub refused the tunnel."""

    TYPE: ClassVar[str] = "tunnel.rejected"

    reason: Annotated[str, FREE] = "tunnel_rejected"
    message: Annotated[str, FREE] = "Tunnel rejected"


class TunnelCloseRequest(Request, kw_only=True):
    """Closes one of the caller's tunnels, by id or unambiguous prefix."""

    TYPE: ClassVar[str] = "tunnel.close.request"

    tunnel_ref: Annotated[str, ANSWERED]


class TunnelCloseResponse(Outcome):
    """Whether the tunnel was closed."""

    TYPE: ClassVar[str] = "tunnel.close.response"


class TunnelListRequest(Request):
    """Lists the caller's tunnels."""

    TYPE: ClassVar[str] = "tunnel.list.request"


class TunnelListResponse(Request, kw_only=True):
    """The caller's tunnels."""

    TYPE: ClassVar[str] = "tunnel.list.response"

    tunnels: tuple[TunnelInfo, ...] = ()


class NodeTunnelConnect(ChannelMessage, kw_only=True):
    """The hub asks the exposer to connect to a target."""

    TYPE: ClassVar[str] = "node.tunnel.connect"

    tunnel_id: Annotated[str, TUNNEL_ID]
    target_host: Annotated[str, HOST] = "localhost"
    target_port: Annotated[int, PORT]
    principal: Annotated[str, PRINCIPAL_OR_NONE] = ""


class NodeTunnelConnected(ChannelMessage, kw_only=True):
    """The exposer is connected to the target."""

    TYPE: ClassVar[str] = "node.tunnel.connected"

    tunnel_id: Annotated[str, TUNNEL_ID_OR_NONE] = ""


class NodeTunnelConnectFailed(ChannelMessage, kw_only=True):
    """The exposer could not, or may not, connect to the target."""

    TYPE: ClassVar[str] = "node.tunnel.connect.failed"

    tunnel_id: Annotated[str, TUNNEL_ID_OR_NONE] = ""
    reason: Annotated[str, FREE] = "dial_failed"
    message: Annotated[str | None, OMIT_EMPTY, FREE] = None
