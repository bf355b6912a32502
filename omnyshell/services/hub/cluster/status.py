"""How a hub stands among others, as its files and the engine say."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from omnyshell.model.hub_warnings import AUTHORITY
from omnyshell.model.hubs import USUAL_WEIGHT
from omnyshell.services.hub.audit.heads import SignedHead
from omnyshell.services.hub.audit.heads_of_others import HeadsOfOthers
from omnyshell.services.hub.cluster.links.written import read_links
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Identity, Standing
from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.services.hub.cluster.nats.attempts import ended
from omnyshell.services.hub.cluster.nats.beside_a_hub import connected, watching
from omnyshell.services.hub.cluster.nats.connection import EngineConnection
from omnyshell.services.hub.cluster.nats.servers import ServerSays, servers_of
from omnyshell.services.hub.cluster.nats.streams import Copies, copies_of, places_stream, truth_stream
from omnyshell.services.hub.cluster.order.order import EngineAwayException, NotPermittedException
from omnyshell.services.hub.cluster.places.clocks import HeardClocks
from omnyshell.services.hub.cluster.places.leases import LEASE, MISSED, SILENT
from omnyshell.services.hub.cluster.places.records import Beat, decode
from omnyshell.services.hub.cluster.restoring import is_lost
from omnyshell.services.hub.cluster.shared.end_of_log import unknown_change
from omnyshell.services.hub.cluster.shared.subjects import subject_of_beat
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.ground.store import DoubtedPlace, doubted_places
from omnyshell.services.hub.truth.log import SqliteLog

TIMEOUT = 5.0
"""Seconds in which the engine answers all."""


class HubSays(NamedTuple):
    """What a member's last beat says."""

    hub: str
    age: float | None
    """Seconds since its last beat, by the clocks of this machine and of the engine; None if there is none."""

    has_stopped: bool = False
    """Whether it said that it stops."""

    applied: int = 0
    """The number of the last change that it had applied."""

    files: Mapping[str, str] = {}  # a mapping, which nobody changes
    """Digests of what it reads of files of its own."""

    url: str = ""
    """Where nodes and clients reach it; empty where it does not say."""

    unknown: int = 0
    """The number of the change that it is too old for; 0 if there is none."""

    weight: int = USUAL_WEIGHT
    """How many come to it when another hub ends; 0 also while it hands over what it has."""

    clock_off: float = 0.0
    """By how many seconds its clock is ahead of most; 0 where that is tolerated, or not known."""

    @property
    def is_unreached(self) -> bool:
        """Whether it serves, and the nodes and clients of other hubs are not told where it is."""
        return self.age is not None and not self.has_stopped and not self.url

    @property
    def is_silent(self) -> bool:
        """Whether its lease has ended without a word."""
        return self.age is not None and not self.has_stopped and self.age > LEASE

    @property
    def serves(self) -> bool:
        """Whether it may have a lease."""
        return self.age is not None and not self.has_stopped and not self.is_silent


class Status(NamedTuple):
    """What was found."""

    identity: Identity
    members: tuple[str, ...]
    applied: int
    """How many changes of the hubs' log this hub has applied."""

    engine: Copies | None
    """Of the log; None where the engine does not answer."""

    has_lost: bool = False
    """Whether the engine is there and lacks what this hub has applied of the log."""

    hubs: tuple[HubSays, ...] = ()
    """The members, as the engine has heard of them; none where nobody says, as while it elects who leads that."""

    engine_clock_off: float = 0.0
    """The same of the engine's clock."""

    clocks_differ: bool = False
    """Whether the clocks of the hubs and the engine differ so that none is that of most."""

    servers: tuple[ServerSays, ...] = ()
    """The engine's servers; none where they do not say."""

    unknown: int | None = None
    """The number of the record that this hub has met and is too old for, if there is one."""

    links: Mapping[str, datetime] = {}  # a mapping, which nobody changes
    """The hubs with which there are links, as the hub that runs has written, and since when."""

    heads: Mapping[str, SignedHead] = {}  # a mapping, which nobody changes
    """Where the audit trails of other hubs end, as they told this one last."""

    faults: tuple[str, ...] = ()
    """What is wrong with those trails, and no admin has acknowledged."""

    problems: Mapping[str, str] = {}  # a mapping, which nobody changes
    """Why servers of the engine could not be reached, where none could."""

    doubted: tuple[DoubtedPlace, ...] = ()
    """Nodes that hubs say they have without the proof that is to be had, as the hub that runs has written."""

    @property
    def apart(self) -> list[str]:
        """The hubs that serve as this one does, and have no link with it."""
        serving = [hub.hub for hub in self.hubs if hub.serves]
        own = self.identity.hub
        return [hub for hub in serving if hub not in self.links and hub != own] if own in serving else []

    @property
    def of_another_authority(self) -> list[str]:
        """The hubs whose certificates are of another authority than this one's."""
        own = next((hub.files.get(AUTHORITY) for hub in self.hubs if hub.hub == self.identity.hub), None)
        return [hub.hub for hub in self.hubs if own is not None and hub.files.get(AUTHORITY, own) != own]

    def is_quiet(self, hub: HubSays) -> bool:
        """Whether two beats of a hub that may have a lease have not come, and not because none come."""
        newest = min((other.age for other in self.hubs if other.age is not None), default=None)
        return hub.serves and hub.age is not None and hub.age >= SILENT and newest is not None and newest < MISSED

    def doubted_by_hub(self) -> dict[str, list[str]]:
        """Return the nodes that each hub says it has without proof."""
        found: dict[str, list[str]] = {}
        for each in self.doubted:
            found.setdefault(each.hub, []).append(each.node_id)
        return found

    def unlike(self) -> dict[str, dict[str, list[str]]]:
        """Return which files are not the same at all hubs, and which hubs have the same of each, by its digest."""
        found: dict[str, dict[str, list[str]]] = {}
        for hub in self.hubs:
            for name, digest in hub.files.items():
                found.setdefault(name, {}).setdefault(digest, []).append(hub.hub)
        return {name: groups for name, groups in sorted(found.items()) if len(groups) > 1}


async def status(state_dir: Path, file: StateFile, settings: ClusterSettings) -> Status:
    """Ask the engine, and look into the state file of a hub, which may run. Raises `ConfigException`."""
    standing = ClusterFiles(state_dir).read()
    own = standing.identity
    found = Status(own, Members(file, standing.founder).hubs(), SqliteLog(file, own.generation).applied_seq, None)
    unknown = unknown_change(file, own.generation)
    found = found._replace(unknown=unknown if unknown is not None and unknown > found.applied else None)
    found = found._replace(links=read_links(ClusterFiles(state_dir).directory))
    audits = HeadsOfOthers(file)
    heads = {kept.hub: kept.head for kept in audits.all() if not kept.is_outdated}
    found = found._replace(heads=heads, faults=tuple(fault for _, fault in audits.faults()))
    found = found._replace(doubted=tuple(doubted_places(file)))
    problems: dict[str, str] = {}
    asking = asyncio.create_task(_servers(standing, settings))
    try:
        async with asyncio.timeout(TIMEOUT), connected(standing, settings, problems) as (connection, client):
            found = found._replace(has_lost=await is_lost(connection, client, own.generation, file))
            found = found._replace(engine=await copies_of(client, truth_stream(own.generation)))
            # The engine's clock says when it took each beat; the one of this machine may be wrong.
            now = await connection.now(places_stream(own.generation))
            clocks = HeardClocks()
            beats = (_of_hub(connection, own.generation, hub, now, clocks) for hub in found.members)
            hubs = await asyncio.gather(*beats)
            found = found._replace(hubs=tuple(hub._replace(clock_off=clocks.off(hub.hub) or 0.0) for hub in hubs))
            found = found._replace(engine_clock_off=clocks.engine_off() or 0.0, clocks_differ=clocks.differ())
    except (TimeoutError, EngineAwayException, NotPermittedException):
        if found.engine is None:
            await ended(asking)
            return found._replace(problems=problems)
    return found._replace(servers=await asking)


async def _of_hub(
    connection: EngineConnection, generation: str, hub: str, now: datetime, clocks: HeardClocks
) -> HubSays:
    stored = await connection.last_of(places_stream(generation), subject_of_beat(generation, hub))
    if stored is None:
        return HubSays(hub, None)
    raw, at = stored
    try:
        beat = decode(raw)
    except ValueError:
        return HubSays(hub, None)
    age = max(0.0, (now - at).total_seconds())
    if not isinstance(beat, Beat):
        return HubSays(hub, None)
    if age <= LEASE:
        clocks.heard(hub, beat.clock, at.timestamp())
    return HubSays(hub, age, beat.is_last, beat.applied, beat.files, beat.url, beat.unknown, beat.weight)


async def _servers(standing: Standing, settings: ClusterSettings) -> tuple[ServerSays, ...]:
    try:
        async with asyncio.timeout(TIMEOUT), watching(standing, settings) as client:
            return await servers_of(client, len(settings.engine or standing.identity.engine))
    except (TimeoutError, EngineAwayException):
        return ()
