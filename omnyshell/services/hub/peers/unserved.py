"""Answers, at once, to requests that this hub does not serve (docs/protocol.md#what-is-not-served)."""

from collections.abc import Callable, Mapping
from typing import Any

from omnyshell.protocol.messages import (
    AiConfigRequest,
    AiConfigResponse,
    ControlMessage,
    DriveCredentialRequest,
    DriveCredentialResponse,
    HttpProxyRequest,
    HttpProxyResponse,
)
from omnyshell.services.hub.peers.peer import Peer

NOT_SERVED = "This hub does not serve this request"

Answer = Callable[[Any], ControlMessage]

UNSERVED: Mapping[type[ControlMessage], Answer] = {
    AiConfigRequest: lambda ask: AiConfigResponse(request_id=ask.request_id),
    HttpProxyRequest: lambda ask: HttpProxyResponse(request_id=ask.request_id, error=NOT_SERVED),
    DriveCredentialRequest: lambda ask: DriveCredentialResponse(request_id=ask.request_id, message=NOT_SERVED),
}


def answer_at_once(peer: Peer, request: ControlMessage, _channel: int) -> None:
    """Answer a request that is not served."""
    peer.send(UNSERVED[type(request)](request))
