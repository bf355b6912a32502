"""Which of several hubs a peer goes to, without a network or a clock."""

import random
from collections import Counter

from omnyshell.model.hubs import MOST_HUBS, OtherHub
from omnyshell.services.hub_choice import STEADY, HubChoice
from omnyshell.transport.connection import HubAddress

A, B, C, D = (HubAddress(f"{name}.example", 8443) for name in "abcd")


def others(**weights: int) -> tuple[OtherHub, ...]:
    return tuple(OtherHub(url=f"wss://{name}.example:8443", weight=weight) for name, weight in weights.items())


def choice(**weights: int) -> HubChoice:
    return HubChoice(A, others(**weights), random.Random(7).random)


def round_of(hubs: HubChoice) -> list[HubAddress]:
    """All attempts until each hub was tried."""
    found = [hubs.next()]
    while not hubs.is_round_over:
        found.append(hubs.next())
    return found


def test_a_peer_begins_at_its_own_hub_and_tries_each_other_one_once() -> None:
    hubs = choice(b=100, c=100)
    first = round_of(hubs)
    assert first[0] == A
    assert sorted(first) == [A, B, C]


def test_where_all_are_dead_rounds_follow_and_none_begins_with_the_hub_that_was_tried_last() -> None:
    hubs = choice(b=100, c=1)
    before = round_of(hubs)
    for _ in range(50):
        again = round_of(hubs)
        assert sorted(again) == [A, B, C]
        assert again[0] != before[-1]
        before = again


def test_a_hub_that_is_alone_is_tried_again_and_again() -> None:
    hubs = choice()
    for _ in range(3):
        assert round_of(hubs) == [A]
        hubs.lost(STEADY)
    assert not hubs.has_others


def test_others_are_drawn_by_weight_and_the_hub_that_was_lost_comes_last() -> None:
    counts: Counter[HubAddress] = Counter()
    draw = random.Random(7).random
    for _ in range(3000):
        hubs = HubChoice(A, others(b=300, c=100, d=0), draw)
        hubs.next()
        hubs.lost(STEADY)
        order = [hubs.next(), hubs.next(), hubs.next()]
        assert order[2] == D  # with the weight 0 only who finds no other one
        assert hubs.is_round_over
        counts[order[0]] += 1
    assert 0.70 < counts[B] / 3000 < 0.80
    assert counts[B] + counts[C] == 3000


def test_a_hub_that_takes_peers_and_drops_them_is_tried_no_oftener_than_others() -> None:
    hubs = choice(b=1000, c=1)
    hubs.next()
    hubs.lost(STEADY)
    assert hubs.next() == B
    hubs.lost(0.1)
    assert hubs.next() == C
    hubs.lost(0.1)
    assert hubs.is_round_over


def test_after_a_steady_connection_a_new_round_begins() -> None:
    hubs = choice(b=100)
    round_of(hubs)
    assert hubs.at == B
    hubs.lost(STEADY)
    assert not hubs.is_round_over
    assert hubs.next() == A


def test_what_the_present_hub_tells_replaces_what_was_known() -> None:
    hubs = choice(b=100, c=100)
    hubs.next()
    hubs.told(others(d=7))
    assert hubs.others == others(d=7)
    assert hubs.next() == D
    hubs.told(others(a=5, b=9))
    # The hub that says it stays, and the peer's own with what was said of it.
    assert {(other.url, other.weight) for other in hubs.others} == {
        ("wss://d.example:8443", 7),
        ("wss://b.example:8443", 9),
    }
    hubs.told(())
    assert [other.url for other in hubs.others] == ["wss://d.example:8443"]


def test_what_is_told_is_bounded_and_no_address_does_not_count() -> None:
    many = tuple(OtherHub(url=f"wss://h{number}:1", weight=1) for number in range(MOST_HUBS + 5))
    hubs = HubChoice(A, (OtherHub(url="wss://user:password@h"), OtherHub(url="wss://"), *many))
    assert len(hubs.others) == MOST_HUBS - 2


def test_only_hubs_of_no_weight_are_still_tried() -> None:
    hubs = choice(b=0, c=0)
    hubs.next()
    hubs.lost(STEADY)
    assert sorted([hubs.next(), hubs.next()]) == [B, C]


def test_a_hub_that_did_not_answer_lately_is_tried_behind_the_others() -> None:
    silent = {A}
    hubs = HubChoice(A, others(b=1, c=1), random.Random(7).random, silent.__contains__)
    for _ in range(5):
        order = round_of(hubs)
        assert (sorted(order[:2]), order[2]) == ([B, C], A)
    silent.clear()
    assert HubChoice(A, others(b=1), random.Random(7).random, silent.__contains__).next() == A
    alone = HubChoice(A, (), random.Random(7).random, {A}.__contains__)
    assert alone.next() == A
