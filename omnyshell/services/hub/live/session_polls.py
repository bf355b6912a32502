"""Asks nodes for their shells, while there are subscribers to sessions (docs/extensions.md#events).

Only nodes know their detached shells, what runs in them, and when they expire. A node is asked when it connects, when a
session was detached on it, and every few seconds while it has shells. A node that announced `events` answers for all
principals at once; another is asked for each principal separately.
"""

from collections.abc import Callable, Iterable

from omnyshell.clock import Clock
from omnyshell.protocol.extensions import EVENTS, SESSION_USAGE
from omnyshell.protocol.messages import NodeDetachedSessionsRequest, NodeDetachedSessionsResponse
from omnyshell.protocol.messages.events import NodeLiveSessionsRequest, NodeLiveSessionsResponse
from omnyshell.services.hub.live.sessions import LiveSessions
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.kept_judge import keeps_sessions

ASK_AGAIN = 5.0
"""Seconds between requests to a node that has shells."""

MAX_ASKED = 200
"""The most requests at a time, once a second, so that thousands of nodes are not asked all at once."""

MAX_NAMES = 50
"""Principals for which a node without the extension is asked when it connects."""


class SessionPolls:
    """Decides which nodes to ask, and stores the answers."""

    def __init__(
        self,
        sessions: LiveSessions,
        nodes: NodeRegistry,
        questions: NodeQuestions,
        clock: Clock,
        names: Callable[[], Iterable[str]],
    ) -> None:
        self._sessions = sessions
        self._nodes = nodes
        self._questions = questions
        self._clock = clock
        self._names = names
        """Returns all principals that can log in, as far as they can be listed."""

        self._new: dict[str, None] = {}
        self._asked_at: dict[str, float] = {}

    def start(self) -> None:
        """Start, with all nodes due to be asked."""
        self._new = dict.fromkeys(node.node_id for node in self._nodes.connected())

    def stop(self) -> None:
        """Stop asking."""
        self._new.clear()
        self._asked_at.clear()

    def came(self, node_id: str) -> None:
        """Note that a node connected, or sent its capabilities, and is due to be asked."""
        self._new[node_id] = None

    def left(self, node_id: str) -> None:
        """Note that a node disconnected."""
        self._new.pop(node_id, None)
        self._asked_at.pop(node_id, None)

    def ask(self) -> None:
        """Ask the nodes that are due."""
        now = self._clock.monotonic()
        self._new.update(dict.fromkeys(self._sessions.unsure))
        self._sessions.unsure.clear()
        asked = 0
        while self._new and asked < MAX_ASKED:
            node_id = next(iter(self._new))
            del self._new[node_id]
            asked += self._ask(node_id, now, is_new=True)
        for node_id in sorted(self._sessions.nodes_with_shells(), key=lambda id_: self._asked_at.get(id_, 0.0)):
            if asked >= MAX_ASKED or now - self._asked_at.get(node_id, 0.0) < ASK_AGAIN:
                return
            asked += self._ask(node_id, now, is_new=False)

    def _ask(self, node_id: str, now: float, *, is_new: bool) -> int:
        """Ask a node; return how many requests that took."""
        self._asked_at[node_id] = now
        node = self._nodes.find(node_id)
        if node is None or not node.peer.is_open:
            return 0
        if EVENTS in node.peer.features:
            self._ask_for_all(node, node.peer, now)
            return 1
        if not keeps_sessions(node):
            if node.capabilities is not None:
                # What was there when it was lost has ended with it.
                self._sessions.report(node_id, (), now)
            return 0
        names = self._sessions.owners_at(node_id)
        if is_new:
            names = names.union(list(self._names())[:MAX_NAMES])
        for name in names:
            self._ask_for(node, node.peer, name, now)
        return len(names)

    def _ask_for_all(self, node: RegisteredNode, peer: Peer, now: float) -> None:
        def take(answer: NodeLiveSessionsResponse) -> None:
            if self._nodes.find(node.node_id) is node:
                self._sessions.report(node.node_id, answer.sessions, now)

        usage = SESSION_USAGE in node.peer.features
        self._questions.ask(
            peer, lambda id_: NodeLiveSessionsRequest(request_id=id_, usage=usage), NodeLiveSessionsResponse, take
        )

    def _ask_for(self, node: RegisteredNode, peer: Peer, principal: str, now: float) -> None:
        def take(answer: NodeDetachedSessionsResponse) -> None:
            if self._nodes.find(node.node_id) is node:
                self._sessions.report(node.node_id, answer.sessions, now, principal)

        self._questions.ask(
            peer,
            lambda id_: NodeDetachedSessionsRequest(request_id=id_, principal=principal),
            NodeDetachedSessionsResponse,
            take,
        )
