"""A node's or client's side of a WebSocket connection. Compression is off, proxies are not used."""

from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.protocol import Event
from websockets.uri import WebSocketURI

from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.transport.link import WebSocketLink
from omnyshell.transport.tls import shown_certificate
from omnyshell.transport.websocket_protocol import quiet_logger

if TYPE_CHECKING:
    from omnyshell.transport.link_handler import LinkHandler


class ClientLink(WebSocketLink):
    """A connection from this peer to a hub."""

    def __init__(self, handler: "LinkHandler", host: str, port: int, path: str) -> None:
        uri = WebSocketURI(secure=True, host=host, port=port, path=path, query="")
        self._client = ClientProtocol(uri, extensions=None, max_size=MAX_MESSAGE_FROM_HUB, logger=quiet_logger)
        super().__init__(self._client, handler, f"{host}:{port}")

    @property
    def refusal(self) -> str:
        """Why the upgrade failed: the server's answer; "" while the WebSocket is open."""
        return str(self._client.handshake_exc or "")

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate that the peer presented in TLS, in DER."""
        return shown_certificate(self._transport)

    def begin_handshake(self) -> None:
        """Send the upgrade request."""
        self._client.send_request(self._client.connect())
        self._flush_protocol()

    def handshake_event(self, event: Event) -> None:
        """Handle the hub's answer; a refusal ends the connection."""
        if isinstance(event, Response) and self.is_open:
            self._opened()
