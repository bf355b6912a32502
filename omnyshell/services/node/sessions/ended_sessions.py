"""Ended sessions, kept while a client may ask how they ended (extensions `resume-offset` and `screen-etag`)."""

import asyncio
from collections.abc import Iterator

from omnyshell.services.node.sessions.session import NodeSession

SCREEN_TIME = 600.0
"""Seconds for which the last screen and exit code of a shell can be asked for."""

MOST = 256


class EndedSessions:
    """Keeps of ended sessions the unsent output and the exit for `tail_time` seconds, and a shell's screen longer."""

    def __init__(self, tail_time: float) -> None:
        self._tail_time = tail_time
        self._sessions: dict[str, NodeSession] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def has(self, session_id: str) -> bool:
        """Tell whether a session of that id is kept."""
        return session_id in self._sessions

    def __iter__(self) -> Iterator[NodeSession]:
        return iter(self._sessions.values())

    def add(self, session: NodeSession) -> None:
        """Keep a session that has ended; if there are too many, forget the oldest."""
        if len(self._sessions) >= MOST:
            self.forget(next(iter(self._sessions.values())))
        self._sessions[session.id] = session
        self._timers[session.id] = asyncio.get_running_loop().call_later(self._tail_time, self.settle, session)

    def settle(self, session: NodeSession) -> None:
        """Drop the rest of the output, as the client has it or its time is up. A shell's screen is kept for a while."""
        if session.id not in self._sessions:
            return
        self._stop_timer(session)
        if session.is_shell:
            session.let_go()
            later = asyncio.get_running_loop().call_later(SCREEN_TIME, self.forget, session)
            self._timers[session.id] = later
        else:
            self.forget(session)

    def forget(self, session: NodeSession) -> None:
        """Forget a session altogether. Idempotent."""
        if self._sessions.pop(session.id, None) is not None:
            self._stop_timer(session)
            session.close()

    def close(self) -> None:
        """Forget all of them."""
        for session in list(self._sessions.values()):
            self.forget(session)

    def leave_behind(self) -> None:
        """Leave all of them to the node's next process."""
        for session in list(self._sessions.values()):
            self._stop_timer(session)
            session.leave_behind()
        self._sessions.clear()

    def _stop_timer(self, session: NodeSession) -> None:
        timer = self._timers.pop(session.id, None)
        if timer is not None:
            timer.cancel()
