"""What became of a command on many nodes."""

from hypothesis import given, strategies as st

from omnyshell.tui.fan_out.runs import (
    CUT,
    OUTPUT_LIMIT,
    TOTAL_LIMIT,
    Run,
    RunState,
    grouped,
    runs_on,
    summary,
    ungrouped,
)
from omnyshell.tui.fan_out.screen import LEFT_OUT, SHOWN_BYTES, SHOWN_LINES, shown_lines


def ended(name: str, output: bytes, code: int = 0) -> Run:
    run = Run(name)
    run.begin(10.0)
    run.add(output)
    run.end(12.5, exit_code=code)
    return run


def test_nodes_with_equal_output_and_outcome_come_together() -> None:
    runs = [ended("a", b"x"), ended("b", b"y"), ended("c", b"x"), ended("d", b"x", 1), Run("e"), Run("f")]
    assert [[run.node_id for run in group.runs] for group in grouped(runs)] == [["a", "c"], ["e", "f"], ["b"], ["d"]]
    assert [group.first.node_id for group in ungrouped(runs)] == list("abcdef")
    assert summary(runs) == "4 of 6 done, 1 not well"


def test_the_first_end_counts_and_time_stands_still_after_it() -> None:
    run = ended("a", b"")
    run.end(99.0, cancelled=True)
    assert run.state is RunState.DONE
    assert run.seconds(50.0) == 2.5
    waiting = Run("b")
    assert waiting.seconds(5.0) is None
    waiting.end(5.0, error="not connected")
    assert waiting.state is RunState.FAILED


@given(st.lists(st.integers(0, OUTPUT_LIMIT // 2), max_size=6))
def test_output_is_kept_up_to_a_bound_and_says_that_it_was_cut(sizes: list[int]) -> None:
    run = Run("a")
    for size in sizes:
        run.add(bytes(size))
    if sum(sizes) <= OUTPUT_LIMIT:
        assert run.output == bytes(sum(sizes))
    else:
        assert run.output == bytes(OUTPUT_LIMIT) + CUT


def test_how_two_streams_mix_makes_no_difference_but_what_was_not_kept_does() -> None:
    one, other, longer = Run("one"), Run("other"), Run("longer")
    one.add(b"out")
    one.add(b"err", is_stderr=True)
    other.add(b"err", is_stderr=True)
    other.add(b"ou")
    other.add(b"t")
    for run in (one, other, longer):
        run.begin(0.0)
    longer.add(b"y" * (OUTPUT_LIMIT + 1))
    cut = Run("cut")
    cut.begin(0.0)
    cut.add(b"y" * (OUTPUT_LIMIT + 2))
    for run in (one, other, longer, cut):
        run.end(1.0, exit_code=0)
    assert [len(group.runs) for group in grouped([one, other, longer, cut])] == [2, 1, 1]
    assert one.output == b"outerr"


@given(st.integers(0, 5_000))
def test_however_many_nodes_there_are_what_is_kept_of_all_is_bounded(count: int) -> None:
    runs = runs_on([str(number) for number in range(count)])
    assert len(runs) == count
    assert sum(run.limit for run in runs) <= TOTAL_LIMIT
    assert all(0 < run.limit <= OUTPUT_LIMIT for run in runs)


def test_the_end_of_an_output_is_shown_and_that_it_is_only_the_end() -> None:
    assert shown_lines(b"") == []
    assert shown_lines(b"a\tb\n\x1bc") == ["a       b", "\N{REPLACEMENT CHARACTER}c"]
    assert shown_lines(b"y\n" * SHOWN_LINES) == ["y"] * SHOWN_LINES
    assert shown_lines(b"x\n" + b"y\n" * SHOWN_LINES) == [LEFT_OUT] + ["y"] * SHOWN_LINES
    assert shown_lines(b"x" * (SHOWN_BYTES + 1)) == [LEFT_OUT, "x" * SHOWN_BYTES]
