"""Hubs, node processes and an engine that orders records, under a clock of its own and with every kind of trouble."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from omnyshell.services.hub.cluster.places.hub_places import Claim, HubPlaces
from omnyshell.services.hub.cluster.places.leases import BEAT_PERIOD, Standing
from omnyshell.services.hub.cluster.places.records import Beat, Entry, Record

HUBS = ("a", "b", "c")
NODES = ("n1", "n2", "n3")
STEPS = 1000
STALE_AFTER = 60.0
ANSWER_TIMEOUT = 10.0
"""Seconds after which a node that was not answered is sent away, to try again."""

SETTLING = 200.0
"""Seconds after which all is as it should be, once nothing disturbs any more."""


@dataclass(eq=False)
class Process:
    """A node's process: it is at one hub at a time, and refuses who has an older epoch than its newest."""

    node_id: str
    instance: str
    epoch: int = 0
    at: "Hub | None" = None


@dataclass
class Publish:
    """A record on its way to the engine; `answered` is told its number, or None where it was refused."""

    hub: "Hub"
    record: Record
    last_of_subject: int
    last_of_all: int | None
    answered: Callable[[int | None], None]


class Engine:
    """Orders records; keeps the last number of each subject, and of each node over all hubs."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Record]] = []
        self._last: dict[str, int] = {}

    def publish(self, publish: Publish) -> int | None:
        name, record = publish.hub.name, publish.record
        subject = f"{name}.beat" if isinstance(record, Beat) else f"*.node.{record.node_id}"
        wrong = self._last.get(subject, 0) != publish.last_of_subject
        if wrong or publish.last_of_all not in (None, len(self.log)):
            return None
        self.log.append((name, record))
        self._last[subject] = len(self.log)
        return len(self.log)


class Hub:
    """A hub over `HubPlaces`, with clocks that run a little unlike those of others."""

    def __init__(self, name: str, world: "World") -> None:
        self.name, self.world = name, world
        rng = world.rng
        self._rate, self._offset = rng.uniform(0.99, 1.01), rng.uniform(0, 1e6)
        self.stopped_until, self.cut_off_until, self._slept = 0.0, 0.0, 0.0
        self.starts = 0
        self.start()

    def start(self) -> None:
        self.starts += 1
        for process in self.world.processes:
            if process.at is self:
                process.at = None
        self.places = HubPlaces(self.name, f"{self.name}{self.starts}", STALE_AFTER, lambda place: self._lose(place))
        self.connected: dict[str, Process] = {}
        self.asked: dict[str, Process] = {}
        self._asked_at: dict[Process, float] = {}
        self._next_beat = 0.0

    @property
    def boot(self) -> float:
        return self._offset + self.world.time * self._rate

    @property
    def now(self) -> float:
        return (self.world.time - self._slept) * self._rate

    @property
    def runs(self) -> bool:
        return self.world.time >= self.stopped_until

    @property
    def reaches_engine(self) -> bool:
        return self.runs and self.world.time >= self.cut_off_until

    def stop(self, seconds: float, *, asleep: bool) -> None:
        self.stopped_until = self.world.time + seconds
        self._slept += seconds if asleep else 0

    def tick(self) -> None:
        self.places.own.tick(self.boot)
        for node_id, process in list(self.asked.items()):
            if self.now - self._asked_at[process] > ANSWER_TIMEOUT:
                del self.asked[node_id]
                self._turn_away(process)
        is_read = self.places.read_up_to == len(self.world.engine.log)
        if self.places.run == 0 and self.reaches_engine and is_read:
            self.places.begin()
        if self.places.own.standing(self.boot) is Standing.HELD and self.world.rng.random() < 0.1:
            self._let_go_of_the_absent()
        if self.places.run and not self.places.is_displaced and self.boot >= self._next_beat:
            self._next_beat = self.boot + BEAT_PERIOD
            number, beat = self.places.beat(self.boot)
            self.world.send(Publish(self, beat, self.places.own_beat_seq, None, lambda seq: self._beaten(number, seq)))

    def _beaten(self, number: int, seq: int | None) -> None:
        if seq is None:
            self._next_beat = self.boot + 1
        else:
            self.places.own.acknowledged(number, seq, self.places.read_up_to, self.boot)

    def read(self, most: int) -> None:
        log = self.world.engine.log
        for seq in range(self.places.read_up_to + 1, min(len(log), self.places.read_up_to + most) + 1):
            hub, record = log[seq - 1]
            self.places.read(seq, hub, record, self.now, self.boot)
            if isinstance(record, Entry) and hub == self.name and record.run == self.places.run:
                self._entered(record)

    def _entered(self, entry: Entry) -> None:
        before = self.connected.get(entry.node_id)
        if before is not None and (entry.is_gone or before.instance != entry.instance):
            self._turn_away(self.connected.pop(entry.node_id))
        process = self.asked.get(entry.node_id)
        if entry.is_gone or process is None or process.instance != entry.instance:
            return
        del self.asked[entry.node_id]
        if process.at is not self:
            return
        process.epoch = max(process.epoch, entry.epoch)
        self._connect(process)

    def _connect(self, process: Process) -> None:
        before = self.connected.get(process.node_id)
        if before is not process:
            self._turn_away(before)
        self.connected[process.node_id] = process

    def _turn_away(self, process: Process | None) -> None:
        if process is not None and process.at is self:
            process.at = None

    def _lose(self, place) -> None:
        self._turn_away(self.connected.pop(place.entry.node_id, None))

    def register(self, process: Process) -> None:
        standing = self.places.own.standing(self.boot)
        own_epoch = self.places.epoch_of(process.node_id, process.instance)
        if own_epoch is not None and own_epoch >= process.epoch and standing is not Standing.LAPSED:
            process.at, process.epoch = self, own_epoch
            self._connect(process)
            return
        if standing is not Standing.HELD:
            return
        claim = self.places.claim(process.node_id, process.instance, process.epoch, b"", self.now)
        if isinstance(claim, Claim):
            self._turn_away(self.asked.get(process.node_id))
            before = self.connected.get(process.node_id)
            if before is not None and before is not process:
                self._turn_away(self.connected.pop(process.node_id))
            process.at = self
            self.asked[process.node_id] = process
            self._asked_at[process] = self.now
            self._publish(claim, process)

    def _publish(self, claim: Claim, process: Process | None) -> None:
        def answered(seq: int | None) -> None:
            if seq is None and process is not None and self.asked.get(process.node_id) is process:
                del self.asked[process.node_id]
                self._turn_away(process)

        self.world.send(Publish(self, claim.entry, claim.last_of_node, claim.last_of_all, answered))

    def left(self, process: Process) -> None:
        """A connection has ended, and the hub has noticed."""
        if self.asked.get(process.node_id) is process:
            del self.asked[process.node_id]
        if self.connected.get(process.node_id) is process:
            del self.connected[process.node_id]
            epoch = self.places.epoch_of(process.node_id, process.instance)
            if epoch is not None and self.places.own.standing(self.boot) is Standing.HELD:
                self._let_go(process.node_id, epoch)

    def _let_go(self, node_id: str, epoch: int) -> None:
        gone = self.places.let_go(node_id, epoch)
        if gone is not None:
            self._publish(gone, None)

    def _let_go_of_the_absent(self) -> None:
        for node_id in self.places.ids_at(self.places.hub):
            place = self.places.own_place_of(node_id)
            if place is not None and node_id not in self.connected and node_id not in self.asked:
                self._let_go(node_id, place.entry.epoch)

    def served(self) -> dict[str, Process]:
        """The processes at which it would open something now."""
        found = {
            id_: process
            for id_, process in self.connected.items()
            if self.runs and self.places.serves(id_, process.instance, self.boot)
        }
        return {id_: each for id_, each in found.items() if each.epoch == self.places.epoch_of(id_, each.instance)}


@dataclass
class World:
    """All of them; `seed` says what happens."""

    seed: int
    time: float = 1.0
    engine: Engine = field(default_factory=Engine)
    processes: list[Process] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._under_way: list[Publish] = []
        self._answers: list[tuple[Hub, Callable[[], None]]] = []
        self.hubs = [Hub(name, self) for name in HUBS]
        self.processes = [Process(node_id, f"{node_id}-0") for node_id in NODES[: self.rng.choice([1, 3])]]
        self._read_weight, self._trouble = self.rng.choice([10, 20, 60]), self.rng.choice([0.3, 0.6, 1.5])

    def send(self, publish: Publish) -> None:
        self._under_way.append(publish)

    def run(self) -> None:
        """Let things happen; raises `AssertionError` where a rule is broken."""
        for _ in range(STEPS):
            self._happen()
            self.check()
        self._settle()
        self.check_order()

    def _happen(self) -> None:
        rng = self.rng
        hub, process = rng.choice(self.hubs), rng.choice(self.processes)
        weighted: tuple[tuple[float, Callable[[], object]], ...] = (
            (25, lambda: self._pass(rng.choice([0.1, 0.5, 1.0, 1.0]))),
            (40, lambda: self._take_one(rng.randrange(len(self._under_way) or 1))),
            (40, self._answer_one),
            (self._read_weight, lambda: hub.reaches_engine and hub.read(rng.choice([1, 2, 100]))),
            (20, lambda: process.at is None and hub.runs and hub.register(process)),
            (3, lambda: self._break(process, noticed=rng.random() < 0.5)),
            (3, lambda: self._replace(process)),
            (self._trouble, lambda: hub.stop(rng.choice([1, 5, 15, 17, 20, 40]), asleep=rng.random() < 0.5)),
            (self._trouble, lambda: setattr(hub, "cut_off_until", self.time + rng.choice([2, 10, 17, 30, 90]))),
            (1, self._lose_one),
            (0.5, lambda: hub.runs and hub.start()),
        )
        weights, acts = zip(*weighted, strict=True)
        rng.choices(acts, weights)[0]()

    def _pass(self, seconds: float) -> None:
        self.time += seconds
        for hub in self.hubs:
            if hub.runs:
                hub.tick()

    def _take_one(self, which: int) -> None:
        """The engine takes a record that is under way; one of a hub that was cut off waits, as in a socket's buffer."""
        if not self._under_way:
            return
        publish = self._under_way[which]
        if self.time < publish.hub.cut_off_until:
            return
        del self._under_way[which]
        self._answers.append((publish.hub, self._answer_to(publish)))

    def _answer_to(self, publish: Publish) -> Callable[[], None]:
        seq, starts = self.engine.publish(publish), publish.hub.starts
        self.counts["refused" if seq is None else "written"] += 1
        self.counts["takeovers"] += publish.last_of_all is not None and seq is not None
        return lambda: publish.answered(seq) if publish.hub.starts == starts else None

    def _answer_one(self) -> None:
        ready = [each for each in self._answers if each[0].reaches_engine]
        if ready:
            answer = self.rng.choice(ready)
            self._answers.remove(answer)
            answer[1]()

    def _lose_one(self) -> None:
        """A record or an answer is lost with a connection to the engine."""
        lost = self.rng.choice([self._under_way, self._answers])
        if lost:
            lost.pop(self.rng.randrange(len(lost)))

    def _break(self, process: Process, *, noticed: bool) -> None:
        hub, process.at = process.at, None
        if hub is not None and noticed and hub.runs:
            hub.left(process)

    def _replace(self, process: Process) -> None:
        """The node is started anew, maybe while the process before still runs somewhere: two have one id then."""
        self.counts["processes"] += 1
        new = Process(process.node_id, f"{process.node_id}-{self.counts['processes']}")
        if self.rng.random() < 0.6:
            self._break(process, noticed=self.rng.random() < 0.5)
            self.processes.remove(process)
        self.processes.append(new)

    def check(self) -> None:
        """The rules."""
        by_process: dict[Process, list[str]] = {}
        by_id: dict[str, list[str]] = {}
        for hub in self.hubs:
            held = hub.places.own.standing(hub.boot) is Standing.HELD
            for node_id, process in hub.served().items():
                by_process.setdefault(process, []).append(hub.name)
                if held:
                    by_id.setdefault(node_id, []).append(f"{hub.name} {process.instance}")
        twice = {process.instance: hubs for process, hubs in by_process.items() if len(hubs) > 1}
        assert not twice, f"seed {self.seed}: a process is served by two: {twice}"
        served = {node_id: found for node_id, found in by_id.items() if len({each.split()[1] for each in found}) > 1}
        assert not served, f"seed {self.seed}: two processes have one id: {served}"

    def check_order(self) -> None:
        """Epochs of a node grow, over all hubs; a hub may say anew what it said last."""
        epochs: dict[str, tuple[str, int]] = {}
        for hub_name, record in self.engine.log:
            if isinstance(record, Entry):
                before = epochs.get(record.node_id)
                is_newer = before is None or record.epoch > before[1]
                assert is_newer or (record.is_gone and before == (hub_name, record.epoch)), (
                    f"seed {self.seed}: {record}"
                )
                epochs[record.node_id] = hub_name, record.epoch

    def _settle(self) -> None:
        """Without trouble, each id is served by one hub again, and all hubs know by which."""
        for hub in self.hubs:
            hub.stopped_until = hub.cut_off_until = 0.0
        newest = {process.node_id: process for process in self.processes}
        for process in set(self.processes) - set(newest.values()):
            self._break(process, noticed=True)
        self.processes = list(newest.values())
        end = self.time + SETTLING
        while self.time < end:
            self._pass(1.0)
            self._do_all()
            self.check()
        for process in self.processes:
            self._check_settled(process)

    def _do_all(self) -> None:
        while self._under_way:
            self._take_one(0)
        while self._answers:
            self._answer_one()
        for hub in self.hubs:
            hub.read(1_000_000)
            for process in [each for each in hub.connected.values() if each.at is not hub]:
                hub.left(process)  # its heartbeats have not come
        for process in self.processes:
            if process.at is None:
                self.rng.choice(self.hubs).register(process)

    def _check_settled(self, process: Process) -> None:
        hub = process.at
        assert hub is not None, f"seed {self.seed}: {process.instance} is nowhere"
        assert hub.served().get(process.node_id) is process, f"seed {self.seed}: {process.instance} is not served"
        found = [other.places.find(process.node_id, other.now) for other in self.hubs if other is not hub]
        assert all(place is not None and place.hub == hub.name for place in found), f"seed {self.seed}: {found}"
