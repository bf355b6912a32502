"""Registrations that wait for an answer; later messages on their connections wait too.

See docs/architecture.md#a-registration-is-asked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.protocol.handshake import CLOSE_TRY_AGAIN_LATER
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.answer import Answer

ANSWER_TIMEOUT = 12.0
"""Seconds after which a waiting node is disconnected, to try again; less than nodes wait for answers to heartbeats."""

MAX_HELD = 32
"""The most messages that wait on one connection. An unanswered node sends its capabilities, and then only
heartbeats."""

UNANSWERED = "the registration was not answered in time"
TOO_MUCH = "Too much came before the registration was answered"


@dataclass(eq=False, slots=True)
class _Asked:
    until: float
    held: list[Callable[[], None]] = field(default_factory=list)


class PendingRegistrations:
    """No I/O. A connection asks for one id at a time: check `is_asked`, and `hold` its later messages, in order.

    If the answer is there already, nothing is pending, and it is handled within the call.
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
        taken: Callable[[int], None],
        refused: Callable[[OmnyShellException], None],
    ) -> None:
        """Call `taken` with what was given, or `refused`, when the answer comes.

        Neither is called where the connection has ended, or waited too long.
        """
        if claim.is_there:
            claim.then(taken, refused)
            return
        asked = self._asked[peer] = _Asked(self._clock.monotonic() + ANSWER_TIMEOUT)
        claim.then(
            lambda given: self._answered(peer, asked, partial(taken, given), asked.held),
            # What followed was said by who took the answer for granted.
            lambda problem: self._answered(peer, asked, partial(refused, problem), []),
        )

    def hold(self, peer: Peer, handle: Callable[[], None]) -> None:
        """Have `handle` called after the answer; a connection with too many waiting messages fails."""
        held = self._asked[peer].held
        if len(held) < MAX_HELD:
            held.append(handle)
        else:
            self.forget(peer)
            peer.fail(ErrorCodes.CAPACITY_EXCEEDED, TOO_MUCH)

    def forget(self, peer: Peer) -> None:
        """Forget a connection that ended: its answer is ignored. Idempotent."""
        self._asked.pop(peer, None)

    def expire(self, now: float) -> None:
        """Disconnect nodes that have waited too long; `now` on the monotonic clock."""
        for peer in [peer for peer, asked in self._asked.items() if now >= asked.until]:
            self.forget(peer)
            peer.send_away(CLOSE_TRY_AGAIN_LATER, UNANSWERED)

    def _answered(self, peer: Peer, asked: _Asked, follow: Callable[[], None], held: list[Callable[[], None]]) -> None:
        if self._asked.get(peer) is not asked:
            return
        self.forget(peer)
        for handle in (follow, *held):
            # A held message may end the connection, or ask again; in that case the rest is held again.
            if peer.is_open:
                handle()
