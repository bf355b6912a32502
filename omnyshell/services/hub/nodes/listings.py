"""The lists of nodes that clients wait for. Each is made in steps, as one of many thousands takes seconds."""

import asyncio
from collections import deque
from collections.abc import Callable

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes
from omnyshell.protocol.messages import NodeListResponse
from omnyshell.services.hub.nodes.listing import Steps
from omnyshell.services.hub.peers.peer import Peer

MOST_WAITING = 256
"""Lists that one connection may wait for."""

TOO_MANY = "Too many lists of nodes are waited for"


class Listings:
    """Makes one list at a time, a step in each turn of the loop, for the waiting connections in turns.

    So one list is in memory at a time. One that takes a single step, as on most hubs, is answered within the call.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Peer, deque[Callable[[], Steps]]] = {}
        self._making: Steps | None = None
        """The first list of the first connection that waits, if it was begun."""

        self._turn: asyncio.Handle | None = None

    def ask(self, peer: Peer, begin: Callable[[], Steps]) -> None:
        """Answer a connection with a list, after those for which it waits; one that waits for too many fails."""
        waiting = self._waiting.setdefault(peer, deque())
        if len(waiting) >= MOST_WAITING:
            peer.fail(ErrorCodes.CAPACITY_EXCEEDED, TOO_MANY)
            return
        waiting.append(begin)
        if self._turn is None:
            self._step()

    def left(self, peer: Peer) -> None:
        """Forget what a connection waits for. Idempotent."""
        if peer is next(iter(self._waiting), None):
            self._making = None
        self._waiting.pop(peer, None)

    def _go_on(self) -> None:
        self._turn = None
        peer = next(iter(self._waiting), None)
        if peer is not None:
            began = self._clock.monotonic()
            self._step()
            peer.worked(self._clock.monotonic() - began)

    def _step(self) -> None:
        """Take a step, and have the next one follow in another turn."""
        peer, waiting = next(iter(self._waiting.items()))
        if self._making is None:
            self._making = waiting.popleft()()
        steps, self._making = self._making, None
        try:
            next(steps)
            self._making = steps
        except StopIteration as made:
            self._answer(peer, made.value)
        finally:
            if self._making is None and self._waiting.get(peer) is waiting:
                # The next list is that of another connection, if one waits.
                del self._waiting[peer]
                if waiting:
                    self._waiting[peer] = waiting
            if self._waiting:
                self._turn = asyncio.get_running_loop().call_soon(self._go_on)

    def _answer(self, peer: Peer, made: NodeListResponse) -> None:
        if peer.is_open:
            peer.send(made)
