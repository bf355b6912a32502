"""Asks for sessions at other hubs that this one refuses, as it cannot reach the hub of their node."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from omnyshell.errors import OmnyShellException, SessionRejectedException
from omnyshell.services.client.openings import Ask
from omnyshell.services.client.session import RemoteSession

MOST_HUBS_ASKED = 4
"""Hubs at which a session is asked for, one after another."""


class _Refused(NamedTuple):
    ask: Ask
    problem: SessionRejectedException
    """What the first hub said, which is what is said in the end."""

    times: int


class Elsewhere:
    """Has a client go to another hub for the sessions that are refused, and asks for all of them there at once."""

    def __init__(self, go: Callable[[], Awaitable[bool]]) -> None:
        """`go` leaves the hub for another one, and returns whether it did. Raises `OmnyShellException`."""
        self._go = go
        self._refused: dict[RemoteSession, _Refused] = {}
        """All that were refused and have not ended; those that are asked for again now, too."""

        self._moving: set[RemoteSession] = set()
        self._task: asyncio.Task[None] | None = None

    def take(self, ask: Ask, session: RemoteSession, problem: SessionRejectedException) -> bool:
        """Have a session be asked for at another hub, by `ask`, or be given up; False where it was often enough."""
        self._refused = {other: refused for other, refused in self._refused.items() if other.is_opening}
        before = self._refused.get(session, _Refused(ask, problem, 1))
        if before.times == MOST_HUBS_ASKED:
            session.give_up(before.problem)
            return False
        self._refused[session] = before._replace(times=before.times + 1)
        self._moving.add(session)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._move())
        return True

    async def close(self) -> None:
        """Give up all sessions that wait. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end(has_gone=False)

    async def _move(self) -> None:
        while self._moving:
            try:
                has_gone = await self._go()
            except OmnyShellException:
                has_gone = False
            self._end(has_gone=has_gone)

    def _end(self, *, has_gone: bool) -> None:
        moving, self._moving = self._moving, set()
        for session in moving:
            if not session.is_opening:
                # It ended on the way, and nothing may be known of it any more.
                continue
            refused = self._refused[session]
            if has_gone:
                _ask(refused.ask, session)
            else:
                session.give_up(refused.problem)


def _ask(ask: Ask, session: RemoteSession) -> None:
    try:
        ask(session)
    except OmnyShellException as exc:
        session.give_up(exc)
