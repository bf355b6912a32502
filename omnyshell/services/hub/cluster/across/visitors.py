"""Clients of other hubs that use nodes of this one: all that they ask is decided here again."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from omnyshell.errors import ErrorCodes, ProtocolException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.limits import KIB, MIB
from omnyshell.protocol.messages import ControlMessage, NodeSessionRejected, SessionOpen
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.cluster.across.virtual_peer import VirtualPeer
from omnyshell.services.hub.cluster.links import words
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.handlers import Handler
from omnyshell.services.hub.peers.login_gate import AsNow
from omnyshell.services.hub.peers.peer import Peer

MOST_OF_A_HUB = 20_000
"""Clients of one other hub at a time."""

MOST_TOLD, A_CLIENT = 64 * MIB, 2 * KIB
"""Bytes that are kept of who they are, each of whom takes some beside what is told of it."""

MOST_HELD = 256
"""Words about one client that wait until this hub has read what the other one knew of it."""

MOST_ARRIVING, MOST_BYTES_HELD = 1_000, 16 * MIB
"""Clients of one other hub that wait for that, and bytes of the words about them; what is beyond is judged at once."""

TOLD_AGAIN = 60.0
"""Seconds in which it is told once of a hub that it passes on what cannot be read."""

CATCH_UP = 5.0
"""Seconds that they wait at most. While the engine elects a leader, this hub may read nothing for longer."""

UNKNOWN = "This login is not known at hub '{hub}', which has the node"
UNREADABLE = "Hub '{hub}', which has the node, cannot read the request: its OmnyShell wants an update"
MOVED = "The node has just left hub '{hub}': try again"
TOO_MANY = "Hub '{hub}' has too many clients of other hubs"

logger = logging.getLogger("omnyshell.cluster")

Asked = words.Open | words.Ask


@dataclass(eq=False, slots=True)
class _Arrival:
    """A client that was told of, and what it asks before this hub knows who it is."""

    held: list[Asked] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None


@dataclass(frozen=True, slots=True)
class HereServices:
    """What visitors use of this hub."""

    hub: str
    standing: Callable[[], AsNow]
    applied: Callable[[], int]
    """Returns how many changes of what is true are applied here."""

    catch_up: Callable[[int], Awaitable[object]]
    """Waits until so many are."""

    epoch_of: Callable[[str], int | None]
    """Returns the epoch by which this hub has a node that is connected here; None if it has not."""

    open: Callable[[Peer, SessionOpen, int, str], None]
    """Opens a session of the id that is given, or rejects it."""

    lacks_right: Callable[[Peer, SessionOpen, int], bool]
    """Returns whether it would be rejected for a right that is missing."""

    requests: dict[type[ControlMessage], Handler]
    """What else may be asked about sessions."""

    left: Callable[[Peer], None]
    audit: AuditLog
    metrics: HubMetrics
    codec: FrameCodec


class Visitors:
    """The virtual peers, by their links: `ConnectedPeers` too, so that revocations reach them."""

    def __init__(self) -> None:
        """Call `begin` before there are links."""
        self._begun: HereServices | None = None
        self._of_link: dict[AnyLink, dict[str, VirtualPeer]] = {}
        self._arriving: dict[tuple[AnyLink, str], _Arrival] = {}
        self._arriving_over: Counter[AnyLink] = Counter()
        self._bytes_held: Counter[AnyLink] = Counter()
        self._bytes_told: Counter[AnyLink] = Counter()
        self._unreadable: dict[str, float] = {}
        """When it was told of each hub that it passes on what cannot be read."""

    def begin(self, here: HereServices) -> None:
        """Use these services of the hub."""
        self._begun = here

    @property
    def _here(self) -> HereServices:
        if self._begun is None:
            raise RuntimeError("nobody is served yet")
        return self._begun

    # As `ConnectedPeers`

    def __iter__(self) -> Iterator[VirtualPeer]:
        return iter([visitor for theirs in self._of_link.values() for visitor in theirs.values()])

    def authenticated(self) -> list[VirtualPeer]:
        """Return all, oldest first."""
        return sorted(self, key=lambda visitor: visitor.connected_at)

    def of(self, principal: str) -> tuple[VirtualPeer, ...]:
        """Return those of a principal."""
        return tuple(visitor for visitor in self if visitor.principal.id == principal)

    # What links say

    def came(self, link: AnyLink, word: words.PeerCame) -> None:
        """A client is told of: admit it once this hub knows as much as the other one did.

        Where it has all its roles by what this hub knows already, nothing waits but what takes more than that.
        """
        key = link, word.peer
        if key in self._arriving or word.peer in self._of_link.get(link, {}):
            return
        if self._here.applied() >= word.applied or self._arriving_over[link] >= MOST_ARRIVING:
            self._admit(link, word)
            return
        arrival = self._arriving[key] = _Arrival()
        self._arriving_over[link] += 1
        if (known := self._known(word)) is not None and known.roles >= set(word.roles):
            self._admit(link, word)
        arrival.task = asyncio.create_task(self._arrive(link, word, arrival))

    def left(self, link: AnyLink, word: words.PeerLeft) -> None:
        """A client has left."""
        self._forget_arrival(link, word.peer)
        visitor = self._of_link.get(link, {}).get(word.peer)
        if visitor is not None:
            visitor.leave()

    def asked(self, link: AnyLink, word: Asked) -> None:
        """A client asks for a session, or about sessions."""
        arrival = self._arriving.get((link, word.peer))
        if arrival is not None and self._may_hold(link, word, arrival) and not self._may_open(link, word):
            # Without all else that was in its message, which it would keep.
            arrival.held.append(msgspec.structs.replace(word, request=word.request.copy()))
            self._bytes_held[link] += len(word.request)
        else:
            self._answer(link, word)

    def lost(self, link: AnyLink) -> None:
        """A link is no more, and with it all that came over it."""
        for of_link, peer in list(self._arriving):
            if of_link is link:
                self._forget_arrival(link, peer)
        for visitor in list(self._of_link.get(link, {}).values()):
            visitor.leave()
        self._of_link.pop(link, None)
        self._arriving_over.pop(link, None)
        self._bytes_held.pop(link, None)
        self._bytes_told.pop(link, None)

    # The rest

    def _may_hold(self, link: AnyLink, word: Asked, arrival: _Arrival) -> bool:
        return len(arrival.held) < MOST_HELD and self._bytes_held[link] + len(word.request) <= MOST_BYTES_HELD

    def _arrived(self, link: AnyLink, peer: str) -> _Arrival | None:
        """Return a client that was waiting for this hub, and is no more."""
        arrival = self._arriving.pop((link, peer), None)
        if arrival is not None:
            self._arriving_over[link] -= 1
            self._bytes_held[link] -= sum(len(word.request) for word in arrival.held)
        return arrival

    def _forget_arrival(self, link: AnyLink, peer: str) -> None:
        arrival = self._arrived(link, peer)
        if arrival is not None and arrival.task is not None:
            arrival.task.cancel()

    async def _arrive(self, link: AnyLink, word: words.PeerCame, arrival: _Arrival) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP):
                await self._here.catch_up(word.applied)
        if self._arrived(link, word.peer) is None:
            return
        if word.peer not in self._of_link.get(link, {}):
            self._admit(link, word)
        for held in arrival.held:
            self._answer(link, held)

    def _known(self, word: words.PeerCame) -> Principal | None:
        return self._here.standing()(Principal(PrincipalId(word.principal), frozenset(word.roles)), None)

    def _may_open(self, link: AnyLink, word: Asked) -> bool:
        """Whether a session is asked for that a client may open by what this hub knows already."""
        visitor = self._of_link.get(link, {}).get(word.peer)
        if visitor is None or not isinstance(word, words.Open):
            return False
        try:
            message = self._here.codec.decode_control(bytes(word.request)).message
        except ProtocolException:
            return False
        return isinstance(message, SessionOpen) and not self._here.lacks_right(visitor, message, word.channel)

    def _admit(self, link: AnyLink, word: words.PeerCame) -> None:
        here = self._here
        known = self._known(word)
        theirs, size = self._of_link.setdefault(link, {}), _size_of(word)
        is_full = len(theirs) >= MOST_OF_A_HUB or self._bytes_told[link] + size > MOST_TOLD
        why = UNKNOWN if known is None else TOO_MANY if is_full else ""
        here.audit.record(
            "peer.visit",
            "denied" if why else "ok",
            principal=word.principal,
            address=word.address,
            reason=why.format(hub=here.hub),
            detail=f"over hub {link.hub}",
        )
        if known is None or why:
            link.say(words.PeerEnded(word.peer, why.format(hub=here.hub)))
            return
        principal = replace(known, roles=known.roles & set(word.roles))
        theirs[word.peer] = VirtualPeer(link, word, principal, here.metrics, partial(self._has_left, size))
        self._bytes_told[link] += size

    def _has_left(self, size: int, visitor: VirtualPeer) -> None:
        theirs = self._of_link.get(visitor.link)
        if theirs is not None and theirs.pop(visitor.their_id, None) is not None:
            self._bytes_told[visitor.link] -= size
        self._here.left(visitor)

    def _answer(self, link: AnyLink, word: Asked) -> None:
        visitor = self._of_link.get(link, {}).get(word.peer)
        if visitor is None:
            self._refuse(link, word, UNKNOWN)
            return
        try:
            message = self._here.codec.decode_control(bytes(word.request)).message
        except ProtocolException as exc:
            self._tell_unreadable(link.hub, exc)
            self._here.metrics.frames_dropped += 1
            self._refuse(link, word, UNREADABLE)
            return
        if isinstance(word, words.Open):
            self._open(link, visitor, word, message)
        elif (handler := self._here.requests.get(type(message))) is None:
            self._here.metrics.frames_dropped += 1
        elif self._here.epoch_of(getattr(message, "node_id", "")) is not None:
            # One hop only: what is not here is not asked of a third hub.
            handler(visitor, message, 0)
        else:
            self._refuse(link, word, MOVED)

    def _tell_unreadable(self, hub: str, problem: ProtocolException) -> None:
        """Tell of it now and then: a hub may pass on as much of it as it likes."""
        now = time.monotonic()
        if now - self._unreadable.get(hub, -TOLD_AGAIN) >= TOLD_AGAIN:
            self._unreadable[hub] = now
            logger.warning("hub '%s' passes on what cannot be read: %s", hub, problem)

    def _open(self, link: AnyLink, visitor: VirtualPeer, word: words.Open, message: ControlMessage) -> None:
        if not isinstance(message, SessionOpen) or not link.is_theirs(word.channel) or word.channel in link.channels:
            self._here.metrics.frames_dropped += 1
        elif self._here.epoch_of(message.node_id) != word.epoch:
            self._refuse(link, word, MOVED, unused=message.ahead)
        else:
            self._here.open(visitor, message, word.channel, word.session)

    def _refuse(self, link: AnyLink, word: Asked, text: str, *, unused: bool = False) -> None:
        """Refuse a session; a request is left to the time that its own hub gives it."""
        if isinstance(word, words.Open):
            told = text.format(hub=self._here.hub)
            why = NodeSessionRejected(reason=ErrorCodes.NODE_OFFLINE, message=told, unused=unused)
            link.send_in_order(encode_control(why, word.channel), word.channel)


def _size_of(word: words.PeerCame) -> int:
    """Return how many bytes a client counts as."""
    return A_CLIENT + sum(map(len, (*word.roles, *word.features)))
