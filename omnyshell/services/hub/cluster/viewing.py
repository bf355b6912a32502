"""Over links: what is live at other hubs is asked for, and told to them (docs/architecture.md#one-view)."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from omnyshell.clock import Clock
from omnyshell.model.live import HubLease, LiveHub
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.cluster.links.link import AnyLink, Stage
from omnyshell.services.hub.cluster.links.links import HubLinks
from omnyshell.services.hub.cluster.links.words import ViewAsked, ViewLeft, ViewTold
from omnyshell.services.hub.cluster.places.leases import Standing
from omnyshell.services.hub.cluster.shared.known_hubs import KnownHub
from omnyshell.services.hub.cluster.shared.places import SharedPlaces

LEASES = {
    Standing.HELD: HubLease.HELD,
    Standing.ENGINE_AWAY: HubLease.ENGINE_AWAY,
    Standing.LAPSED: HubLease.LAPSED,
}


class HearsHubs(Protocol):
    """Who is told what other hubs say. None of it may raise."""

    def came_up(self, hub: str) -> None:
        """There is a link with that hub."""

    def went_down(self, hub: str) -> None:
        """There is none any more."""

    def asked(self, hub: str, number: int, receiver: "LinkReceiver", *, looks: bool) -> None:
        """That hub wants to be told what is live here."""

    def looked(self, hub: str, *, looks: bool) -> None:
        """That hub wants to be told of nodes' vitals too, or of these no more."""

    def left(self, hub: str) -> None:
        """That hub wants to be told nothing any more."""

    def told(self, hub: str, raw: bytes) -> None:
        """That hub tells what is live there."""


class LinkReceiver:
    """Has a hub told what is live here: one message at a time, ahead of the data of sessions."""

    def __init__(self, link: AnyLink) -> None:
        self._link = link

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self._link.stage is Stage.UP

    @property
    def has_room(self) -> bool:
        """Whether no message waits that would go ahead of data."""
        return self._link.link.has_urgent_room

    def send(self, message: ControlMessage) -> None:
        """Send a message."""
        self._link.say(ViewTold(msgspec.Raw(encode_control(message))))


class HubViews:
    """The other hubs, as a hub's live view needs them. Until `follow` is called there are no links."""

    def __init__(self, own: str, places: SharedPlaces, applied: Callable[[], int], clock: Clock) -> None:
        self.own = own
        """The id of this hub."""

        self._places = places
        self._applied = applied
        self._clock = clock
        self._links: HubLinks | None = None
        self._hears: HearsHubs | None = None

    def hear(self, hears: HearsHubs) -> None:
        """Tell this of what other hubs say from now on. Call it before `follow`."""
        self._hears = hears

    def follow(self, links: HubLinks) -> None:
        """Use these links from now on."""
        hears = self._hears
        if hears is None:
            return
        self._links = links
        links.on(ViewAsked, self._asked)
        links.on(ViewLeft, lambda link, _word: hears.left(link.hub))
        links.on(ViewTold, lambda link, word: hears.told(link.hub, bytes(word.message)))
        links.on_up.append(lambda link: hears.came_up(link.hub))
        links.on_down.append(lambda link: hears.went_down(link.hub))

    def up(self) -> Collection[str]:
        """Return the hubs with which there are links."""
        return self._links.up() if self._links is not None else ()

    def hubs(self) -> Sequence[LiveHub]:
        """Return what is known of each member, this hub too."""
        known = self._places.known_hubs()
        own = next((each for each in known if each.hub == self.own), KnownHub(self.own))
        return [self._described(each, own) for each in known]

    def ask(self, hub: str, number: int, *, looks: bool) -> None:
        """Ask a hub to tell what is live there, from a snapshot on, with nodes' vitals or without."""
        self._say(hub, ViewAsked(number, vitals=looks))

    def look(self, hub: str, *, looks: bool) -> None:
        """Ask a hub for nodes' vitals too, or for these no more."""
        self._say(hub, ViewAsked(0, vitals=looks))

    def leave(self, hub: str) -> None:
        """Ask a hub to tell nothing any more."""
        self._say(hub, ViewLeft())

    def _say(self, hub: str, word: ViewAsked | ViewLeft) -> None:
        link = self._links.to(hub) if self._links is not None else None
        if link is not None:
            link.say(word)

    def _asked(self, link: AnyLink, word: ViewAsked) -> None:
        if self._hears is None:
            return
        if word.number:
            self._hears.asked(link.hub, word.number, LinkReceiver(link), looks=word.vitals)
        else:
            self._hears.looked(link.hub, looks=word.vitals)

    def _described(self, known: KnownHub, own: KnownHub) -> LiveHub:
        is_own = known.hub == self.own
        ago, since, mine = known.heard_ago, self._linked_since(known.hub), own.files
        # While the engine is away a living link says as much of a hub as its lease did.
        is_away = since is not None and own.standing is Standing.ENGINE_AWAY
        return LiveHub(
            hub=known.hub,
            is_told=is_own,
            own=is_own,
            place=known.links,
            url=known.url,
            is_handing_over=not known.weight,
            link_since=since,
            lease=HubLease.ENGINE_AWAY if is_away else _lease(known),
            heard_at=self._clock.now() - timedelta(seconds=ago) if ago is not None else None,
            applied=self._applied() if is_own else known.applied,
            nodes=known.nodes,
            unknown_change=known.unknown,
            doubted=known.doubted,
            clock_off=round(known.clock_off),
            unlike=tuple(sorted(name for name, digest in known.files.items() if mine.get(name, digest) != digest)),
        )

    def _linked_since(self, hub: str) -> datetime | None:
        return self._links.up().get(hub) if self._links is not None else None


def _lease(known: KnownHub) -> HubLease:
    if known.standing is not None:
        return LEASES[known.standing]
    if known.heard_ago is None:
        return HubLease.UNKNOWN
    if known.has_stopped:
        return HubLease.STOPPED
    if not known.is_there:
        return HubLease.LAPSED
    return HubLease.SILENT if known.is_silent else HubLease.HELD
