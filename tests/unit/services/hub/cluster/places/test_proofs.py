"""Which entries of other hubs are believed, and that nobody with a hub's key takes a node that proves where it is."""

import random
from typing import Any

import pytest
from msgspec.structs import replace
from support.in_one_test import in_one_test

from omnyshell.errors import OmnyShellException, OmnyShellTimeoutException, TransportException
from omnyshell.protocol.messages.places import NodePlaceRequest
from omnyshell.security.keys import Ed25519PrivateKey, decode_base64_lenient
from omnyshell.security.place_proof import PlaceProof, ProvenPlace
from omnyshell.services.hub.cluster.order.order import Stored
from omnyshell.services.hub.cluster.places.hub_places import Claim
from omnyshell.services.hub.cluster.places.proofs import PlaceProofs, ProofMemory
from omnyshell.services.hub.cluster.places.records import Beat, Entry, Record, encode
from omnyshell.services.hub.cluster.shared import proving as proving_module
from omnyshell.services.hub.cluster.shared.doubts import MOST_DOUBTED, MOST_TOLD, SHOWN_BEHIND, Doubts
from omnyshell.services.hub.cluster.shared.places import SharedPlaces
from omnyshell.services.hub.cluster.shared.proving import Proving
from omnyshell.services.hub.cluster.shared.subjects import name_of_node, of_places
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.nodes.places import NEEDS_PROOF, UNPROVEN, UnprovenException
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.node.hubs.epoch import NewestEpoch
from omnyshell.services.node.hubs.place import PlaceSigner

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
OLD, NEW = Beat(1, "p", 0), Beat(1, "p", 0, proves=True)


def _proven(hub: str, epoch: int, key: Ed25519PrivateKey = KEY, **changes: Any) -> Entry:
    place = ProvenPlace(generation="g", hub=hub, node_id="n", process="i", epoch=epoch)
    return replace(Entry("n", 1, epoch, "i", b"", False, key.public_key.raw, key.sign(place.message)), **changes)


class Judge(PlaceProofs):
    """Of a hub where the owner of all nodes has the keys in `keys`."""

    def __init__(self, memory: ProofMemory | None = None, *, is_required: bool = False) -> None:
        super().__init__("g", memory, is_required=is_required)
        self.keys = {KEY.public_key.raw}
        self.begin(lambda _node_id: self.keys)


def test_who_has_proved_a_place_has_to_go_on_with_that() -> None:
    judge, bare = Judge(), Entry("n", 1, 9, "i")
    for hub in "ab":
        judge.heard(hub, NEW)
    assert (judge.believes("a", bare), judge.must_prove("n")) == (True, False)
    assert judge.believes("a", _proven("a", 1))
    assert judge.must_prove("n")
    wrong = {
        "without a proof": bare,
        "of another hub": _proven("a", 9),
        "by another epoch": replace(_proven("b", 1), epoch=9),
        "of another process": _proven("b", 9, instance="j"),
        "by a key that is not the owner's": _proven("b", 9, OTHER),
        "with half a key": replace(_proven("b", 9), key=KEY.public_key.raw[:9]),
        "with half a signature": _proven("b", 9, proof=b"\x01" * 9),
    }
    assert [name for name, entry in wrong.items() if judge.believes("b", entry)] == []
    assert judge.believes("b", _proven("b", 9, about=b"more", run=7, is_gone=True))


def test_where_all_places_have_to_be_proved_no_other_counts_whichever_hub_says_it() -> None:
    judge, bare = Judge(is_required=True), Entry("n", 1, 9, "i")
    judge.heard("b", OLD)
    assert not any(judge.believes(hub, bare) for hub in "ab")
    assert judge.must_prove("another")
    assert judge.believes("b", _proven("b", 1))
    # A key that is not the owner's any more binds nobody, and is no proof.
    judge.keys = {OTHER.public_key.raw}
    assert not judge.believes("b", _proven("b", 2))
    assert judge.believes("b", _proven("b", 2, OTHER))


def test_hubs_that_have_never_passed_on_proofs_are_believed_as_before() -> None:
    judge, bare = Judge(), Entry("n", 1, 9, "i")
    judge.believes("a", _proven("a", 1))
    assert not judge.believes("b", bare)  # of which nothing was heard
    judge.heard("b", OLD)
    assert judge.believes("b", bare)
    judge.heard("b", NEW)
    judge.heard("b", OLD)
    assert not judge.believes("b", bare)


def test_a_key_that_is_the_owner_s_no_more_binds_nobody() -> None:
    judge = Judge()
    judge.heard("b", NEW)
    judge.believes("a", _proven("a", 1))
    judge.keys = {OTHER.public_key.raw}
    assert not judge.must_prove("n")
    assert judge.believes("b", Entry("n", 1, 9, "i"))
    assert judge.believes("b", _proven("b", 2, OTHER))
    assert (judge.must_prove("n"), judge.believes("b", _proven("b", 3))) == (True, False)


def test_what_was_proved_is_remembered_and_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes: Any = LateTable("", "", tuple)
    hubs: Any = LateTable("", "", tuple)
    judge = Judge(ProofMemory(nodes, hubs))
    judge.heard("a", NEW)
    entry = _proven("a", 5)
    assert judge.believes("a", entry)
    again = Judge(ProofMemory(nodes, hubs, list(nodes.take().values()), list(hubs.take())))
    verified: list[bytes] = []
    path = "omnyshell.services.hub.cluster.places.proofs._verify"
    monkeypatch.setattr(path, lambda key, *_: verified.append(key))
    assert again.believes("a", replace(entry, about=b"more"))
    assert verified == []
    assert not again.believes("a", Entry("n", 1, 9, "i"))


def test_what_is_doubted_is_told_once_and_believed_when_more_is_known() -> None:
    told: list[tuple[str, str]] = []
    table: Any = LateTable("", "", tuple)
    judge = Judge()
    doubts = Doubts(judge, lambda *what: told.append(what), table)
    judge.believes("a", _proven("a", 1))
    rejoined = _proven("b", 2, OTHER)
    for _ in range(2):
        assert doubts.hold_off("b", rejoined)
    assert [hub for hub, _ in told] == ["b"]
    assert (_looked_again(doubts), set(table.take())) == ([], {"n"})
    judge.keys.add(OTHER.public_key.raw)
    assert _looked_again(doubts) == [("b", rejoined)]
    assert (_looked_again(doubts), table.take()) == ([], {"n": None})
    # What is doubted anew is shown again.
    judge.keys.remove(OTHER.public_key.raw)
    judge.believes("a", _proven("a", 3))
    assert doubts.hold_off("b", _proven("b", 4, OTHER))
    assert (len(told), set(table.take()), doubts.by_hub()) == (1, {"n"}, {"b": ("n",)})
    # Once: each word of it would be a row to write.
    assert doubts.hold_off("b", _proven("b", 5, OTHER))
    assert not table.take()


def _looked_again(
    doubts: Doubts, now: float = 0.0, members: str = "ab", ended: tuple[str, int] | None = None
) -> list[tuple[str, Entry]]:
    return doubts.look_again(members.__contains__, lambda *which: which == ended, now)


@in_one_test(
    ("how", "is_shown_for_a_while"),
    [
        ("it says so", True),
        ("its hub has ended", True),
        ("its hub is no member any more", False),
        ("it is here by a newer epoch", False),
        ("it is at another hub by a newer epoch", False),
    ],
)
def test_a_node_that_has_left_is_shown_no_longer_than_for_a_while(how: str, is_shown_for_a_while: bool) -> None:
    table: Any = LateTable("", "", tuple)
    judge = Judge()
    doubts = Doubts(judge, lambda *_: None, table)
    judge.believes("a", _proven("a", 1))
    bare, looks = Entry("n", 1, 4, "i"), {}
    assert doubts.hold_off("b", bare)
    # What is older, as a description of the place before, overtakes nothing.
    assert not doubts.hold_off("a", _proven("a", 1, about=b"more"))
    assert (doubts.by_hub(), set(table.take())) == ({"b": ("n",)}, {"n"})
    if how == "it says so":
        assert doubts.hold_off("b", replace(bare, is_gone=True))
    elif how == "its hub has ended":
        looks = {"ended": ("b", 1)}
    elif how == "its hub is no member any more":
        looks = {"members": "a"}
    elif how == "it is here by a newer epoch":
        doubts.overtaken("here", Entry("n", 1, 5, "i"))
    else:
        assert not doubts.hold_off("a", _proven("a", 5))
    shown = {"b": ("n",)} if is_shown_for_a_while else {}
    for now in (7.0, 7.0 + SHOWN_BEHIND - 1):
        _looked_again(doubts, now, **looks)
        assert doubts.by_hub() == shown
    _looked_again(doubts, 7.0 + SHOWN_BEHIND, **looks)
    assert (doubts.by_hub(), table.take()) == ({}, {"n": None})
    # One that comes back is shown again.
    assert doubts.hold_off("b", Entry("n", 2, 6, "i"))
    assert (doubts.by_hub(), set(table.take())) == ({"b": ("n",)}, {"n"})


def test_doubts_are_bounded_however_many_nodes_a_hub_names() -> None:
    told: list[str] = []
    judge = Judge()
    doubts = Doubts(judge, lambda _hub, why: told.append(why))
    for number in range(MOST_DOUBTED + 10):
        node_id = f"n{number}"
        place = ProvenPlace(generation="g", hub="a", node_id=node_id, process="i", epoch=1)
        judge.believes("a", Entry(node_id, 1, 1, "i", b"", False, KEY.public_key.raw, KEY.sign(place.message)))
        assert doubts.hold_off("b", Entry(node_id, 1, 2, "thief's"))
    assert (len(told), len(doubts._doubted)) == (MOST_TOLD, MOST_DOUBTED)
    # Of nodes that have left one makes room for another.
    for now in (0.0, SHOWN_BEHIND):
        _looked_again(doubts, now, ended=("b", 1))
    assert doubts.hold_off("b", Entry("n1005", 2, 3, "thief's"))
    assert (doubts.by_hub(), len(doubts._doubted)) == ({"b": ("n1005",)}, MOST_DOUBTED)


async def test_a_claim_goes_on_without_a_proof_where_there_was_none_and_is_refused_where_there_was() -> None:
    judge, plan = Judge(), Claim(Entry("n", 1, 4, "i"), 0)

    async def claimed(answer: PlaceProof | OmnyShellException | None) -> Entry:
        proving = Proving("a", "g", judge, None if answer is None else lambda _asked: _answering(answer))
        assert not proving.has_asked(plan.entry)
        await proving.ask(plan.entry)
        assert proving.has_asked(plan.entry)
        assert not proving.has_asked(replace(plan.entry, epoch=5))
        return proving.proven(plan).entry

    good, bad = _proven("a", 4), PlaceProof(KEY.public_key.raw, bytes(64))
    useless = (None, bad, OmnyShellTimeoutException("late"))
    for answer in useless:
        assert await claimed(answer) == plan.entry
    assert await claimed(PlaceProof(good.key, good.proof)) == good
    judge.believes("a", _proven("a", 3))
    for answer in useless:
        with pytest.raises(UnprovenException, match="this node proved its places"):
            await claimed(answer)
    with pytest.raises(TransportException, match="gone"):
        await claimed(TransportException("gone"))
    judge.is_required, judge.keys = True, set()
    with pytest.raises(UnprovenException, match="have to prove"):
        await claimed(None)
    assert max(len(text.encode()) for text in (UNPROVEN, NEEDS_PROOF)) <= 123  # what a close frame carries


async def test_why_a_node_proves_nothing_is_said_also_of_what_has_no_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(proving_module, "PROOF_TIMEOUT", 0.0)
    await Proving("a", "g", Judge(), lambda _asked: Answer[PlaceProof]()).ask(Entry("n", 1, 4, "i"))
    assert "node n does not prove where it is: TimeoutError" in caplog.text


def _answering(answer: PlaceProof | OmnyShellException) -> Answer[PlaceProof]:
    made = Answer[PlaceProof]()
    if isinstance(answer, PlaceProof):
        made.give(answer)
    else:
        made.fail(answer)
    return made


class AllMembers:
    """Every hub is a member."""

    def key_of(self, _hub: str) -> bytes:
        return b""


class Theft:
    """A node moves between an honest hub and one whose key somebody has; a third hub reads what both say."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.reader = SharedPlaces("c", "g", 60.0, AllMembers())  # type: ignore[arg-type]  # it asks no more of them
        self.reader.serve(tuple, lambda _: None, lambda *_: None, lambda _: b"", keys_of=lambda _: {KEY.public_key.raw})
        self.seq = self.processes = 0
        self.collected: list[Entry] = []
        self.is_at: Entry | None = None
        self.hub = ""
        self.remembered = NewestEpoch()
        self._restart()
        for hub in ("honest", "thief"):
            self._write(hub, NEW)

    def _restart(self) -> None:
        self.processes += 1
        newest = NewestEpoch()
        newest._before = self.remembered.reported
        self.remembered = newest
        self.instance = f"process {self.processes}"
        self.signer = PlaceSigner("n", self.instance, newest)

    def _write(self, hub: str, record: Record) -> None:
        self.seq += 1
        name = "beat" if isinstance(record, Beat) else name_of_node(record.node_id)
        self.reader.take(Stored(self.seq, f"{of_places('g')}{hub}.{name}", encode(record)))

    def _known(self) -> int:
        place = self.reader._places.place_of("n")
        return place.entry.epoch if place is not None else 0

    def _signed(self, hub: str, epoch: int) -> Entry:
        asked = NodePlaceRequest(request_id="r", generation="g", hub=hub, epoch=epoch)
        answer = self.signer.answer(asked, KEY)
        proof = decode_base64_lenient(answer.signature)
        return Entry("n", 1, epoch, self.signer._process, b"", False, KEY.public_key.raw, proof)

    def _register(self, hub: str) -> None:
        """A hub that is honest has the node by the next epoch; the thief may have it sign for later ones."""
        entry = self._signed(hub, max(self._known(), self.remembered.reported) + 1)
        self._write(hub, entry)
        if hub == "thief":
            # Which keeps a later one for another day.
            self.collected += [entry, self._signed(hub, entry.epoch + self.rng.randint(1, 1000))]
        self.is_at, self.hub = entry, hub

    def _attack(self) -> None:
        rng = self.rng
        made_up = Entry("n", 1, self._known() + rng.randint(-3, 9), rng.choice((self.instance, "thief's")))
        entry = rng.choice([*self.collected, made_up])
        if rng.random() < 0.5:
            entry = replace(entry, epoch=self._known() + rng.randint(-3, 9))
        if self.is_at is not None and rng.random() < 0.3:
            entry = replace(self.is_at, epoch=rng.choice((self.is_at.epoch, entry.epoch)))
        self._write("thief", replace(entry, run=rng.randint(1, 3), is_gone=rng.random() < 0.3))

    def step(self) -> None:
        what = self.rng.random()
        if what < 0.15:
            self._register("honest")
        elif what < 0.2:
            self._register("thief")
        elif what < 0.3:
            self._restart()
            self._register("honest")
        else:
            self._attack()


def test_no_interleaving_leads_away_from_an_honest_hub_that_a_node_has_come_to() -> None:
    for seed in range(30):
        world = Theft(seed)
        world._register("honest")
        for step in range(60):
            world.step()
            place = world.reader._places.place_of("n")
            assert place is not None
            assert world.is_at is not None
            if world.hub == "honest":
                found = (place.hub, place.entry.epoch, place.entry.instance, place.entry.is_gone)
                expected = ("honest", world.is_at.epoch, world.is_at.instance, False)
                assert found == expected, (seed, step)
