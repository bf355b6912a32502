"""Questions that the hub asks nodes on its own account, and how their answers find back.

The ids are the hub's own, so that nodes need not know who asks; an answer counts only from the node that was asked.
"""

from collections.abc import Callable, Mapping
from typing import Any

from omnyshell.ids import IdFactory
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsResponse,
)
from omnyshell.protocol.messages.events import NodeLiveSessionsResponse
from omnyshell.services.hub.peers import Peer
from omnyshell.services.hub.role_service import Handler

MAX_PENDING = 5_000
"""Answers that are waited for; a node that gives none costs no more than that."""


ANSWERS: tuple[type[ControlMessage], ...] = (
    NodeDetachedSessionsResponse,
    NodeDetachedSessionKillResponse,
    NodeLiveSessionsResponse,
)
"""What nodes answer to questions of the hub's own."""


class OwnRequests:
    """The questions that are open. Answers that never come are forgotten when there are too many of them."""

    def __init__(self, new_id: IdFactory) -> None:
        self._new_id = new_id
        self._pending: dict[str, tuple[Peer, Callable[[Any], None]]] = {}

    def expect(self, peer: Peer, take: Callable[[Any], None]) -> str:
        """Return the id for a question to `peer`, whose answer `take` gets."""
        while len(self._pending) >= MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        request_id = self._new_id()
        self._pending[request_id] = (peer, take)
        return request_id

    def before(self, handlers: Mapping[type[ControlMessage], Handler]) -> dict[type[ControlMessage], Handler]:
        """Return a node service's handlers, with the answers to our own questions taken out."""
        return {**handlers, **{kind: self._first(handlers.get(kind)) for kind in ANSWERS}}

    def _first(self, otherwise: Handler | None) -> Handler:
        def handle(peer: Peer, message: ControlMessage, channel: int) -> None:
            request_id = getattr(message, "request_id", "")
            known = self._pending.get(request_id)
            if known is not None and known[0] is peer:
                del self._pending[request_id]
                known[1](message)
            elif otherwise is not None:
                otherwise(peer, message, channel)

        return handle
