"""The hub's own requests to nodes, and the delivery of their answers.

No I/O. The request ids are the hub's own. An answer counts only if it comes from the node that was asked, and is of the
expected type. Clients' requests to nodes are relayed by `RelayedRequests` (sessions/).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, OmnyShellException, OmnyShellTimeoutException, TransportException
from omnyshell.ids import IdFactory
from omnyshell.protocol.limits import RELAYED_REQUEST_TIMEOUT
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.peers.far_end import FarEnd

ANSWER_TIMEOUT = RELAYED_REQUEST_TIMEOUT
"""Seconds for an answer: the same as for clients' requests."""

MAX_PENDING = 5_000
"""The most pending requests, so that nodes that do not answer cost a bounded amount of memory."""

AnswerT = TypeVar("AnswerT", bound=ControlMessage)


class _Question(NamedTuple):
    """A request that a node has not answered."""

    node: FarEnd
    answered_by: type[ControlMessage]
    deadline: float
    take: Callable[[Any], None]
    fail: Callable[[OmnyShellException], None]


def _ignore(_error: OmnyShellException) -> None:
    """The default for `fail`: do nothing."""


class NodeQuestions:
    """The pending requests, oldest first. Each ends once: by its answer, a timeout or the loss of its node."""

    def __init__(self, clock: Clock, new_id: IdFactory) -> None:
        self._clock = clock
        self._new_id = new_id
        self._pending: dict[str, _Question] = {}
        self._of_node: dict[FarEnd, dict[str, None]] = {}
        """The ids of what each node has been asked; thousands of nodes may leave at once."""

    def __len__(self) -> int:
        return len(self._pending)

    def ask(
        self,
        node: FarEnd,
        question: Callable[[str], ControlMessage],
        answered_by: type[AnswerT],
        take: Callable[[AnswerT], None],
        fail: Callable[[OmnyShellException], None] = _ignore,
        send: Callable[[ControlMessage], None] | None = None,
    ) -> None:
        """Send a node the request that `question` makes for a request id. `take` gets the answer, or `fail` an error.

        The error is a `TransportException` if the node's connection has ended, also before this call, and an
        `OmnyShellTimeoutException` if it took too long, or too many others were asked since. Neither function may
        raise. `send` sends it, if it is not just sent to the node.
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
        (send or node.send)(question(request_id))

    def answered(self, node: FarEnd, answer: ControlMessage) -> bool:
        """Deliver an answer; return whether it answers a request of the hub's own to that node."""
        request_id = getattr(answer, "request_id", "")
        known = self._pending.get(request_id)
        if known is None or known.node is not node or type(answer) is not known.answered_by:
            return False
        self._forget(request_id)
        known.take(answer)
        return True

    def answered_by_hub(self, hub: str, answer: ControlMessage) -> bool:
        """Deliver another hub's answer; return whether it answers a request to a node of that hub."""
        known = self._pending.get(getattr(answer, "request_id", ""))
        return known is not None and known.node.hub == hub and self.answered(known.node, answer)

    def node_gone(self, node: FarEnd) -> None:
        """Fail the requests to a node whose connection ended. Idempotent."""
        for request_id in tuple(self._of_node.get(node, ())):
            self._end(request_id, _gone())

    def expire(self, now: float) -> None:
        """Fail overdue requests; `now` on the monotonic clock."""
        late = []
        for request_id, asked in self._pending.items():
            if now < asked.deadline:
                break
            late.append(request_id)
        for request_id in late:
            self._end(request_id, OmnyShellTimeoutException(f"the node did not answer within {ANSWER_TIMEOUT:g} s"))

    def _end(self, request_id: str, error: OmnyShellException) -> None:
        # The failure of one request may have ended this one too.
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
