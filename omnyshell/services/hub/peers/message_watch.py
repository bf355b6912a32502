"""Ends connections with messages that do not complete: with too many bytes, or for too long."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from omnyshell.errors import ErrorCodes
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.in_steps import a_few
from omnyshell.services.hub.peers.peer import Peer

LOOK_PERIOD = 2.0
"""Seconds between checks of unfinished messages."""


class Writing(Peer, Protocol):
    """A connection whose messages are watched as they arrive."""

    @property
    def unfinished_message(self) -> int:
        """A number that identifies the incomplete message; 0 if there is none."""

    def cut_off(self, code: ErrorCodes, text: str) -> None:
        """End the connection shortly, and read nothing more from it."""


class MessageWatch:
    """`timeout` is how many seconds a message may take to arrive."""

    def __init__(self, peers: Iterable[Writing], audit: AuditLog, timeout: float) -> None:
        self._peers = peers
        self._audit = audit
        self._timeout = timeout
        self._next_look = 0.0
        self._arriving: dict[Writing, tuple[int, float]] = {}
        """The unfinished message of each connection, and since when it has been arriving."""

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on."""
        self._timeout = config.message_timeout

    def sweep(self, now: float) -> Iterator[None]:
        """End connections whose message takes too long, in steps; `now` are the seconds for which the hub has run."""
        if now < self._next_look:
            return
        self._next_look = now + LOOK_PERIOD
        before, self._arriving = self._arriving, {}
        for some in a_few(tuple(self._peers)):
            for peer in some:
                self._judge(peer, before.get(peer), now)
            yield

    def _judge(self, peer: Writing, before: tuple[int, float] | None, now: float) -> None:
        message = peer.unfinished_message if peer.is_logged_in else 0
        if not message:
            return
        known, since = before or (0, now)
        self._arriving[peer] = (message, since if known == message else now)
        if known == message and now - since >= self._timeout:
            self._end(peer, ErrorCodes.TIMEOUT, f"A message took longer than {self._timeout:g} s to arrive")

    def too_much(self, peer: Writing, why: str) -> None:
        """End a connection because of too many bytes of unfinished messages."""
        self._end(peer, ErrorCodes.CAPACITY_EXCEEDED, why)

    def _end(self, peer: Writing, code: ErrorCodes, why: str) -> None:
        self._audit.record(
            "peer.limited", "denied", principal=peer.principal.id, address=peer.address, reason=code, detail=why
        )
        peer.cut_off(code, why)
