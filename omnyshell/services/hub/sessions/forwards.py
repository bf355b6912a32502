"""A principal's forwards, as they ask for them (docs/extensions.md#forward)."""

from omnyshell.ids import matches_ref
from omnyshell.model.forwards import ForwardInfo
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.messages.forwards import (
    ForwardCloseRequest,
    ForwardCloseResponse,
    ForwardsRequest,
    ForwardsResponse,
)
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.services.hub.sessions.router import SessionRouter

NOT_ONE = "No such forward, or more than one whose id begins so"


class ForwardAnswers:
    """Lists and closes forwards of whoever asks, over whichever connection they were opened."""

    def __init__(self, router: SessionRouter, broker: HubBroker) -> None:
        self._router = router
        self._broker = broker

    def list_requested(self, client: Peer, request: ForwardsRequest, _channel: int) -> None:
        """List the caller's forwards."""
        found = sorted(self._of(client), key=lambda route: route.session.created_at)
        client.send(ForwardsResponse(request_id=request.request_id, forwards=tuple(map(_described, found))))

    def close_requested(self, client: Peer, request: ForwardCloseRequest, _channel: int) -> None:
        """Close one of the caller's forwards."""
        ref = request.forward_ref
        found = [route for route in self._of(client) if ref and matches_ref(route.session.id, ref)]
        found = [route for route in found if route.session.id == ref] or found
        problem = NOT_ONE if len(found) != 1 else None
        if problem is None:
            self._broker.end(found[0], CloseReason.ERROR, "The forward was closed from elsewhere")
        client.send(ForwardCloseResponse(request_id=request.request_id, ok=problem is None, message=problem))

    def _of(self, client: Peer) -> list[SessionRoute]:
        owner = client.principal.id
        return [route for route in self._router if route.is_permission and route.session.principal == owner]


def _described(route: SessionRoute) -> ForwardInfo:
    bytes_in, bytes_out = route.carried
    return ForwardInfo(
        session_id=route.session.id,
        node_id=route.session.node_id,
        places=route.session.command,
        address=route.client.address,
        created_at=route.session.created_at,
        connections=route.counters.connections,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
    )
