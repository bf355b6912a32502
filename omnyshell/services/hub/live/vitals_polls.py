"""Asks nodes how their machines are, while a subscriber looks (docs/extensions.md#vitals).

No I/O, and no timer: the service that samples counters calls `ask` once a second, while there are subscribers.
"""

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.vitals import MachineVitals
from omnyshell.protocol.extensions import VITALS
from omnyshell.protocol.messages.vitals import NodeVitalsRequest, NodeVitalsResponse
from omnyshell.services.hub.live.viewer import Viewer
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.peers.peer import Peer

PERIOD = 10.0
"""Seconds between two requests to a node, however many look."""

AT_ONCE = 50
"""Nodes that are asked within a second; more where there are so many that a period would not be enough for them."""

MAX_WAITING = 1_000
"""The most unanswered requests, so that nodes that do not answer cost a bounded amount of memory."""

KEPT = 3 * PERIOD
"""Seconds after which an answer does not count any more."""


class _Report(NamedTuple):
    node: Peer
    """The connection that it came over: another process may have the id by now."""

    vitals: MachineVitals
    at: float


class VitalsPolls:
    """Decides which nodes to ask, and keeps the answers."""

    def __init__(
        self, nodes: NodeRegistry, questions: NodeQuestions, clock: Clock, changed: Callable[[str], None]
    ) -> None:
        """`changed` is told the id of a node whose vitals are others than before."""
        self._nodes = nodes
        self._questions = questions
        self._clock = clock
        self._changed = changed
        self._asked_at: dict[str, float] = {}
        self._waiting: dict[str, Peer] = {}
        self._reports: dict[str, _Report] = {}

    def stop(self) -> None:
        """Forget everything."""
        self._asked_at.clear()
        self._waiting.clear()
        self._reports.clear()

    def left(self, node_id: str) -> None:
        """Note that a node disconnected."""
        self._asked_at.pop(node_id, None)
        self._waiting.pop(node_id, None)
        self._reports.pop(node_id, None)

    def find(self, node_id: str) -> MachineVitals | None:
        """Return what a node said lately; None if it said nothing."""
        report, node = self._reports.get(node_id), self._nodes.find(node_id)
        if report is None or node is None or report.node is not node.peer:
            return None
        return report.vitals if self._clock.monotonic() - report.at < KEPT else None

    def known(self) -> Collection[str]:
        """Return the nodes that have said something."""
        return self._reports.keys()

    def ask(self, viewers: Collection[Viewer]) -> None:
        """Ask the nodes that are due, of those that one of the viewers may know: those that have waited longest."""
        if not viewers:
            return
        now = self._clock.monotonic()
        due = [node for node in self._nodes.connected() if self._is_due(node, now)]
        due.sort(key=lambda node: self._asked_at.get(node.node_id, 0.0))
        room = min(max(AT_ONCE, math.ceil(len(self._nodes) / PERIOD)), MAX_WAITING - len(self._waiting))
        for node in due:
            if room <= 0:
                return
            if any(viewer.knows(node.node_id) for viewer in viewers):
                self._ask(node, now)
                room -= 1

    def _is_due(self, node: RegisteredNode, now: float) -> bool:
        id_ = node.node_id
        is_able = VITALS in node.peer.features and node.peer.is_open and self._waiting.get(id_) is not node.peer
        return is_able and now - self._asked_at.get(id_, -PERIOD) >= PERIOD

    def _ask(self, node: RegisteredNode, now: float) -> None:
        node_id, peer = node.node_id, node.peer
        self._drop_old(node_id, now)
        self._asked_at[node_id] = now
        self._waiting[node_id] = peer

        def take(answer: NodeVitalsResponse) -> None:
            if self._was_waiting(node_id, peer):
                self._reports[node_id] = _Report(peer, answer.vitals, self._clock.monotonic())
                self._changed(node_id)

        def fail(_error: OmnyShellException) -> None:
            self._was_waiting(node_id, peer)

        self._questions.ask(peer, lambda id_: NodeVitalsRequest(request_id=id_), NodeVitalsResponse, take, fail)

    def _was_waiting(self, node_id: str, peer: Peer) -> bool:
        """Wait no longer for this connection's answer; return whether it was still waited for."""
        is_waiting = self._waiting.get(node_id) is peer
        if is_waiting:
            del self._waiting[node_id]
        return is_waiting

    def _drop_old(self, node_id: str, now: float) -> None:
        report = self._reports.get(node_id)
        if report is not None and now - report.at >= KEPT:
            del self._reports[node_id]
            self._changed(node_id)
