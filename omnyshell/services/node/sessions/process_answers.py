"""Answers the hub's questions about what runs in sessions (docs/extensions.md#vitals)."""

from collections.abc import Callable, Mapping

from omnyshell.model.vitals import SessionProcess
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.vitals import (
    MOST_PROCESSES,
    NodeSessionProcessesRequest,
    NodeSessionProcessesResponse,
)
from omnyshell.services.node.sessions.registry import NodeSessions
from omnyshell.services.node.vitals.apart import apart
from omnyshell.services.node.vitals.processes import processes_of

MOST_AT_ONCE = 8
"""The most questions that are answered at a time, a thread each."""

BUSY = "Too many requests at once"

Find = Callable[[Mapping[int, str]], list[SessionProcess]]


class ProcessAnswers:
    """Looks for the processes of sessions, each time in a thread."""

    def __init__(self, sessions: NodeSessions, find: Find = processes_of) -> None:
        self._sessions = sessions
        self._find = find
        self._looking = 0

    def answer(self, ask: NodeSessionProcessesRequest, reply: Callable[[ControlMessage], None]) -> None:
        """Answer a question soon, in the event loop's thread."""
        if self._looking >= MOST_AT_ONCE:
            reply(NodeSessionProcessesResponse(request_id=ask.request_id, message=BUSY))
            return
        self._looking += 1
        leaders, none = self._leaders(ask.principal), list[SessionProcess]()

        def finish(found: list[SessionProcess]) -> None:
            self._looking -= 1
            told, rest = tuple(found[:MOST_PROCESSES]), max(0, len(found) - MOST_PROCESSES)
            reply(NodeSessionProcessesResponse(request_id=ask.request_id, ok=True, processes=told, left_out=rest))

        apart(lambda: self._find(leaders), finish, none)

    def _leaders(self, principal: str) -> dict[int, str]:
        """Return the ids of sessions by those of their leaders: the principal's, or everyone's where it is empty."""
        asked = (session for session in self._sessions.running() if principal in ("", session.owner))
        return {session.pid: session.id for session in asked if session.pid is not None}
