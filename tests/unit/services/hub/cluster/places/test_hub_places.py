"""Who has a node id among hubs: each rule by itself, and all of them under random trouble."""

import pytest
from support.in_one_test import in_one_test
from support.places_world import World

from omnyshell.protocol.limits import MOST_EPOCHS, MOST_JUMP
from omnyshell.services.hub.cluster.places.hub_places import Claim, Held, HubPlaces
from omnyshell.services.hub.cluster.places.leases import (
    BEAT_PERIOD,
    LEASE,
    OWN_LEASE,
    UNANSWERED,
    HeardLeases,
    OwnLease,
    Standing,
)
from omnyshell.services.hub.cluster.places.records import Beat, Entry, decode, encode
from omnyshell.services.node.hubs.epoch import NewestEpoch

STALE_AFTER = 300.0


class Stream:
    """Two hubs that read all at once, and one clock for both."""

    def __init__(self) -> None:
        self.seq, self.time = 0, 100.0
        self.moved: list[str] = []
        self.a = HubPlaces("a", "a1", STALE_AFTER, lambda place: self.moved.append(place.entry.node_id))
        self.b = HubPlaces("b", "b1", STALE_AFTER)
        for hub in (self.a, self.b):
            hub.begin()
            self.beat(hub)

    def write(self, hub: HubPlaces, record: Beat | Entry) -> int:
        self.seq += 1
        for reader in (self.a, self.b):
            reader.read(self.seq, hub.hub, record, self.time, self.time)
        return self.seq

    def beat(self, hub: HubPlaces) -> None:
        number, beat = hub.beat(self.time)
        hub.own.acknowledged(number, self.write(hub, beat), self.seq, self.time)

    def claim(self, hub: HubPlaces, instance: str, reported: int = 0) -> Claim | Held:
        return hub.claim("n", instance, reported, b"", self.time)

    def take(self, hub: HubPlaces, instance: str) -> Claim:
        claim = self.claim(hub, instance)
        assert isinstance(claim, Claim)
        self.write(hub, claim.entry)
        return claim


def test_records_are_read_as_they_were_written_and_a_newer_hub_may_say_more() -> None:
    for record in (Beat(3, "p", 7, is_last=True), Entry("n", 1, 2, "i", b"\x00about", is_gone=True)):
        assert decode(encode(record)) == record
        assert decode(encode(record)[:-1] + b',"newer":{"x":[1]}}') == record
    too_far = encode(Entry("n", 1, MOST_EPOCHS, "i"))
    for raw in (b"", b"{}", b'{"type":"node"}', b'{"type":"newer"}', too_far):
        with pytest.raises(ValueError, match=r"."):
            decode(raw)


def test_a_hub_is_silent_once_two_beats_are_missing_unless_nobodys_come() -> None:
    stream = Stream()
    heard = stream.a.leases.heard
    beat = stream.a.beat(stream.time)[1]
    for of_own, now, is_silent in ((0, 10.9, False), (5.5, 11.0, True), (11, 14.9, True), (5, 11.0, False)):
        for hub, at in (("b", 100.0), ("a", 100.0 + of_own)):
            heard(hub, beat, at)
        assert stream.a.leases.is_silent("b", "a", 100.0 + now) is is_silent, (of_own, now)
        assert stream.a.leases.is_there("b", 1, 100.0 + now)
    assert not stream.a.leases.is_silent("never heard of", "a", 200.0)


def test_a_run_of_a_hub_is_over_once_it_says_so_or_another_one_begins() -> None:
    stream = Stream()
    leases = stream.a.leases
    assert not leases.has_ended("b", 1)
    leases.heard("b", Beat(2, "b2", 0), stream.time)
    assert (leases.has_ended("b", 1), leases.has_ended("b", 2)) == (True, False)
    leases.heard("b", Beat(2, "b2", 0, is_last=True), stream.time)
    assert leases.has_ended("b", 2)


def test_a_node_is_found_where_it_is_and_its_epoch_grows() -> None:
    stream = Stream()
    assert stream.take(stream.a, "p").entry.epoch == 1
    assert stream.a.serves("n", "p", stream.time)
    found = stream.b.find("n", stream.time)
    assert found is not None
    assert (found.hub, found.entry.epoch) == ("a", 1)
    assert stream.a.find("n", stream.time) is None
    assert [place.entry.node_id for place in stream.b.of_others(stream.time)] == ["n"]
    claim = stream.claim(stream.b, "p", reported=7)
    assert isinstance(claim, Claim)
    assert claim.entry.epoch == 8


def test_whatever_a_node_says_of_its_epoch_there_is_a_newer_one_for_every_hub() -> None:
    stream = Stream()
    for reported in (MOST_EPOCHS - 1, MOST_JUMP, 0):
        for hub in (stream.a, stream.b):
            claim = stream.claim(hub, "p", reported)
            assert isinstance(claim, Claim)
            before = stream.a.epoch_of("n", "p") or stream.b.epoch_of("n", "p") or 0
            stream.write(hub, claim.entry)
            assert before < claim.entry.epoch <= before + MOST_JUMP
            assert hub.epoch_of("n", "p", claim.entry.epoch) == claim.entry.epoch
            assert stream.a.find("n", stream.time) or stream.b.find("n", stream.time)


def test_a_hub_does_not_have_a_process_that_was_elsewhere_since() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    assert stream.a.epoch_of("n", "p", 1) == 1
    assert stream.a.epoch_of("n", "p", 2) is None
    claim = stream.claim(stream.a, "p", 2)
    assert isinstance(claim, Claim)
    assert claim.entry.epoch == 3


def test_what_hubs_have_written_that_are_no_members_stands_in_nobody_s_way() -> None:
    stream = Stream()
    stream.take(stream.b, "p")
    stream.a.forget_strangers(lambda hub: hub == "a", stream.time)
    assert stream.claim(stream.a, "q") == Held("b")  # whose lease holds still
    stream.time += LEASE
    stream.a.forget_strangers(lambda hub: hub == "a", stream.time)
    claim = stream.claim(stream.a, "q")
    assert isinstance(claim, Claim)
    assert (claim.entry.epoch, claim.last_of_node) == (1, stream.seq)
    stream.a.skip(stream.seq + 1, stream.time, "n")
    claim = stream.claim(stream.a, "q")
    assert isinstance(claim, Claim)
    assert claim.last_of_node == stream.seq + 1


def test_an_epoch_that_is_made_up_counts_for_nobody_whoever_reads_it_and_when() -> None:
    stream, thiefs = Stream(), Entry("n", 1, MOST_EPOCHS - 1, "thief's")
    stream.take(stream.a, "p")
    made_up_at = stream.write(stream.b, thiefs)
    assert (stream.a.serves("n", "p", stream.time), stream.moved) == (True, [])
    described = stream.a.describe("n", b"more")
    assert described is not None
    assert described.last_of_node == made_up_at
    stream.write(stream.a, described.entry)
    assert stream.b.find("n", stream.time) == stream.a._table.get("n")
    # The stream has the last record of each hub alone: one that begins later reads what was made up first.
    later = HubPlaces("c", "c1", STALE_AFTER)
    for seq, hub, record in ((1, "a", Beat(1, "a1", 0)), (2, "b", thiefs), (3, "a", described.entry)):
        later.read(seq, hub, record, stream.time, stream.time)
    found = later.find("n", stream.time)
    assert found is not None
    assert (found.hub, found.entry.epoch) == ("a", 1)


def test_a_node_that_was_told_a_made_up_epoch_is_taken_by_others_again() -> None:
    stream, newest = Stream(), NewestEpoch()
    stream.take(stream.a, "p")
    for _ in range(3):
        newest.take(MOST_EPOCHS - 1)
    tried = 0
    while True:
        tried += 1
        claim = stream.claim(stream.a, "p", newest.value)
        assert isinstance(claim, Claim)
        stream.write(stream.a, claim.entry)
        assert stream.a.epoch_of("n", "p") == claim.entry.epoch
        if claim.entry.epoch >= newest.value:
            break
    newest.take(claim.entry.epoch)
    assert tried == 3


def test_the_same_process_moves_at_once_and_the_hub_that_had_it_is_told() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    stream.take(stream.b, "p")
    assert stream.moved == ["n"]
    assert not stream.a.serves("n", "p", stream.time)
    assert stream.b.serves("n", "p", stream.time)
    assert stream.a.let_go("n", 1) is None


@in_one_test(
    "more",
    [
        b'"newer":' + 5000 * b"[" + 5000 * b"]",
        b'"applied":' + str(2**53).encode(),
        b'"files":{"a":' + 300 * b"[" + b"}",
    ],
)
def test_a_record_that_cannot_be_read_is_none_whatever_is_in_it(more: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(b'{"type":"beat","run":1,"process":"p","read":0,' + more + b"}")


def test_where_peers_reach_a_hub_is_told_as_they_can_read_it_alone() -> None:
    leases = HeardLeases()
    for hub, url in (("a", "wss://a:1"), ("b", "http://b"), ("c", "wss://c\x00"), ("d", "")):
        leases.heard(hub, Beat(1, "p", 0, url=url), 0.0)
    assert list(leases.reached()) == ["a"]


def test_another_process_waits_until_the_hub_lets_go() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    assert stream.claim(stream.b, "q") == Held("a")
    gone = stream.a.let_go("n", 1)
    assert gone is not None
    assert not stream.a.serves("n", "p", stream.time)
    stream.write(stream.a, gone.entry)
    claim = stream.take(stream.b, "q")
    assert (claim.entry.epoch, claim.last_of_all) == (2, None)


def test_another_process_waits_until_the_hub_that_the_one_before_moved_away_from_knows_it() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    stream.take(stream.b, "p")
    assert stream.claim(stream.b, "q") == Held("a")  # which may not have read yet, nor the process have been told
    stream.beat(stream.a)
    assert isinstance(stream.claim(stream.b, "q"), Claim)


def test_another_process_waits_until_the_lease_of_the_hub_has_ended_for_whoever_read_it() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    stream.time += OWN_LEASE
    assert not stream.a.serves("n", "p", stream.time)
    assert stream.claim(stream.b, "q") == Held("a")
    stream.time += LEASE - OWN_LEASE
    claim = stream.claim(stream.b, "q")
    assert isinstance(claim, Claim)
    assert claim.last_of_all == stream.seq  # a beat that comes first makes it void
    assert stream.b.find("n", stream.time) is None


def test_another_process_at_the_same_hub_has_the_id_once_that_is_written() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    claim = stream.claim(stream.a, "q")
    assert not stream.a.serves("n", "p", stream.time)  # the new one may move on before this hub has read it
    assert isinstance(claim, Claim)
    stream.write(stream.a, claim.entry)
    assert stream.a.serves("n", "q", stream.time)
    assert stream.moved == []


def test_a_hub_that_is_started_anew_has_nothing_and_others_see_that() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    stream.a = HubPlaces("a", "a2", STALE_AFTER)
    stream.a.read(stream.seq, "a", Beat(1, "a1", 0), stream.time, stream.time)
    stream.a.begin()
    stream.beat(stream.a)
    assert stream.a.run == 2
    assert stream.b.find("n", stream.time) is None
    assert isinstance(stream.claim(stream.b, "q"), Claim)


def test_a_hub_whose_id_another_process_has_begun_to_use_serves_nothing() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    stream.write(stream.a, Beat(2, "copy", 0))
    assert stream.a.is_displaced
    assert not stream.a.serves("n", "p", stream.time)


def test_a_lease_that_lapsed_is_held_again_when_the_stream_was_read_up_to_a_new_beat() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    stream.time += 20  # it was stopped
    number, beat = stream.a.beat(stream.time)
    stream.a.own.acknowledged(number, stream.seq + 1, stream.seq, stream.time)
    assert stream.a.own.standing(stream.time) is Standing.LAPSED
    stream.write(stream.a, beat)
    assert stream.a.own.standing(stream.time) is Standing.HELD


def test_what_is_connected_is_served_on_while_the_engine_is_away_and_no_longer_than_said() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    stream.time += BEAT_PERIOD
    stream.a.beat(stream.time)
    begin = stream.time
    for second in range(int(UNANSWERED) + 1):
        stream.a.own.tick(begin + second)
    away = begin + UNANSWERED
    assert stream.a.own.standing(away) is Standing.ENGINE_AWAY
    assert stream.a.serves("n", "p", away + STALE_AFTER - 1)
    assert not stream.a.serves("n", "p", away + STALE_AFTER)
    stream.time = away + 60
    stream.beat(stream.a)
    assert stream.a.own.standing(stream.time) is Standing.HELD


def test_a_lease_that_is_renewed_late_while_the_engine_is_away_again_does_not_end_for_that() -> None:
    """As where servers come back one after another: a beat is taken, and read when the next ones are not answered."""
    own, begin = OwnLease(STALE_AFTER), 100.0
    own.sent(1, begin)
    own.acknowledged(1, 1, 1, begin)
    own.sent(2, begin + BEAT_PERIOD)
    for second in range(12):
        own.tick(begin + second)
    assert own.standing(begin + 11) is Standing.ENGINE_AWAY
    own.sent(3, begin + 12)
    own.acknowledged(3, 2, 1, begin + 12)
    own.sent(4, begin + 12 + BEAT_PERIOD)
    ends = begin + 12 + OWN_LEASE
    for second in range(12, 27):
        own.tick(begin + second)
    own.read(2, ends - 0.1)
    assert own.standing(ends - 0.1) is Standing.ENGINE_AWAY
    assert own.standing(ends + STALE_AFTER / 2) is Standing.ENGINE_AWAY
    # One that was stopped meanwhile has nothing to say of the engine.
    own.sent(5, ends + 1)
    own.acknowledged(5, 3, 2, ends + 1)
    own.read(3, ends + OWN_LEASE)
    assert (own.standing(ends + OWN_LEASE), own.standing(ends + OWN_LEASE + 2)) == (Standing.HELD, Standing.LAPSED)


def test_a_hub_that_was_stopped_does_not_take_that_for_an_engine_that_is_away() -> None:
    stream = Stream()
    stream.a.own.tick(stream.time)
    stream.a.beat(stream.time)
    stream.time += 10
    stream.a.own.tick(stream.time)
    assert stream.a.own.standing(stream.time) is Standing.HELD
    stream.time += 10
    stream.a.own.tick(stream.time)
    assert stream.a.own.standing(stream.time) is Standing.LAPSED


def test_a_hub_that_stops_has_no_lease_for_anybody() -> None:
    stream = Stream()
    stream.take(stream.a, "p")
    _, last = stream.a.beat(stream.time, is_last=True)
    assert not stream.a.serves("n", "p", stream.time)
    stream.write(stream.a, last)
    assert isinstance(stream.claim(stream.b, "q"), Claim)


@in_one_test("seed", range(8))
def test_the_rules_hold_whatever_is_lost_stopped_or_cut_off(seed: int) -> None:
    World(seed).run()
