"""Tunnels: opening, listing, closing, and the connections through them (wire protocol section 6)."""

from typing import Annotated, ClassVar

from omnyshell.model.schema import OMIT, OMIT_EMPTY
from omnyshell.model.tunnels import TunnelInfo, TunnelProtocol
from omnyshell.protocol.messages.base import ChannelMessage
from omnyshell.protocol.messages.detached import Outcome, Request


class TunnelOpenRequest(Request, kw_only=True):
    """A client asks for a public port. `protocol` stays text here, so that an unknown one can be refused."""

    TYPE: ClassVar[str] = "tunnel.open.request"

    node_id: str
    target_host: str = "localhost"
    target_port: int
    public_port: Annotated[int | None, OMIT] = None
    secure: Annotated[bool, OMIT] = False
    protocol: Annotated[str, OMIT] = TunnelProtocol.TCP.value


class TunnelOpened(Request, kw_only=True):
    """The tunnel is open; an empty host means the hub's own name."""

    TYPE: ClassVar[str] = "tunnel.opened"

    tunnel_id: str
    public_host: str = ""
    public_port: int
    secure: Annotated[bool, OMIT] = False
    protocol: Annotated[TunnelProtocol, OMIT] = TunnelProtocol.TCP


class TunnelRejected(Request, kw_only=True):
    """The hub refused the tunnel."""

    TYPE: ClassVar[str] = "tunnel.rejected"

    reason: str = "tunnel_rejected"
    message: str = "Tunnel rejected"


class TunnelCloseRequest(Request, kw_only=True):
    """Closes one of the caller's tunnels, by id or unambiguous prefix."""

    TYPE: ClassVar[str] = "tunnel.close.request"

    tunnel_ref: str


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

    tunnel_id: str
    target_host: str = "localhost"
    target_port: int
    principal: str = ""


class NodeTunnelConnected(ChannelMessage, kw_only=True):
    """The exposer is connected to the target."""

    TYPE: ClassVar[str] = "node.tunnel.connected"

    tunnel_id: str = ""


class NodeTunnelConnectFailed(ChannelMessage, kw_only=True):
    """The exposer could not, or may not, connect to the target."""

    TYPE: ClassVar[str] = "node.tunnel.connect.failed"

    tunnel_id: str = ""
    reason: str = "dial_failed"
    message: Annotated[str | None, OMIT_EMPTY] = None
