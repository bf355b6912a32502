"""Who is where among hubs, over an ordered stream: beats, claims, and what the stream says of others."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from omnyshell.errors import OmnyShellException
from omnyshell.model.hubs import MOST_HUBS, OtherHub
from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.services.hub.cluster.members.signing import digest
from omnyshell.services.hub.cluster.order.order import (
    EngineAwayException,
    MisplacedException,
    Order,
    Origin,
    Place,
    Stored,
    UncertainException,
)
from omnyshell.services.hub.cluster.places.hub_places import Claim, Held, HubPlaces
from omnyshell.services.hub.cluster.places.leases import BEAT_PERIOD, Standing
from omnyshell.services.hub.cluster.places.proofs import KeysOf
from omnyshell.services.hub.cluster.places.records import encode
from omnyshell.services.hub.cluster.places.table import Place as NodePlace
from omnyshell.services.hub.cluster.shared.beat_times import TICK, BeatTimes
from omnyshell.services.hub.cluster.shared.clocks import boot_clock, set_within
from omnyshell.services.hub.cluster.shared.descriptions import Descriptions
from omnyshell.services.hub.cluster.shared.hearing import Hearing
from omnyshell.services.hub.cluster.shared.known_hubs import KnownHub, known_hubs
from omnyshell.services.hub.cluster.shared.own_words import Count, OwnWords
from omnyshell.services.hub.cluster.shared.proving import Proving
from omnyshell.services.hub.cluster.shared.read_records import ReadRecords
from omnyshell.services.hub.cluster.shared.reconciling import Reconciling
from omnyshell.services.hub.cluster.shared.same_stream import Receding
from omnyshell.services.hub.cluster.shared.standing import NO_LEASE, REMOVED, STALE, log_standing
from omnyshell.services.hub.cluster.shared.subjects import name_of_node, of_places, subject_of_beat
from omnyshell.services.hub.nodes.places import ElsewhereException, Prover, Served
from omnyshell.services.hub.truth.answer import Answer

CLAIM_TIMEOUT = 11.5
"""Seconds within which a claim is answered: less than a node waits, and more than the engine needs for a new leader."""

AGAIN = 0.5
"""Seconds before a claim is looked at again, unless this hub reads before what it waits for."""

BEAT_AGAIN = 0.2
"""Seconds after a beat before which none is sent. While the engine has no leader, this alone asks for one: claims wait
for it, however many there are."""

MOST_AT_ONCE = 64
"""Claims that are on their way to the engine."""


logger = logging.getLogger("omnyshell.cluster")


class SharedPlaces:
    """The `Places` of a hub that is one of several. It reads its `Order`; `start` it, and `aclose` it."""

    def __init__(
        self,
        hub: str,
        generation: str,
        stale_after: float,
        members: Members,
        links: str = "",
        hearing: Hearing | None = None,
    ) -> None:
        """`stale_after` is how many seconds this hub goes on while the engine is away.

        `links` is where others reach this hub by a link, as HOST:PORT; empty where they do not. `hearing` judges what
        others say; without it nothing is remembered of that.
        """
        self._generation = generation
        self._hearing = hearing or Hearing(hub, generation, members)
        self._prover_of: Callable[[str], Prover | None] = lambda _node_id: None
        self._hub, self._stale_after = hub, stale_after
        self._beats = subject_of_beat(generation, hub)
        self._subjects = of_places(generation)
        self._members = members
        self._links = links
        self._reconciling = Reconciling(self._let_go, self._claim_again)
        self._told_moved: Callable[[str, str, str], None] = lambda *_: None
        self._described: Callable[[str], bytes] = lambda _node_id: b""
        self._descriptions = Descriptions(self._plan_to_describe, self._publish, self._spawn)
        # The beat that says which runs there were may be lost from the stream: the time, in ms, is later.
        self._process, self._run_before = secrets.token_hex(8), int(1000 * time.time())
        self._places = self._fresh()
        self._created, self._last, self._receding = "", b"", Receding()
        self._beat_times = BeatTimes()
        self._own_words = OwnWords()
        self.too_old_for: Callable[[], float] = lambda: 0.0
        """Returns for how many seconds there have been changes of what is true that this hub does not know."""

        self._in_touch_at = boot_clock()
        self._standing = Standing.LAPSED
        self._records = ReadRecords()
        self._is_back = asyncio.Event()
        """Set where claims may be taken that could not be before."""

        self._held = asyncio.Event()
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._order: Order | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # What the hub calls

    def serve(
        self,
        connected: Callable[[], Iterable[str]],
        served: Callable[[str], Served | None],
        moved: Callable[[str, str, str], None],
        described: Callable[[str], bytes],
        prover: Callable[[str], Prover | None] = lambda _node_id: None,
        keys_of: KeysOf = lambda _node_id: (),
        is_owned: Callable[[str], bool] = lambda _node_id: True,
    ) -> None:
        """`connected` returns the ids of the nodes of this hub, and `served` one of them, if it is still connected.

        `moved` is told of a node id whose process this hub has no more, the process, and the hub that has it, if any.
        `described` returns what others are told of a node that is connected; nothing if it is not. `prover` returns
        what asks one to prove that it is here, `keys_of` the enrolled keys of a node id's owner, and `is_owned`
        whether it has one.
        """
        self._reconciling.begin(connected, served)
        self._told_moved, self._described = moved, described
        self._prover_of = prover
        self._hearing.begin(keys_of, is_owned)

    def tell_peers(self, url: str, weight: int) -> None:
        """Say, from the next beat on, where peers reach this hub, "" for unknown, and its weight; that is due now."""
        if (url, weight) != self._own_words.reached:
            self._own_words.reached = url, weight
            self._beat_times.soon(BEAT_AGAIN)

    def tell(self, applied: Count, own_files: Callable[[], dict[str, str]], unknown: Count) -> None:
        """Say in each beat how many changes are `applied`, which one is `unknown`, and digests of `own_files`."""
        self._own_words.begin(applied, own_files, unknown, self._hearing.clock.said)

    def start(self, order: Order) -> None:
        """Publish by this order from now on, and beat."""
        self._order = order
        self._spawn(self._beat_on())

    async def has_lease(self) -> None:
        """Wait until this hub may serve for the first time."""
        await self._held.wait()

    async def aclose(self) -> None:
        """Let go of everything, where the engine is there, and end all tasks. Idempotent."""
        order, self._order = self._order, None
        if order is not None and order.is_there and self._places.run:
            _, last = self._places.beat(boot_clock(), is_last=True)
            last = self._own_words.progress_in(last)
            try:
                place = Place(last_of_subject=self._places.own_beat_seq)
                await order.publish(self._beats, encode(last), place)
            except OmnyShellException as exc:
                logger.info("the other hubs find by themselves that this one stops: %s", exc)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def is_serving(self) -> bool:
        """See `Places`."""
        return self._places.own.standing(boot_clock()) is not Standing.LAPSED

    def in_touch(self) -> None:
        """Note that the engine, or another hub, was heard of now."""
        self._in_touch_at = boot_clock()

    def why_no_logins(self) -> str:
        """See `Places`."""
        passed = max(boot_clock() - self._in_touch_at, self.too_old_for())
        return STALE.format(seconds=passed) if passed > self._stale_after else ""

    def claim(
        self, wanted: Served, prover: Prover | None = None, asks: Callable[[], None] = lambda: None
    ) -> Answer[int]:
        """See `Places`."""
        wanted = wanted._replace(epoch=self._places.counted(wanted.node_id, wanted.epoch))
        epoch = self._places.epoch_of(*wanted)
        if epoch is not None and self.is_serving():
            return Answer.of(epoch)
        answer = Answer[int]()
        self._reconciling.is_claimed(wanted.node_id)
        proving = Proving(self._hub, self._generation, self._hearing.proofs, prover)
        self._spawn(self._claim(wanted, proving, asks, answer))
        return answer

    def left(self, node_id: str, process: str) -> None:
        """See `Places`."""
        epoch = self._places.epoch_of(node_id, process)
        if epoch is not None:
            self._let_go(node_id, epoch)

    def last_known(self, node_id: str) -> NodePlace | None:
        """Return the place of a node at another hub, whose lease may have ended; None if there is none."""
        return self._places.last_known(node_id)

    def ids_at(self, hub: str) -> frozenset[str]:
        """Return the node ids of which a hub had the last word, also those that it has let go."""
        return self._places.ids_at(hub)

    def other_hubs(self) -> list[str]:
        """Return the other hubs of which anything was heard."""
        return [hub for hub in self._places.leases.hubs() if hub != self._hub]

    def is_there(self, hub: str) -> bool:
        """Whether the lease of another hub has not ended."""
        leases = self._places.leases
        return leases.is_there(hub, leases.run_of(hub), time.monotonic())

    def epoch_here(self, node_id: str, process: str) -> int | None:
        """Return the epoch by which this hub has a node id for that process, if it may open anything there now."""
        return self._places.epoch_of(node_id, process) if self.is_serving() else None

    def changed(self, node_id: str) -> None:
        """Tell the other hubs, in a moment, what is to be said of a node now, if this hub has it."""
        self._descriptions.changed(node_id)

    def where(self, node_id: str) -> str:
        """Return the other hub that has a node; "" if none has."""
        place = self._places.find(node_id, time.monotonic())
        return place.hub if place is not None else ""

    def others(self) -> tuple[OtherHub, ...]:
        """See `Places`."""
        reached = sorted(self._places.leases.reached().items())
        others = [said for hub, said in reached if hub != self._hub and self._members.key_of(hub) is not None]
        return tuple(OtherHub(url=url, weight=weight) for url, weight in others[:MOST_HUBS])

    def is_any_there(self) -> bool:
        """See `Places`."""
        said = self._places.leases.reached().items()
        return any(hub != self._hub and weight and self.is_there(hub) for hub, (_, weight) in said)

    def hub_of(self, node_id: str) -> str:
        """See `Places`."""
        return self.where(node_id) or self._hub

    def links(self) -> dict[str, str]:
        """Return where hubs are reached by a link, this one too, as HOST:PORT."""
        return self._places.leases.links()

    def known_hubs(self) -> list[KnownHub]:
        """Return what is known of each member, this hub too."""
        boot = boot_clock()
        own = KnownHub(hub=self._hub, heard_ago=boot - self._in_touch_at, links=self._links)
        own = self._own_words.known(own)
        known = known_hubs(self._places, self._members.hubs(), own, boot, self._hearing.doubted())
        return [each._replace(clock_off=self._hearing.clocks.off(each.hub) or 0.0) for each in known]

    # What the order calls: see `Reader`

    def begin_reading(self, origin: Origin) -> int:
        """Read on, or all again where the stream is another one. Raises `UncertainException` as `Receding` does."""
        is_another = bool(self._created) and origin.created != self._created
        if is_another or self._receding.is_certain(origin.last, self._places.read_up_to):
            self._forget_all()
        self._created = origin.created
        return max(1, self._places.read_up_to)

    def take(self, stored: Stored) -> None:
        """Take the next record; one that is no member's, or cannot be read, says nothing.

        Raises `UncertainException` where the last one is another now: all is read again then.
        """
        if stored.seq <= self._places.read_up_to:
            if stored.seq == self._places.read_up_to and digest(stored.data) != self._last:
                self._forget_all()
                raise UncertainException(f"it has another record {stored.seq}")
            return
        self._last = digest(stored.data)
        now, boot = time.monotonic(), boot_clock()
        self._hearing.take(stored, self._places, now, boot)
        self._records.read(self._places.read_up_to)
        self.in_touch()
        self._notice(boot)

    def gone(self) -> None:
        """Nothing is told of it: what is true has gone as well, and is told of."""

    def at_end(self) -> None:
        """All was read: from now on this hub beats."""
        if not self._places.run:
            self._places.begin(self._run_before)
            self._beat_times.soon(BEAT_AGAIN)

    # The rest

    def _forget_all(self) -> None:
        logger.error("the engine's stream of who is where is another one: all of it is read again")
        # A server that is behind says the same, and shows beats of the run before only later.
        self._run_before = max(self._run_before, self._places.run)
        self._places = self._fresh()

    def _fresh(self) -> HubPlaces:
        return HubPlaces(self._hub, self._process, self._stale_after, self._moved, self._links, self.changed)

    def _moved(self, place: NodePlace) -> None:
        self._told_moved(place.entry.node_id, place.entry.instance, self.where(place.entry.node_id))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.error("who is where is not kept", exc_info=problem)

    def _notice(self, boot: float) -> None:
        """Tell when what this hub may do has changed."""
        standing = self._places.own.standing(boot)
        if standing is self._standing:
            return
        if standing is Standing.HELD:
            self._held.set()
            self._is_back.set()
        log_standing(standing, is_removed=self._members.have_removed(self._hub), is_stopping=self._order is None)
        self._standing = standing

    async def _beat_on(self) -> None:
        while True:
            boot = boot_clock()
            self._places.own.tick(boot)
            self._notice(boot)
            self._places.forget_strangers(lambda hub: self._members.key_of(hub) is not None, time.monotonic())
            self._hearing.look_again(self._places, time.monotonic())
            if self._members.have_removed(self._hub):
                self._places.own.end()
                self._notice(boot)
            elif self._places.is_displaced:
                logger.error("another process is hub '%s' now: this one opens nothing any more", self._hub)
            elif self._places.run and self._beat_times.is_due(boot):
                self._beat_times.sent(boot)
                self._spawn(self._beat())
            await self._beat_times.wait(boot)

    def _beat_again(self) -> None:
        """Send one soon, while the engine may only be choosing another leader."""
        is_lately = self._order is not None and self._order.away_for < CLAIM_TIMEOUT
        self._beat_times.soon(BEAT_AGAIN if is_lately else TICK)

    async def _beat(self) -> None:
        try:
            await self._try_to_beat()
        finally:
            self._beat_times.ended()

    async def _try_to_beat(self) -> None:
        order, places = self._order, self._places
        number, beat = places.beat(boot_clock())
        if order is None:
            return
        place = Place(last_of_subject=places.own_beat_seq)
        try:
            seq = await order.publish(self._beats, encode(self._own_words.added_to(beat)), place)
        except MisplacedException:
            # An earlier beat of this hub is there, and its answer was lost; or another process beats. Or who leads has
            # nobody to agree with, as where the others' disks are full: so what was not acknowledged stays unanswered.
            self._beat_again()
        except OmnyShellException as exc:
            logger.debug("a beat was not acknowledged: %s", exc)
            self._beat_again()
        else:
            self._is_back.set()
            self.in_touch()
            places.own.acknowledged(number, seq, places.read_up_to, boot_clock())
            self._notice(boot_clock())
            self._spawn(self._reconcile())

    async def _reconcile(self) -> None:
        """Let go of nodes that have left, and claim those that are here, where a write was lost."""
        places = self._places
        await self._reconciling.run(
            places, lambda: places is self._places and places.own.standing(boot_clock()) is Standing.HELD
        )

    def _claim_again(self, served: Served) -> None:
        claim = self.claim(served, self._prover_of(served.node_id))
        claim.then(partial(self._taken_again, served.node_id), partial(self._lost, served.node_id, served.process))

    def _taken_again(self, node_id: str, _epoch: int) -> None:
        self.changed(node_id)

    def _lost(self, node_id: str, process: str, _problem: OmnyShellException) -> None:
        self._told_moved(node_id, process, self.where(node_id))

    def _let_go(self, node_id: str, epoch: int) -> None:
        if self._places.own.standing(boot_clock()) is not Standing.HELD:
            # While the engine is away the process may come back; what is still absent later is let go of then.
            return
        plan = self._places.let_go(node_id, epoch)
        if plan is not None:
            self._spawn(self._publish_gone(plan))

    async def _publish_gone(self, plan: Claim) -> None:
        try:
            await self._publish(plan)
        except OmnyShellException as exc:
            logger.debug("node %s is let go of later: %s", plan.entry.node_id, exc)

    def _plan_to_describe(self, node_id: str) -> Claim | None:
        about = self._described(node_id)
        plan = self._places.describe(node_id, about) if about else None
        return plan or self._places.again(node_id)

    async def _claim(self, wanted: Served, proving: Proving, asks: Callable[[], None], answer: Answer[int]) -> None:
        problem: OmnyShellException = EngineAwayException(NO_LEASE)
        try:
            async with asyncio.timeout(CLAIM_TIMEOUT):
                while (epoch := self._places.epoch_of(*wanted)) is None:
                    problem = await self._try_to_claim(wanted, proving, asks)
        except TimeoutError:
            answer.fail(problem)
        except OmnyShellException as exc:
            answer.fail(exc)
        else:
            answer.give(epoch)
        finally:
            self._reconciling.is_answered(wanted.node_id)

    async def _try_to_claim(self, wanted: Served, proving: Proving, asks: Callable[[], None]) -> OmnyShellException:
        """Take a node id, or do a step toward that; return why it is not taken, if it is not.

        Raises as `Proving.ask`, and `EngineAwayException` where this hub was removed.
        """
        if self._members.have_removed(self._hub):
            raise EngineAwayException(REMOVED)
        if self._places.own.standing(boot_clock()) is not Standing.HELD:
            await self._until_back()
            return EngineAwayException(NO_LEASE)
        plan = self._places.claim(wanted.node_id, wanted.process, wanted.epoch, b"", time.monotonic())
        if isinstance(plan, Held):
            await asyncio.sleep(AGAIN)
            return ElsewhereException(f"another process has this node id, at hub '{plan.hub}'")
        if not proving.has_asked(plan.entry):
            # Planned anew then, as other records may have come meanwhile.
            await proving.ask(plan.entry)
            return EngineAwayException(NO_LEASE)
        asks()
        try:
            seq = await self._publish(proving.proven(plan))
        except MisplacedException:
            seq = self._places.read_up_to + 1
        except OmnyShellException as exc:
            self._beat_times.soon(BEAT_AGAIN)
            await self._until_back()
            return exc
        if seq > self._places.read_up_to:
            await self._records.reach(seq, AGAIN)
        return EngineAwayException(NO_LEASE)

    async def _until_back(self) -> None:
        """Wait until the engine takes a beat, of which another one is due soon, or for a while."""
        self._is_back.clear()
        await set_within(self._is_back, BEAT_PERIOD)

    async def _publish(self, plan: Claim) -> int:
        order = self._order
        if order is None:
            raise EngineAwayException(NO_LEASE)
        name = name_of_node(plan.entry.node_id)
        place = Place(last_of_subject=plan.last_of_node, subjects=f"{self._subjects}*.{name}")
        if plan.last_of_all is not None:
            # No record at all may come in between, so none about the node either.
            place = Place(last=plan.last_of_all)
        async with self._turns:
            return await order.publish(f"{self._subjects}{self._hub}.{name}", encode(plan.entry), place)
