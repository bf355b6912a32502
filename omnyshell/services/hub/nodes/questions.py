"""Questions that the hub asks nodes on its own account, and how their answers find back.

A plain object with a clock. The ids are the hub's own, so that nodes need not know who asks; an answer counts only from
the node that was asked, and only one of the kind that was asked for. What clients ask of nodes is not here:
`RelayedRequests` (sessions/) passes it on.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, OmnyShellException, OmnyShellTimeoutException, TransportException
from omnyshell.ids import IdFactory
from omnyshell.protocol.limits import RELAYED_REQUEST_TIMEOUT
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.peers.peer import Peer

ANSWER_TIMEOUT = RELAYED_REQUEST_TIMEOUT
"""Seconds that a node gets, as long as it gets for what clients ask."""

MAX_PENDING = 5_000
"""Answers that are waited for; a node that gives none costs no more than that."""

AnswerT = TypeVar("AnswerT", bound=ControlMessage)


class _Question(NamedTuple):
    """What a node was asked, and has not answered."""

    node: Peer
    answered_by: type[ControlMessage]
    deadline: float
    take: Callable[[Any], None]
    fail: Callable[[OmnyShellException], None]


def _ignore(_error: OmnyShellException) -> None:
    """What follows where nobody is told."""


class NodeQuestions:
    """The questions that are open, oldest first. Each ends once: with its answer, its time or its node's connection."""

    def __init__(self, clock: Clock, new_id: IdFactory) -> None:
        self._clock = clock
        self._new_id = new_id
        self._pending: dict[str, _Question] = {}
        self._of_node: dict[Peer, dict[str, None]] = {}
        """The ids of what each node has been asked; thousands of nodes may leave at once."""

    def __len__(self) -> int:
        return len(self._pending)

    def ask(
        self,
        node: Peer,
        question: Callable[[str], ControlMessage],
        answered_by: type[AnswerT],
        take: Callable[[AnswerT], None],
        fail: Callable[[OmnyShellException], None] = _ignore,
    ) -> None:
        """Send a node what `question` makes for a request id. `take` gets its answer, or `fail` why there is none.

        `fail` gets a `TransportException` where the node's connection has ended, also before this, and an
        `OmnyShellTimeoutException` where it took too long, or too much else was asked meanwhile. Neither may raise.
        """
        if not node.is_open:
            fail(_gone())
            return
        while len(self._pending) >= MAX_PENDING:
            self._end(next(iter(self._pending)), OmnyShellTimeoutException("too many answers of nodes are waited for"))
        request_id = self._new_id()
        deadline = self._clock.monotonic() + ANSWER_TIMEOUT
        self._pending[request_id] = _Question(node, answered_by, deadline, take, fail)
        self._of_node.setdefault(node, {})[request_id] = None
        node.send(question(request_id))

    def answered(self, node: Peer, answer: ControlMessage) -> bool:
        """Hand an answer to whoever asked; returns whether it answers a question of the hub's own to that node."""
        request_id = getattr(answer, "request_id", "")
        known = self._pending.get(request_id)
        if known is None or known.node is not node or type(answer) is not known.answered_by:
            return False
        self._forget(request_id)
        known.take(answer)
        return True

    def node_gone(self, node: Peer) -> None:
        """A node's connection ended: it answers nothing any more. Idempotent."""
        for request_id in tuple(self._of_node.get(node, ())):
            self._end(request_id, _gone())

    def expire(self, now: float) -> None:
        """End what nodes have not answered in time; `now` on the monotonic clock."""
        late = []
        for request_id, asked in self._pending.items():
            if now < asked.deadline:
                break
            late.append(request_id)
        for request_id in late:
            self._end(request_id, OmnyShellTimeoutException(f"the node did not answer within {ANSWER_TIMEOUT:g} s"))

    def _end(self, request_id: str, error: OmnyShellException) -> None:
        # One that ended before may have ended this one too.
        if (asked := self._forget(request_id)) is not None:
            asked.fail(error)

    def _forget(self, request_id: str) -> _Question | None:
        asked = self._pending.pop(request_id, None)
        if asked is not None:
            of_node = self._of_node[asked.node]
            del of_node[request_id]
            if not of_node:
                del self._of_node[asked.node]
        return asked


def _gone() -> TransportException:
    return TransportException("the node's connection has ended", code=ErrorCodes.NODE_OFFLINE)
