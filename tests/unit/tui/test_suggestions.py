"""What tab makes of a line."""

from hypothesis import given, strategies as st

from omnyshell.tui.suggestions import Completing, Suggestion, Suggestions


def offered(start: int, *texts: str) -> Suggestions:
    return Suggestions(start, [Suggestion(text) for text in texts])


def test_the_only_one_is_taken() -> None:
    assert Completing().press("a no", offered(2, "node:")) == "a node:"


def test_what_all_have_in_common_comes_first_and_then_one_after_another() -> None:
    completing, found = Completing(), offered(0, "web-1", "web-10", "web-2")
    assert completing.press("w", found) == "web-"
    lines = ["web-"]
    for _ in range(3):
        lines.append(completing.press(lines[-1], found))
    assert lines[1:] == ["web-1", "web-10", "web-2"]


def test_it_goes_round_both_ways_and_begins_anew_after_a_change() -> None:
    completing, found = Completing(), offered(0, "ab", "cd", "ef")
    lines = [""]
    for step in (1, 1, 1, 1, -1, -1):
        lines.append(completing.press(lines[-1], found, step))
    assert lines[1:] == ["ab", "cd", "ef", "ab", "ef", "cd"]
    assert completing.press("x", offered(0, "xyz")) == "xyz"


def test_where_nothing_is_offered_the_line_stays() -> None:
    assert Completing().press("abc", Suggestions(0, ())) == "abc"


def test_inline_goes_on_with_what_is_typed() -> None:
    assert offered(2, "node:", "name:").inline("a na") == "a name:"
    assert offered(0, '"quoted"').inline("quo") is None
    assert offered(0, "node").inline("node") is None


@given(st.lists(st.text("abc", min_size=1, max_size=4), unique=True, max_size=5), st.text("abc", max_size=2))
def test_each_that_is_offered_is_reached(texts: list[str], typed: str) -> None:
    found = offered(0, *(text for text in texts if text.startswith(typed)))
    completing, line, seen = Completing(), typed, set()
    for _ in range(len(texts) + 2):
        line = completing.press(line, found)
        seen.add(line)
    assert {one.text for one in found.found} <= seen
