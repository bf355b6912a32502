"""What principals have just had done to sessions: a node may confirm it before the session ends or is detached."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from omnyshell.clock import Clock
from omnyshell.ids import matches_ref
from omnyshell.services.hub.sessions.route import Session

REMEMBERED_FOR = 10.0
"""Seconds in which the output before a session's end reaches its client, or is given up."""

MOST = 1_000


class _Act(NamedTuple):
    node_id: str
    owner: str
    session_ref: str
    who: str
    at: datetime
    until: float


class Acts:
    """The endings and detachings of the last seconds that nodes have confirmed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._acts: deque[_Act] = deque(maxlen=MOST)

    def note(self, node_id: str, owner: str, session_ref: str, who: str) -> None:
        """Note that a node has done to a session what `who` asked for."""
        until = self._clock.monotonic() + REMEMBERED_FOR
        self._acts.append(_Act(node_id, owner, session_ref, who, self._clock.now(), until))

    def on(self, session: Session) -> Iterator[str]:
        """Yield who had something done to a session since it was attached."""
        return (
            act.who
            for act in self._acts
            if (act.node_id, act.owner) == (session.node_id, session.principal)
            and session.created_at <= act.at
            and matches_ref(session.id, act.session_ref)
        )

    def expire(self, now: float) -> None:
        """Forget what was done long ago; `now` on the monotonic clock."""
        while self._acts and now >= self._acts[0].until:
            self._acts.popleft()
