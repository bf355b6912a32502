"""First at once, the rest in a sum."""

from hypothesis import given, strategies as st

from omnyshell.sums import Summed, Sums


def test_the_first_is_told_at_once_and_the_rest_each_interval_as_long_as_there_is_any() -> None:
    sums: Sums[str, str] = Sums(10.0)
    assert [sums.note("a", f"the {number}th", float(number)) for number in range(4)] == [True, False, False, False]
    assert sums.take(9.9) == []
    assert sums.take(10.0) == [Summed("a", 3, "the 3th")]
    assert not sums.note("a", "later", 19.0)
    assert sums.take(19.9) == []
    assert sums.take(20.0) == [Summed("a", 1, "later")]
    assert sums.take(30.0) == []
    # There was none for an interval: the next one is a first one.
    assert sums.note("a", "anew", 30.0)


def test_each_key_has_an_interval_of_its_own() -> None:
    sums: Sums[str, None] = Sums(10.0)
    for key, now in (("a", 0.0), ("b", 5.0), ("a", 6.0), ("b", 6.0)):
        sums.note(key, None, now)
    assert sums.take(12.0) == [Summed("a", 1, None)]
    assert sums.take(15.0) == [Summed("b", 1, None)]


def test_what_is_only_summed_is_never_first() -> None:
    sums: Sums[str, None] = Sums(10.0)
    sums.add("a", None, 0.0, 7)
    assert not sums.note("a", None, 1.0)
    assert sums.take(10.0) == [Summed("a", 8, None)]


def test_beyond_the_most_keys_all_others_are_one_sum() -> None:
    sums: Sums[int, int] = Sums(10.0, most=3)
    assert [sums.note(key, key, 0.0) for key in range(6)] == [True, True, True, False, False, False]
    assert not sums.note(1, 1, 1.0)
    assert sums.take(10.0) == [Summed(1, 1, 1), Summed(None, 3, 5)]
    assert len(sums._kept) == 2


def test_at_the_end_nothing_is_left_untold() -> None:
    sums: Sums[str, str] = Sums(10.0)
    for now in (0.0, 1.0, 2.0):
        sums.note("a", f"at {now}", now)
    sums.note("once", "", 0.0)
    assert sums.flush() == [Summed("a", 2, "at 2.0")]
    assert sums.flush() == []


steps = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0.0, 7.0), st.booleans()), max_size=60)


@given(steps)
def test_each_one_is_told_once_in_time(happened: list[tuple[str, float, bool]]) -> None:
    sums: Sums[str, float] = Sums(10.0, most=4)
    now, told = 0.0, 0
    for key, pause, is_note in happened:
        now += pause
        told += sum(summed.times for summed in sums.take(now))
        if is_note:
            told += sums.note(key, now, now)
        else:
            sums.add(key, now, now)
        assert [kept.due for kept in sums._kept.values()] == sorted(kept.due for kept in sums._kept.values())
        assert len(sums._kept) <= 5
    assert told + sum(summed.times for summed in sums.flush()) == len(happened)
