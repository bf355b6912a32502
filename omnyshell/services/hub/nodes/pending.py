"""Registrations that are asked for: what follows on their connections waits for the answer.

See docs/architecture.md#a-registration-is-asked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.protocol.handshake import CLOSE_TRY_AGAIN_LATER
from omnyshell.services.hub.ground.answer import Answer
from omnyshell.services.hub.peers.peer import Peer

ANSWER_TIMEOUT = 10.0
"""Seconds after which a node is sent away, to ask again; shorter than any node waits for its heartbeats' answers."""

MAX_HELD = 32
"""Messages that wait on one connection. A node that has not been answered says what it can, and then beats."""

UNANSWERED = "the registration was not answered in time"
TOO_MUCH = "Too much came before the registration was answered"


@dataclass(eq=False, slots=True)
class _Asked:
    until: float
    held: list[Callable[[], None]] = field(default_factory=list)


class PendingRegistrations:
    """A plain object. A connection asks for one at a time: check `is_asked`, and `hold` what comes, in its order.

    Where an answer is there already, nothing is pending, and what follows is done within the call.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[Peer, _Asked] = {}

    def is_asked(self, peer: Peer) -> bool:
        """Whether the connection waits for an answer."""
        return peer in self._asked

    def ask(
        self,
        peer: Peer,
        claim: Answer[int],
        taken: Callable[[], None],
        refused: Callable[[OmnyShellException], None],
    ) -> None:
        """Have one of the two done when the answer is there, unless the connection has ended or waited too long."""
        if claim.is_there:
            claim.then(lambda _: taken(), refused)
            return
        asked = self._asked[peer] = _Asked(self._clock.monotonic() + ANSWER_TIMEOUT)
        claim.then(
            lambda _: self._answered(peer, asked, taken, asked.held),
            # What followed was said by who took the answer for granted.
            lambda problem: self._answered(peer, asked, partial(refused, problem), []),
        )

    def hold(self, peer: Peer, handle: Callable[[], None]) -> None:
        """Have a message dealt with behind the answer; a connection on which too many wait fails."""
        held = self._asked[peer].held
        if len(held) < MAX_HELD:
            held.append(handle)
        else:
            self.forget(peer)
            peer.fail(ErrorCodes.CAPACITY_EXCEEDED, TOO_MUCH)

    def forget(self, peer: Peer) -> None:
        """The connection has ended: whatever the answer is, nothing follows. Idempotent."""
        self._asked.pop(peer, None)

    def expire(self, now: float) -> None:
        """Send those away that have waited too long; `now` on the monotonic clock."""
        for peer in [peer for peer, asked in self._asked.items() if now >= asked.until]:
            self.forget(peer)
            peer.send_away(CLOSE_TRY_AGAIN_LATER, UNANSWERED)

    def _answered(self, peer: Peer, asked: _Asked, follow: Callable[[], None], held: list[Callable[[], None]]) -> None:
        if self._asked.get(peer) is not asked:
            return
        self.forget(peer)
        for handle in (follow, *held):
            # What follows may end the connection, or ask anew: then the rest is held by that.
            if peer.is_open:
                handle()
