"""What a hub knows of each member, as it is shown to people."""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from omnyshell.model.hubs import USUAL_WEIGHT
from omnyshell.services.hub.cluster.places.hub_places import HubPlaces
from omnyshell.services.hub.cluster.places.leases import Standing


class KnownHub(NamedTuple):
    """What this hub knows of a member, or of itself."""

    hub: str
    heard_ago: float | None = None
    """Seconds since it was last heard of, of this hub itself since the engine was; None if nothing was."""

    applied: int = 0
    """How many changes of what is true it had applied then."""

    files: Mapping[str, str] = {}  # a mapping, which nobody changes
    """Digests of what it reads of files of its own."""

    links: str = ""
    """Where others reach it by a link; empty where they do not."""

    url: str = ""
    """Where nodes and clients reach it; empty where it does not know."""

    weight: int = USUAL_WEIGHT
    """How many come to it when another hub ends, beside the weights of others."""

    nodes: int = 0
    is_there: bool = False
    """Whether it may serve."""

    is_silent: bool = False
    """Whether two of its beats have not come, though those of others do."""

    has_stopped: bool = False
    """Whether it said that it stops."""

    unknown: int = 0
    """The number of the change that it is too old for; 0 if there is none."""

    doubted: tuple[str, ...] = ()
    """Nodes that it says it has, without the proof that is to be had."""

    clock_off: float = 0.0
    """By how many seconds its clock is ahead of most; 0 where that is tolerated, or not known."""

    standing: Standing | None = None
    """What this hub itself may do; None for others."""


def known_hubs(
    places: HubPlaces, members: Iterable[str], own: KnownHub, boot: float, doubted: Mapping[str, tuple[str, ...]]
) -> list[KnownHub]:
    """Return what is known of each member; `own` is what this hub knows of itself beside its places.

    `boot` is the time by this hub's `boot_clock`, and `doubted` has the nodes that hubs say they have without proof.
    """
    now = time.monotonic()
    known = [_own(places, own, boot) if hub == own.hub else _other(places, hub, now) for hub in members]
    return [each._replace(doubted=doubted.get(each.hub, ())) for each in known]


def _own(places: HubPlaces, own: KnownHub, boot: float) -> KnownHub:
    standing = places.own.standing(boot)
    return own._replace(nodes=places.count_at(own.hub), is_there=standing is not Standing.LAPSED, standing=standing)


def _other(places: HubPlaces, hub: str, now: float) -> KnownHub:
    nodes, last = places.count_at(hub), places.leases.last_of(hub)
    if last is None:
        return KnownHub(hub, nodes=nodes)
    beat, at = last
    return KnownHub(
        hub=hub,
        heard_ago=now - at,
        applied=beat.applied,
        files=beat.files,
        links=beat.links,
        url=beat.url,
        weight=beat.weight,
        nodes=nodes,
        is_there=places.leases.is_there(hub, beat.run, now),
        is_silent=places.leases.is_silent(hub, places.hub, now),
        has_stopped=beat.is_last,
        unknown=beat.unknown,
    )
