"""The port through which the hub's parts use a connection."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
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
        """The logged-in principal. Raises `RuntimeError` before the login."""

    @property
    def evidence(self) -> Evidence | None:
        """The evidence for which the login was accepted, if known."""

    @property
    def most_roles(self) -> frozenset[str] | None:
        """The roles of its login at another hub, beyond which it has none here; None for a connection of this hub."""

    @property
    def role(self) -> str:
        """The role in the peer's `hello`; "" before it."""

    @property
    def address(self) -> str:
        """The peer's IP address."""

    @property
    def connected_at(self) -> datetime:
        """When the connection was accepted."""

    @property
    def has_room(self) -> bool:
        """Whether a message sent now goes out at once, or after little else."""

    @property
    def queued_bytes(self) -> int:
        """How many bytes wait to be sent."""

    @property
    def silent_for(self) -> float:
        """Seconds since the peer last sent anything."""

    @property
    def round_trip(self) -> float | None:
        """The last measured round trip in seconds; None before the first."""

    @property
    def has_said_goodbye(self) -> bool:
        """Whether the peer answered or sent a close, so that it was alive at the end."""

    def describe(self) -> LivePeer:
        """The connection as a value. Raises `RuntimeError` before the login."""

    def worked(self, seconds: float) -> None:
        """Count work that was done for the peer later than its message was taken, toward how fast it is read."""

    def ping(self) -> None:
        """Send a ping, to measure `round_trip` again."""

    def fail(self, code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:
        """Send a fatal `error` and close 4400."""

    def close(self, code: int, reason: str) -> None:
        """Close with this code."""

    def evict(self, code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:
        """End its sessions and tunnels at once, and the connection shortly after, even if the peer does not answer.

        `retry_after` are seconds after which the peer may connect again.
        """

    def send_away(self, code: int, reason: str) -> None:
        """End its sessions and tunnels at once, and the connection shortly after; the peer may reconnect."""


class ConnectedPeers(Protocol):
    """The connections of a hub, as those that look them up see them."""

    def __iter__(self) -> Iterator[Peer]:
        """Return all connections, logged in or not."""

    def authenticated(self) -> Sequence[Peer]:
        """Return the connections that have logged in, oldest first."""

    def of(self, principal: str) -> tuple[Peer, ...]:
        """Return the logged-in connections of a principal."""


class PeersTogether:
    """Several kinds of connections as one."""

    def __init__(self, *kinds: ConnectedPeers) -> None:
        self._kinds = kinds

    def __iter__(self) -> Iterator[Peer]:
        return chain.from_iterable(self._kinds)

    def authenticated(self) -> list[Peer]:
        """Return the connections that have logged in, oldest first."""
        found = (peer for kind in self._kinds for peer in kind.authenticated())
        return sorted(found, key=lambda peer: peer.connected_at)

    def of(self, principal: str) -> tuple[Peer, ...]:
        """Return the logged-in connections of a principal."""
        return tuple(peer for kind in self._kinds for peer in kind.of(principal))


PeerT = TypeVar("PeerT", bound=Peer)


class Peers(Generic[PeerT]):
    """The connections of a hub, and the logged-in ones by principal."""

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
        """Return the logged-in connections of a principal."""
        return tuple(self._of.get(principal, ()))

    def add(self, peer: PeerT) -> None:
        """Add a connection before its login."""
        self._all.add(peer)

    def logged_in(self, peer: PeerT) -> None:
        """Note the login of a connection."""
        self._of.setdefault(peer.principal.id, set()).add(peer)

    def discard(self, peer: PeerT) -> None:
        """Remove a connection. Idempotent."""
        self._all.discard(peer)
        if peer.is_logged_in and (mine := self._of.get(peer.principal.id)) is not None:
            mine.discard(peer)
            if not mine:
                del self._of[peer.principal.id]
