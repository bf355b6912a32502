"""Questions that the hub asks nodes on its own account, and how their answers find back.

The ids are the hub's own, so that nodes need not know who asks; an answer counts only from the node that was asked.
What clients ask of nodes is not here: `RelayedRequests` (sessions/) passes it on.
"""

from collections.abc import Callable
from typing import Any

from omnyshell.ids import IdFactory
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.peers.peer import Peer

MAX_PENDING = 5_000
"""Answers that are waited for; a node that gives none costs no more than that."""


class NodeQuestions:
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

    def take(self, peer: Peer, answer: ControlMessage) -> bool:
        """Hand an answer to whoever asked; returns whether a question of the hub's own was open at that peer."""
        request_id = getattr(answer, "request_id", "")
        known = self._pending.get(request_id)
        if known is None or known[0] is not peer:
            return False
        del self._pending[request_id]
        known[1](answer)
        return True
