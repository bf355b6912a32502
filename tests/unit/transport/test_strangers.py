import random
from collections import Counter

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.transport import strangers
from omnyshell.transport.endpoint import EndpointLimits
from omnyshell.transport.strangers import EVICTABLE_AGE, Acquaintance, StrangerLimit, Strangers

IN_ALL, BY_ADDRESS = StrangerLimit(20, 30, 40), StrangerLimit(5, 50, 10)
KNOWN = "192.0.2.9"


def never() -> float:
    """A chance that refuses nothing but what is certain."""
    return 0.999999


def always() -> float:
    return 0.0


def doorway(chance=never, in_all=IN_ALL, by_address=BY_ADDRESS, known=(KNOWN,)):
    return Strangers(in_all, by_address, known.__contains__, chance)


def come(door, addresses, now=0.0):
    return [door.admit(address, now) for address in addresses]


def admitted(entries):
    return sum(entry is not None for entry in entries)


@in_one_test(
    ("text", "limit"),
    [("10:30:100", (10, 30, 100)), ("250", (250, 100, 250)), (" 1:100:1 ", (1, 100, 1)), ("5:1:5", (5, 1, 5))],
)
def test_a_limit_is_parsed_and_written(text, limit):
    parsed = StrangerLimit.parse(text)
    assert parsed == limit
    assert StrangerLimit.parse(str(parsed)) == parsed


@in_one_test(
    "text",
    [
        "",
        "0",
        "0:30:100",
        "100:30:10",
        "10:0:100",
        "10:101:100",
        "10:30",
        "10:30:",
        "-1",
        "1.5",
        "10:30:100:5",
        "\u0661",
    ],
)
def test_a_limit_that_is_wrong(text):
    with pytest.raises(ConfigException, match="START:RATE:FULL"):
        StrangerLimit.parse(text)


def test_what_is_refused_rises_from_the_rate_to_all():
    limit = StrangerLimit(10, 30, 110)
    assert [limit.refused(count) for count in (0, 9, 10, 60, 109, 110, 500)] == pytest.approx(
        [0, 0, 0.3, 0.65, 0.993, 1, 1]
    )


def test_a_number_alone_is_a_limit_as_version_0_1_had_it():
    assert EndpointLimits(max_before_login=7).max_before_login == StrangerLimit(7, 100, 7)


def test_one_address_ends_at_its_limit_and_no_other_notices():
    door = doorway()
    assert admitted(come(door, ["192.0.2.1"] * 1000)) == BY_ADDRESS.full
    assert admitted(come(door, ["192.0.2.2"] * 3)) == 3
    assert door.take_refused() == {"192.0.2.1": 990}
    assert door.take_refused() == {}


def test_a_limit_of_nothing_lets_nobody_in():
    assert admitted(come(doorway(in_all=StrangerLimit.exactly(0)), ["192.0.2.1", KNOWN])) == 0


def test_defaults_let_one_address_end_before_others_feel_it():
    limits = EndpointLimits()
    assert limits.max_before_login_by_address.full < limits.max_before_login.start


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_network_count_together(one, other):
    door = doorway()
    assert admitted(come(door, [one, other] * 50)) == BY_ADDRESS.full
    assert admitted(come(door, ["2001:db8:1:3::1"])) == 1


def test_all_together_end_at_their_limit():
    door = doorway()
    assert admitted(come(door, [f"10.0.{number >> 8}.{number & 255}" for number in range(1000)])) == IN_ALL.full
    assert admitted(come(door, [KNOWN])) == 1


def test_above_the_start_connections_are_refused_at_random():
    chance = random.Random(1).random
    door = doorway(chance, in_all=StrangerLimit.exactly(10**6), by_address=StrangerLimit(1, 30, 10**6))
    assert 6800 < admitted(come(door, ["192.0.2.1"] * 10_000)) < 7200


def test_nothing_is_refused_at_random_below_the_start():
    door = doorway(always)
    assert admitted(come(door, ["192.0.2.1"] * 100)) == BY_ADDRESS.start


def test_whoever_logs_in_or_goes_makes_room():
    door = doorway()
    entries = come(door, [f"10.0.0.{number}" for number in range(IN_ALL.full)])
    for entry in entries[:4]:
        door.leave(entry)
        door.leave(entry)
    assert len(door) == IN_ALL.full - 4
    assert admitted(come(door, [f"10.0.1.{number}" for number in range(10)])) == 4


@pytest.mark.parametrize("source", ["one address", "many"])
def test_where_places_are_short_the_oldest_yields_once_it_is_old(source):
    door = doorway()
    count = BY_ADDRESS.full if source == "one address" else IN_ALL.full
    addresses = ["192.0.2.1"] * count if source == "one address" else [f"10.0.0.{number}" for number in range(count)]
    cut = []
    for number, entry in enumerate(come(door, addresses)):
        entry.cut = lambda number=number: cut.append(number)
    newcomer = "192.0.2.1" if source == "one address" else "192.0.2.2"
    assert admitted(come(door, [newcomer], now=EVICTABLE_AGE - 0.1)) == 0
    assert admitted(come(door, [newcomer] * 2, now=EVICTABLE_AGE)) == 2
    assert (cut, len(door)) == ([0, 1], count)


@in_one_test(
    ("address", "full", "at_a_go", "rate"),
    [("192.0.2.1", 1, 400, 40), ("192.0.2.1", 800, 800, 80), (KNOWN, 1, 1200, 240), (KNOWN, 2400, 2400, 480)],
)
def test_an_address_may_connect_only_so_often_however_quickly_it_goes(address, full, at_a_go, rate):
    limit = StrangerLimit.exactly(full)
    door = doorway(in_all=limit, by_address=limit)
    seconds, each = 10, 0.001
    got = 0
    for number in range(int(seconds / each)):
        entry = door.admit(address, number * each)
        if entry is not None:
            got += 1
            door.leave(entry)
    assert got == pytest.approx(at_a_go + rate * seconds, rel=0.01)


def test_a_known_address_is_held_to_neither_limit_and_has_one_of_its_own():
    door = doorway(always)
    come(door, [f"10.0.0.{number}" for number in range(100)])
    assert admitted(come(door, [KNOWN] * 1000)) == IN_ALL.full


def test_known_addresses_together_have_an_end_too():
    known = tuple(f"198.51.100.{number}" for number in range(9))
    door = doorway(known=known)
    come(door, [address for address in known for _ in range(100)])
    assert len(door) == 2 * IN_ALL.full


@in_one_test("count", [1, 2, 4, 15])
@in_one_test("chance", [never, always])
def test_whoever_comes_from_elsewhere_takes_the_place_of_one_who_has_many(count, chance):
    by_address, in_all = StrangerLimit(200, 30, 400), StrangerLimit(600, 30, 1200)
    door = doorway(chance, in_all, by_address)
    flooding = [f"203.0.113.{number}" for number in range(count)]
    gone = []

    def flood(times):
        for _ in range(times):
            for entry in come(door, flooding):
                if entry is not None:
                    entry.cut = lambda entry=entry: gone.append(entry)

    flood(700)
    honest = []
    for number in range(40):
        entry = door.admit(f"198.51.100.{number}", 0.0)
        assert entry is not None
        entry.cut = lambda entry=entry: gone.append(entry)
        honest.append(entry)
        flood(15)
    assert not set(honest) & set(gone)
    assert len(door) <= in_all.full
    sizes = [len(door._crowds[Acquaintance.UNKNOWN].of(network)) for network in flooding]
    # They share what is left evenly, so far as they have reached it.
    assert max(sizes) - min(sizes) <= max(1, by_address.full - in_all.start // count)


def test_where_nobody_has_more_than_another_it_is_as_it_is_for_one():
    door = doorway(always, StrangerLimit(10, 30, 20))
    assert admitted(come(door, [f"10.0.0.{number}" for number in range(50)])) == 10


def test_networks_of_ipv6_count_as_one_address():
    door = doorway(always, StrangerLimit(4, 30, 8), StrangerLimit.exactly(100))
    come(door, [f"2001:db8::{number:x}" for number in range(50)])
    assert admitted(come(door, [f"2001:db8:1::{number:x}" for number in range(50)])) == 2
    assert len(door._crowds[Acquaintance.UNKNOWN].of("2001:db8:1::/64")) == 2


def test_what_a_stranger_sends_has_an_end_and_what_all_send_too():
    limit = StrangerLimit.exactly(1000)
    door = doorway(in_all=limit, by_address=limit)
    many = come(door, ["192.0.2.1"] * 200)
    assert door.may_receive(many[0], strangers.MAX_RECEIVED)
    assert not door.may_receive(many[0], 1)
    door.leave(many.pop(0))
    kept = [each for each in many if door.may_receive(each, 120 * strangers.KIB)]
    assert len(kept) * 120 * strangers.KIB == pytest.approx(strangers.MAX_RECEIVED_IN_ALL, abs=120 * strangers.KIB)
    (late,) = come(door, ["192.0.2.2"])
    assert door.may_receive(late, strangers.ALWAYS_RECEIVED)
    assert not door.may_receive(late, 1)
    for each in [*many, late]:
        door.leave(each)
        # Whoever has logged in sends what it likes.
        assert door.may_receive(each, 10 * strangers.MAX_RECEIVED)
    assert door._received == 0


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch):
    monkeypatch.setattr(strangers, "MAX_ADDRESSES", 50)
    monkeypatch.setattr(strangers, "MAX_REFUSED", 20)
    door = doorway(in_all=StrangerLimit.exactly(1))
    for number in range(1000):
        address = f"10.0.{number >> 8}.{number & 255}"
        if entry := door.admit(address, 0.0):
            door.leave(entry)
        come(door, [address] * 2)
    refused = door.take_refused()
    assert len(door._allowances) <= 50
    assert len(refused) <= 21
    assert refused[""] > 900


STEP = st.tuples(
    st.sampled_from([0.0, 0.0, 0.1, 1.0, 4.0]),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", KNOWN]),
    st.integers(0, 3),
)


@given(st.lists(STEP, max_size=150), st.randoms(use_true_random=False))
def test_the_books_hold_whatever_comes_and_goes(steps, chance):
    door = doorway(chance.random, StrangerLimit(3, 30, 6), StrangerLimit(2, 30, 3))
    now, inside = 0.0, []
    for wait, address, leaves in steps:
        now += wait
        entry = door.admit(address, now)
        if entry is not None:
            inside.append(entry)
            entry.cut = lambda entry=entry: inside.remove(entry)
        for _ in range(min(leaves, len(inside) // 2)):
            door.leave(inside.pop(0))
        strangers_inside = [each for each in inside if each.standing is Acquaintance.UNKNOWN]
        assert len(door) == len(inside)
        assert len(strangers_inside) <= 6
        for network in {each.network for each in strangers_inside}:
            assert sum(each.network == network for each in strangers_inside) <= 6
        for standing, crowd in door._crowds.items():
            sizes = Counter(each.network for each in inside if each.standing is standing)
            assert {size: set(alike) for size, alike in crowd._by_size.items()} == {
                size: {network for network in sizes if sizes[network] == size} for size in set(sizes.values())
            }
            most = crowd.one_of_the_most(0)
            assert (sizes[most.network] if most else 0) == max(sizes.values(), default=0)
    for entry in inside:
        door.leave(entry)
    assert (len(door), [crowd._by_network for crowd in door._crowds.values()]) == (0, [{}, {}])
