"""The tree of panes: whatever is done to it, the panes tile the tab."""

from itertools import product

import pytest
from hypothesis import given, strategies as st

from omnyshell.tui.terminal import splits
from omnyshell.tui.terminal.arrangements import ARRANGEMENTS, next_arrangement
from omnyshell.tui.terminal.splits import LEAST_HEIGHT, LEAST_WIDTH, Axis, Direction, Leaf, Rect, Split, Tree

PLACE = Rect(0, 1, 120, 40)
axes = st.sampled_from(list(Axis))
steps = st.lists(st.tuples(st.integers(0, 20), axes, st.sampled_from(["split", "close", "move"])), max_size=14)
places = st.builds(Rect, st.integers(0, 3), st.integers(0, 3), st.integers(60, 200), st.integers(20, 60))


def grown(changes: list[tuple[int, Axis, str]], place: Rect) -> Tree[int]:
    """A tree after some changes, as far as there is room."""
    tree: Tree[int] = Leaf(0)
    for number, (which, axis, change) in enumerate(changes, 1):
        panes = splits.items(tree)
        pane = panes[which % len(panes)]
        if change == "split":
            found = splits.split(tree, place, pane, number, axis)
            tree = found if splits.fits(found, place) else tree
        elif change == "close":
            tree = splits.close(tree, place, pane) or tree
        elif (border := splits.border_to_move(tree, place, pane, axis)) is not None:
            tree = splits.moved(tree, place, border, which - 10)
    return tree


trees = st.tuples(steps, places).map(lambda given: (grown(*given), given[1]))
Found = tuple[Tree[int], Rect]


def lines(tree: Tree[int], place: Rect) -> list[Rect]:
    return [border.place for border in splits.borders(tree, place) if border.axis is Axis.BESIDE]


@given(trees)
def test_panes_and_the_lines_between_them_tile_the_tab_and_none_is_too_small(found: Found):
    tree, place = found
    panes = splits.areas(tree, place)
    assert list(panes) == splits.items(tree)
    cells = [cell for part in [*panes.values(), *lines(tree, place)] for cell in cells_of(part)]
    assert len(cells) == len(set(cells)) == place.width * place.height
    assert set(cells) == set(cells_of(place))
    assert all(part.width >= LEAST_WIDTH and part.height >= LEAST_HEIGHT for part in panes.values())


def cells_of(part: Rect) -> list[tuple[int, int]]:
    return list(product(range(part.x, part.right), range(part.y, part.bottom)))


@given(trees)
def test_each_pane_is_reached_by_directions(found: Found):
    tree, place = found
    reached, new = set(), {splits.items(tree)[0]}
    while new:
        reached |= new
        new = {
            other
            for pane in new
            for direction in Direction
            if (other := splits.neighbour(tree, place, pane, direction)) is not None
        } - reached
    assert reached == set(splits.items(tree))


@given(trees, st.integers(0, 20), axes)
def test_closing_undoes_a_split_and_a_split_moves_no_other_pane(found: Found, which: int, axis: Axis):
    tree, place = found
    panes = splits.items(tree)
    pane = panes[which % len(panes)]
    after = splits.split(tree, place, pane, -1, axis)
    before = splits.areas(tree, place)
    least = LEAST_WIDTH if axis is Axis.BESIDE else LEAST_HEIGHT
    if before[pane].along(axis) >= 2 * least + axis.gap:
        now = splits.areas(after, place)
        assert all(now[other] == before[other] for other in panes if other != pane)
        whole = splits.close(after, place, -1)
        assert whole is not None
        assert splits.areas(whole, place) == before


@given(trees)
def test_no_part_is_split_as_its_whole_is(found: Found):
    def check(tree: Tree[int]) -> None:
        if isinstance(tree, Split):
            assert len(tree.parts) == len(tree.weights) > 1
            assert all(0 < weight <= splits.MOST_WEIGHT for weight in tree.weights)
            for part in tree.parts:
                assert not isinstance(part, Split) or part.axis is not tree.axis
                check(part)

    check(found[0])
    check(splits.evened(found[0]))


@given(trees, st.sampled_from(list(Direction)), st.integers(1, 9))
def test_a_border_moves_as_far_as_there_is_room_and_back(found: Found, direction: Direction, by: int):
    tree, place = found
    pane = splits.items(tree)[-1]
    border = splits.border_to_move(tree, place, pane, direction.axis)
    if border is None:
        return
    there = splits.moved(tree, place, border, by * direction.step)
    before, after = splits.areas(tree, place), splits.areas(there, place)
    changed = {pane for pane in before if before[pane] != after[pane]}
    if changed and max(abs(before[pane].along(border.axis) - after[pane].along(border.axis)) for pane in changed) == by:
        assert splits.areas(splits.moved(there, place, border, -by * direction.step), place) == before


@given(trees)
def test_swapping_and_rotating_change_places_only(found: Found):
    tree, place = found
    panes = splits.items(tree)
    swapped = splits.areas(splits.swapped(tree, panes[0], panes[-1]), place)
    before = splits.areas(tree, place)
    assert swapped[panes[0]] == before[panes[-1]]
    assert sorted(swapped.values()) == sorted(before.values())
    assert splits.rotated(splits.rotated(tree, 1), -1) == tree
    turned = splits.areas(splits.rotated(tree, 1), place)
    assert turned[panes[0]] == before[panes[1 % len(panes)]]


@given(st.integers(1, 12), st.integers(0, len(ARRANGEMENTS) - 1))
def test_arrangements_have_all_panes_in_their_order(count: int, number: int):
    panes = list(range(count))
    tree = ARRANGEMENTS[number](panes)
    assert splits.items(tree) == panes
    found = next_arrangement(tree, PLACE, number)
    assert (found is None) == (count == 1)
    assert found is None or (splits.fits(found[0], PLACE) and found[0] != tree)


def test_arrangements_look_as_their_names_say():
    tiled, beside, below, main_left, main_above = (splits.areas(make("abcd"), PLACE) for make in ARRANGEMENTS)
    assert [tiled[name][:2] for name in "abcd"] == [(0, 1), (61, 1), (0, 21), (61, 21)]
    assert {part.height for part in beside.values()} == {40}
    assert {part.width for part in below.values()} == {120}
    assert main_left["a"] == Rect(0, 1, 71, 40)
    assert main_above["a"] == Rect(0, 1, 120, 24)


def test_the_neighbour_is_the_one_that_was_used_last():
    tree = ARRANGEMENTS[3]("abc")
    assert splits.neighbour(tree, PLACE, "a", Direction.RIGHT) == "b"
    assert splits.neighbour(tree, PLACE, "a", Direction.RIGHT, ["b", "c", "a"]) == "c"
    assert splits.neighbour(tree, PLACE, "a", Direction.LEFT) is None


@pytest.mark.parametrize(("axis", "direction"), [(Axis.BESIDE, Direction.RIGHT), (Axis.BELOW, Direction.DOWN)])
def test_keys_move_the_border_behind_a_pane_and_of_the_last_one_that_before_it(axis: Axis, direction: Direction):
    tree = splits.joined(axis, [Leaf("a"), Leaf("b")], [1, 1])
    for pane in "ab":
        border = splits.border_to_move(tree, PLACE, pane, axis)
        assert border is not None
        wider = splits.areas(splits.moved(tree, PLACE, border, 5 * direction.step), PLACE)
        assert wider["a"].along(axis) == splits.areas(tree, PLACE)["a"].along(axis) + 5
    other = Axis.BELOW if axis is Axis.BESIDE else Axis.BESIDE
    assert splits.border_to_move(tree, PLACE, "a", other) is None


def test_weights_stay_small_whatever_is_split():
    huge = splits.joined(Axis.BESIDE, [Leaf("a"), Leaf("b")], [10**30, 10**29])
    assert isinstance(huge, Split)
    assert max(huge.weights) <= splits.MOST_WEIGHT
