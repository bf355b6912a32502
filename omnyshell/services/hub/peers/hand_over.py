"""Tells peers which other hubs there are, and hands them over to those (docs/extensions.md#hubs)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from omnyshell.model.hubs import OtherHub
from omnyshell.protocol.extensions import HUBS
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.hubs import HubsChanged, HubsMove
from omnyshell.services.hub.peers.peer import ConnectedPeers, Peer

MOST_TOLD = 256
"""Peers that are told of a change at a time."""

SLOWEST = 10.0
"""Peers that are handed over in a second at least."""

logger = logging.getLogger("omnyshell.hub")


SPREAD, TIMEOUT = 2.5, 5.0
"""Seconds over which peers are handed over before a hub stops, and in which they may go."""


class Remaining(NamedTuple):
    """How many are still connected."""

    nodes: int
    clients: int


class HandOver:
    """Call `tick` about twice a second. Nodes go first, so that clients find them elsewhere already."""

    def __init__(
        self,
        peers: ConnectedPeers,
        others: Callable[[], tuple[OtherHub, ...]],
        is_any_there: Callable[[], bool] = lambda: False,
        announce: Callable[[bool], None] = lambda _is_under_way: None,
    ) -> None:
        """`others` returns the other hubs; `is_any_there` tells whether one of them takes peers.

        `announce` tells them whether this one hands its peers over.
        """
        self.is_any_there = is_any_there
        self._peers = peers
        self._others = others
        self._announce = announce
        self._told: tuple[OtherHub, ...] = ()
        self._to_tell: deque[Peer] = deque()
        self._sent: set[str] = set()
        self._rate = SLOWEST
        self._at: float | None = None
        self._over = asyncio.Event()
        self.is_under_way = False
        """Whether peers are handed over, so that the hub takes no new nodes."""

    def begin(self, within: float, now: float) -> None:
        """Hand all over that know how, spread over `within` seconds; `now` on the monotonic clock. Idempotent."""
        self._rate = max(SLOWEST, len(self._waiting()) / within if within > 0 else float("inf"))
        if not self.is_under_way:
            logger.warning("the hub hands its peers over to other hubs")
            self.is_under_way, self._at = True, now
            self._announce(True)

    async def hand_all_over(self, now: float) -> None:
        """Hand all over where another hub is there, and return when they have gone, or after a while.

        `tick` has to be called meanwhile.
        """
        if not self.is_any_there():
            return
        self.begin(SPREAD, now)
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                await self._over.wait()

    def end(self) -> None:
        """Take peers again; who has gone stays where it is. Idempotent."""
        if self.is_under_way:
            logger.warning("the hub takes peers again")
            self.is_under_way = False
            self._sent.clear()
            self._over.clear()
            self._announce(False)

    def remaining(self) -> Remaining:
        """Return how many are connected."""
        nodes = sum(peer.role == Role.NODE for peer in self._peers.authenticated())
        return Remaining(nodes, len(self._peers.authenticated()) - nodes)

    def is_over(self) -> bool:
        """Whether nobody is connected any more that knows how to go."""
        return not any(HUBS in peer.features for peer in self._peers.authenticated())

    def tick(self, now: float) -> None:
        """Tell of changes, and hand over who is due."""
        self._tell_changes()
        if self.is_under_way:
            self._hand_over(now)
            if self.is_over():
                self._over.set()

    def welcome(self) -> tuple[OtherHub, ...]:
        """Return the other hubs, for a peer that comes; where they have changed, all others are told soon."""
        if (others := self._others()) != self._told:
            self._told = others
            self._to_tell = deque(peer for peer in self._peers.authenticated() if HUBS in peer.features)
        return self._told

    def _tell_changes(self) -> None:
        self.welcome()
        for _ in range(min(MOST_TOLD, len(self._to_tell))):
            peer = self._to_tell.popleft()
            if peer.is_open:
                peer.send(HubsChanged(hubs=self._told))

    def _hand_over(self, now: float) -> None:
        passed, self._at = now - (self._at if self._at is not None else now), now
        waiting = self._waiting()
        for peer in waiting[: max(1, round(min(len(waiting), self._rate * passed)))]:
            self._sent.add(peer.id)
            peer.send(HubsMove())

    def _waiting(self) -> list[Peer]:
        """Return who is to be handed over and was not told so: nodes first."""
        found = [peer for peer in self._peers.authenticated() if HUBS in peer.features and peer.id not in self._sent]
        return sorted(found, key=lambda peer: peer.role != Role.NODE)
