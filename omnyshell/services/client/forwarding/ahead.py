"""Connections that are asked for before anybody connects, so that who does waits for no answer but the target's."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from omnyshell.errors import OmnyShellException
from omnyshell.model.targets import Target
from omnyshell.services.client.session import RemoteSession

KEPT = 60.0
"""Seconds for which a connection is kept that nobody uses: an idle forward has none."""

PAUSE = 60.0
"""Seconds in which none is asked for after one was refused, or lost, though its permission was held."""


class _Kept(NamedTuple):
    session: RemoteSession
    end: asyncio.TimerHandle


class ConnectionsAhead:
    """One for each target that was led to lately. Nothing is dialled for it before it is used."""

    def __init__(self, ask: Callable[[Target], RemoteSession | None]) -> None:
        """`ask` asks for one ahead; it returns None, or raises `OmnyShellException`, where that cannot be."""
        self._ask = ask
        self._kept: dict[Target, _Kept] = {}
        self._not_before = 0.0

    def take(self, target: Target) -> RemoteSession | None:
        """Return the one that there is, whose owner the caller is from now on."""
        kept = self._kept.pop(target, None)
        if kept is None:
            return None
        kept.end.cancel()
        if not kept.session.is_opening:
            # It was refused or lost; or its node made it at once, so that nobody knows how its target fares.
            kept.session.close()
            self._not_before = asyncio.get_running_loop().time() + PAUSE
            return None
        kept.session.is_spare = False
        return kept.session

    def prepare(self, target: Target) -> None:
        """Ask for one, unless it is there, or one could not be had a short while ago."""
        loop = asyncio.get_running_loop()
        if target in self._kept or loop.time() < self._not_before:
            return
        try:
            session = self._ask(target)
        except OmnyShellException:
            return
        if session is not None:
            session.is_spare = True
            self._kept[target] = _Kept(session, loop.call_later(KEPT, self._let_go, target))

    def begin_anew(self) -> None:
        """Let go of all, as the permission under which they were asked for is lost: what became of them tells nothing.

        Under the next one some can be asked for at once.
        """
        self.close()
        self._not_before = 0.0

    def close(self) -> None:
        """Let go of all."""
        for target in list(self._kept):
            self._let_go(target)

    def _let_go(self, target: Target) -> None:
        kept = self._kept.pop(target)
        kept.end.cancel()
        kept.session.close()
