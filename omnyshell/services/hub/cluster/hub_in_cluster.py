"""A hub as one of several: what it is given in place of what a hub alone has."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.model.hub_warnings import removed
from omnyshell.services.hub.audit.heads_of_others import HeadsOfOthers
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.cluster.across.across import Across
from omnyshell.services.hub.cluster.across.clients_away import AwayServices
from omnyshell.services.hub.cluster.across.visitors import HereServices
from omnyshell.services.hub.cluster.joining import Admitting
from omnyshell.services.hub.cluster.links.hello import Hello
from omnyshell.services.hub.cluster.links.links import HubLinks
from omnyshell.services.hub.cluster.links.written import read_places, write_links
from omnyshell.services.hub.cluster.members.administering import FiledMembership
from omnyshell.services.hub.cluster.members.author import Author
from omnyshell.services.hub.cluster.members.identity import ClusterFiles
from omnyshell.services.hub.cluster.nats.beside_a_hub import connection_of, watching
from omnyshell.services.hub.cluster.nats.servers import OFF, servers_of
from omnyshell.services.hub.cluster.nats.stream import NatsOrder
from omnyshell.services.hub.cluster.nats.streams import Client, make_streams, places_stream, truth_stream
from omnyshell.services.hub.cluster.order.order import EngineAwayException, MisplacedException, Place
from omnyshell.services.hub.cluster.places.bounds import Refused
from omnyshell.services.hub.cluster.places.proofs import KeysOf, ProofMemory
from omnyshell.services.hub.cluster.shared.denials import Deny
from omnyshell.services.hub.cluster.shared.genesis import genesis
from omnyshell.services.hub.cluster.shared.hearing import Hearing
from omnyshell.services.hub.cluster.shared.hub_clock import HubClock
from omnyshell.services.hub.cluster.shared.log import SharedLog
from omnyshell.services.hub.cluster.shared.places import SharedPlaces
from omnyshell.services.hub.cluster.shared.refusals import Refusals
from omnyshell.services.hub.cluster.telling.denials import DenialsTold
from omnyshell.services.hub.cluster.telling.heads import HeadsTold
from omnyshell.services.hub.cluster.viewing import HubViews
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.ground.state_names import AUDIT_FILE
from omnyshell.services.hub.ground.store import HubStore
from omnyshell.services.hub.nodes.places import Prover, Served
from omnyshell.services.hub.truth.member_changes import AddMember

START_TIMEOUT = 20.0
"""Seconds that a start waits for the engine; a hub that has read the log before goes on without it then."""

MOST_COPIES = 3
"""Of how many servers of the engine each keeps all."""

REQUIRES_PROOFS = "require-place-proofs"
"""What hubs compare beside their files, as the setting is called."""

_AGAIN = 1.0
"""Seconds after which a record of the beginning is published again."""

UNSYNCED = (
    "the engine's server %s acknowledges what is not on its disk yet, and may lose it with its power: "
    "set sync_interval: always (docs/cluster.md)"
)

logger = logging.getLogger("omnyshell.cluster")


class HubInCluster:
    """Holds the connection with the engine, and what goes over it. Make the log first, then `start` it."""

    def __init__(self, state_dir: Path, settings: ClusterSettings, refused: Refused, clock: HubClock) -> None:
        """`refused` is told of what the log has from nobody who may write it, and why; `clock` by how much it is off.

        Raises `ConfigException` if the hub's files cannot be used.
        """
        self._state_dir, self._files = state_dir, ClusterFiles(state_dir)
        self._standing = self._files.read()
        self._told, self._clock = Refusals(refused).tell, clock
        self._settings = settings
        self._looking: asyncio.Task[None] | None = None
        self._log: SharedLog | None = None
        self._places: SharedPlaces | None = None
        self._links: HubLinks | None = None
        self._audit: AuditLog | None = None
        self._heads: HeadsTold | None = None
        self._views: HubViews | None = None
        self._records: tuple[bytes, ...] = ()
        own = self._standing.identity
        self._author = Author(own.generation, own.hub, self._standing.key)
        self._copies = MOST_COPIES if len(settings.engine or own.engine) >= MOST_COPIES else 1
        self._connection = connection_of(self._standing, settings)

    def make_log(self, file: StateFile) -> SharedLog:
        """Return the log that the hub's records follow. Raises `ConfigException` if the file cannot be used."""
        own = self._standing.identity
        log = self._log = SharedLog(file, self._author, self._standing.founder, refused=self._told)
        if own.is_founding:
            founder = AddMember(own.hub, self._standing.key.public_key.raw, own.founded_at)
            self._records = log.found(genesis(file, founder))
        return log

    def make_places(self, store: HubStore) -> SharedPlaces:
        """Return what says who is where; call `serve` before the start. Call it once, behind `make_log`.

        `store` keeps what this hub learns of nodes' proofs. Raises `ConfigException` if it cannot be used.
        """
        author = self._author
        members, at = self._begun().members, str(self._settings.links_at or "")
        store.forget_doubts()
        memory = ProofMemory(store.proven_nodes, store.proving_hubs, *store.known_proofs())
        is_required = self._settings.require_place_proofs
        hearing = Hearing(
            author.hub,
            author.generation,
            members,
            self._told,
            memory,
            store.doubts,
            requires_proofs=is_required,
            clock=self._clock,
        )
        self._places = SharedPlaces(author.hub, author.generation, self._settings.stale_after, members, at, hearing)
        return self._places

    def serve(
        self,
        *,
        connected: Callable[[], Iterable[str]],
        served: Callable[[str], Served | None],
        moved: Callable[[str, str, str], None],
        described: Callable[[str], bytes],
        prover: Callable[[str], Prover | None],
        keys_of: KeysOf,
        is_owned: Callable[[str], bool],
        deny: Deny,
        lift: Deny,
        own_files: Callable[[], dict[str, str]],
        audit: AuditLog,
    ) -> None:
        """Say which node ids are connected, by which processes, and what ends one that is elsewhere now.

        `described` returns what other hubs are told of a node, `prover` what asks it to prove that it is here, and
        `keys_of` the enrolled keys of a node id's owner, and `is_owned` whether it has one.
        `deny` has locks hold that are not in the tables, and `lift` ends them. `own_files` returns digests of what this
        hub reads of files of its own, and `audit` notes what other hubs tell.
        """
        self._audit = audit
        log = self._begun()
        self._where().serve(connected, served, moved, described, prover, keys_of, is_owned)
        needs_proofs = {REQUIRES_PROOFS: str(self._settings.require_place_proofs)}
        self._where().tell(lambda: log.applied_seq, lambda: own_files() | needs_proofs, lambda: log.unknown)
        self._where().too_old_for = lambda: log.too_old_for
        log.denials.begin(deny, lift)

    @property
    def hub(self) -> str:
        """The id of this hub."""
        return self._author.hub

    @property
    def clock(self) -> HubClock:
        """What time it is among the hubs."""
        return self._clock

    @property
    def places(self) -> SharedPlaces:
        """Who is where. Raises `RuntimeError` before `make_places`."""
        return self._where()

    @property
    def links(self) -> HubLinks:
        """The links with other hubs. Raises `RuntimeError` before `reach`."""
        if self._links is None:
            raise RuntimeError("there are no links yet")
        return self._links

    def hubs(self) -> tuple[str, ...]:
        """Return the members."""
        return self._begun().members.hubs()

    def membership(self) -> FiledMembership:
        """Return what an admin may do about members."""
        return FiledMembership(self._files, self.hub, self._standing.founder[0], self.hubs, self._clock)

    async def knows(self, seq: int) -> None:
        """Wait until so many changes of what is true are applied here."""
        await self._begun().reaches(seq)

    def known(self) -> int:
        """Return how many changes of what is true are applied here."""
        return self._begun().applied_seq

    def reach(self, across: Across, here: HereServices, away: AwayServices) -> None:
        """Have sessions go over links, once there are any. Call it behind `make_places`, before the start."""
        links = self._links = self._make_links(self._begun(), self._where())
        across.begin(links, self._where(), here, away)

    def views(self, clock: Clock) -> HubViews:
        """Return what is live at other hubs, and at this one for them; call it before the start."""
        log = self._begun()
        self._views = HubViews(self._author.hub, self._where(), lambda: log.applied_seq, clock)
        return self._views

    def is_serving(self) -> bool:
        """Whether this hub may open anything now."""
        return self._places is not None and self._places.is_serving()

    async def start(self) -> None:
        """Connect, read the log to its end, and be in touch with the other hubs.

        Raises `ConfigException` where that does not come in time and the hub has nothing to go on with, and
        `TransportException` if the port for links is not available.
        """
        log = self._begun()
        generation, places = self._author.generation, self._where()
        order = NatsOrder(self._connection, truth_stream(generation), log)
        where = NatsOrder(self._connection, places_stream(generation), places, behind=order)
        if self._records:
            self._connection.on_connected.insert(0, self._found)
        if self._files.has_founded:
            self._connection.on_connected.append(Admitting(self._files, log.append, self._clock).serve)
        self._connection.start()
        log.start(order)
        places.start(where)
        self._looking = asyncio.create_task(self._look_at_storage())
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await log.catch_up()
                await log.reaches(len(self._records))
                self._check_membership(log)
                await places.has_lease()
        except TimeoutError as exc:
            if log.too_old_for and log.members.key_of(self.hub) is None:
                text = (
                    "the other hubs have made changes that this one is too old for: install their version, and start it"
                )
                raise ConfigException(text) from exc
            self._check_membership(log)
            if self._records or not log.applied_seq:
                text = "the engine does not answer, and this hub has read nothing of what is true yet"
                if problems := self._connection.problems:
                    text = f"{text}: {'; '.join(f'{server}: {why}' for server, why in sorted(problems.items()))}"
                raise ConfigException(text) from exc
            logger.warning("the engine does not answer: this hub goes on with what it knew, and changes are refused")
        else:
            self._has_founded()
        if self._links is not None:
            if self._views is not None:
                self._views.follow(self._links)
            await self._links.start(self._settings.links)

    def _check_membership(self, log: SharedLog) -> None:
        """Raise `ConfigException` where others have removed this hub, as far as it knows."""
        if log.members.have_removed(self.hub) and not log.too_old_for:
            raise ConfigException(removed())

    async def aclose(self) -> None:
        """Let go of all, and close all. Idempotent."""
        if self._links is not None:
            await self._links.aclose()
        if self._heads is not None:
            await self._heads.aclose()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._places is not None:
            await self._places.aclose()
        if self._log is not None:
            await self._log.aclose()
        await self._connection.aclose()

    async def _look_at_storage(self) -> None:
        """Warn of servers that acknowledge what is not on their disk yet."""
        try:
            async with asyncio.timeout(START_TIMEOUT), watching(self._standing, self._settings) as client:
                servers = await servers_of(client)
        except (TimeoutError, OmnyShellException) as exc:
            logger.info("the engine's servers do not say how they store: %s", str(exc) or type(exc).__name__)
            return
        for server in servers:
            if server.is_off:
                logger.warning("the engine's server %s stores nothing: %s", server.name, OFF)
            elif not server.is_synced:
                logger.warning(UNSYNCED, server.name)

    def _make_links(self, log: SharedLog, places: SharedPlaces) -> HubLinks:
        own, directory = self._standing.identity, self._files.directory
        before = read_places(directory)

        def where() -> dict[str, str]:
            """What the engine says of no hub yet is as it was when this hub ran before."""
            return before | places.links()

        links = HubLinks(
            Hello(own.cluster, own.generation, own.hub),
            self._standing.key,
            log.members,
            where,
            self._told,
            partial(write_links, directory),
        )
        links.on_heard.append(places.in_touch)
        if self._audit is not None:
            DenialsTold(log, links, self._audit)
            trail, others = self._state_dir / AUDIT_FILE, HeadsOfOthers(log.file)
            self._heads = HeadsTold(links, self._audit, trail, others, self._clock)
        return links

    def _where(self) -> SharedPlaces:
        if self._places is None:
            raise RuntimeError("there are no places yet")
        return self._places

    def _begun(self) -> SharedLog:
        if self._log is None:
            raise RuntimeError("there is no log yet")
        return self._log

    async def _found(self, client: Client) -> None:
        """Make the streams, and write what this hub holds; what is there already stays."""
        log = self._begun()
        await make_streams(client, self._author.generation, self._copies)
        for place, raw in enumerate(self._records):
            while log.applied_seq <= place:
                try:
                    await self._connection.publish(self._author.subject, raw, Place(last=place))
                except (MisplacedException, EngineAwayException) as exc:
                    logger.debug("record %d of the beginning: %s", place + 1, exc)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN):
                        await log.reaches(place + 1)
        await asyncio.Event().wait()

    def _has_founded(self) -> None:
        own = self._standing.identity
        if own.is_founding:
            self._files.write_identity(msgspec.structs.replace(own, is_founding=False, restored=""))
            self._records = ()
            # The next connection has nothing to found, and is not to be lost because no stream could be made.
            self._connection.on_connected.remove(self._found)
            logger.info("founded the cluster %s", own.cluster)
