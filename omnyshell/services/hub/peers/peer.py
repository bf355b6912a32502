"""What all parts of the hub need of a connection."""

from collections.abc import Iterator
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from omnyshell.errors import ErrorCodes
from omnyshell.model.live import LivePeer
from omnyshell.model.principals import Principal
from omnyshell.security.authenticators import Evidence
from omnyshell.services.hub.peers.far_end import FarEnd


class Peer(FarEnd, Protocol):
    """A connection of this hub, which has a principal once it has logged in."""

    @property
    def is_logged_in(self) -> bool:
        """Whether the connection has logged in."""

    @property
    def principal(self) -> Principal:
        """Who logged in. Raises `RuntimeError` before that."""

    @property
    def evidence(self) -> Evidence | None:
        """What the login was accepted for, where that is known."""

    @property
    def role(self) -> str:
        """What the peer says it is; empty before its hello."""

    @property
    def address(self) -> str:
        """The peer's IP address."""

    @property
    def connected_at(self) -> datetime:
        """When the connection was accepted."""

    @property
    def has_room(self) -> bool:
        """Whether what is sent now goes out at once, or waits for little."""

    @property
    def queued_bytes(self) -> int:
        """How many bytes wait to be sent."""

    @property
    def silent_for(self) -> float:
        """Seconds since something last came from the peer."""

    @property
    def round_trip(self) -> float | None:
        """Seconds between the last ping that was answered and its answer; None before the first."""

    @property
    def has_said_goodbye(self) -> bool:
        """Whether the connection has ended with the peer's own close, so that the peer was alive."""

    def describe(self) -> LivePeer:
        """The connection as it is told. Raises `RuntimeError` before the login."""

    def ping(self) -> None:
        """Have `round_trip` measured anew."""

    def fail(self, code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:
        """Send a fatal `error` and close 4400."""

    def close(self, code: int, reason: str) -> None:
        """Close with this code."""

    def evict(self, code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:
        """End what the connection holds at once, and the connection soon, whether the peer answers or not.

        `retry_after` are seconds after which the peer may connect again.
        """

    def send_away(self, code: int, reason: str) -> None:
        """End what the connection holds at once, and the connection soon; the peer may come back."""


PeerT = TypeVar("PeerT", bound=Peer)


class Peers(Generic[PeerT]):
    """The connections of a hub, and those of each principal that has logged in."""

    def __init__(self) -> None:
        self._all: set[PeerT] = set()
        self._of: dict[str, set[PeerT]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[PeerT]:
        return iter(tuple(self._all))

    def authenticated(self) -> list[PeerT]:
        """Return the connections that have logged in, oldest first."""
        found = (peer for theirs in self._of.values() for peer in theirs)
        return sorted(found, key=lambda peer: peer.connected_at)

    def of(self, principal: str) -> tuple[PeerT, ...]:
        """Return the connections of a principal."""
        return tuple(self._of.get(principal, ()))

    def add(self, peer: PeerT) -> None:
        """Enter a connection that nobody has logged in on."""
        self._all.add(peer)

    def logged_in(self, peer: PeerT) -> None:
        """Somebody has logged in on a connection."""
        self._of.setdefault(peer.principal.id, set()).add(peer)

    def discard(self, peer: PeerT) -> None:
        """Forget a connection. Idempotent."""
        self._all.discard(peer)
        if peer.is_logged_in and (mine := self._of.get(peer.principal.id)) is not None:
            mine.discard(peer)
            if not mine:
                del self._of[peer.principal.id]
