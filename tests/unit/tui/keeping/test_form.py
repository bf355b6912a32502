"""What is kept of panes comes back as it was, and nothing else is taken for it."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.model.grammars import LOGIN_OR_NONE
from omnyshell.tui.keeping import form
from omnyshell.tui.keeping.form import Kept, KeptPane, KeptSplit, KeptTab, decode, encode, kept_tree, panes_of, tree_of
from omnyshell.tui.terminal import splits
from omnyshell.tui.terminal.splits import Axis, Leaf, Rect, Tree

PLACE = Rect(0, 0, 200, 60)


def uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def pane(number: int) -> KeptPane:
    return KeptPane("web-1", uuid(number), f"what {number}")


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(list(Axis))), max_size=8), st.sets(st.integers(0, 8)))
def test_a_tree_comes_back_with_its_sizes_and_without_what_is_gone(changes: list[tuple[int, Axis]], gone: set[int]):
    tree: Tree[int] = Leaf(0)
    for number, (which, axis) in enumerate(changes, 1):
        found = splits.split(tree, PLACE, splits.items(tree)[which % number], number, axis)
        if not splits.fits(found, PLACE):
            break
        tree = found
    kept = kept_tree(tree, pane)
    assert kept is not None
    data = encode(Kept(1, "hub", "ann", (KeptTab(kept),)))
    (tab,) = decode(data, "hub", "ann").tabs
    numbers = {uuid(number): number for number in splits.items(tree)}
    assert tree_of(tab.tree, lambda kept: numbers[kept.session]) == tree
    left = [number for number in splits.items(tree) if number not in gone]
    pruned = tree_of(tab.tree, lambda kept: number if (number := numbers[kept.session]) not in gone else None)
    assert (splits.items(pruned) if pruned is not None else []) == left
    saved = kept_tree(tree, lambda number: pane(number) if number not in gone else None)
    assert [one.session for one in panes_of(saved)] == [uuid(n) for n in left] if saved is not None else not left


def test_a_user_comes_back_however_long_a_name_a_node_may_say():
    kept = KeptPane("web-1", uuid(1), "top", watched=False, user="x" * 256)
    assert LOGIN_OR_NONE.fits(kept.user)
    assert decode(encode(Kept(1, "hub", "ann", (KeptTab(kept),))), "hub", "ann").panes == [kept]


def deep(levels: int) -> Any:
    tree: Any = {"type": "pane", "node": "n", "session": uuid(1)}
    for level in range(levels):
        axis = ["beside", "below"][level % 2]
        tree = {"type": "split", "axis": axis, "weights": [1, 1], "parts": [tree, deep(0)]}
    return tree


GOOD = {"version": 1, "hub": "hub", "principal": "ann", "tabs": [{"tree": deep(1)}]}


def with_tree(**changes: Any) -> Any:
    return {**GOOD, "tabs": [{"tree": {**deep(1), **changes}}]}


@in_one_test(
    "wrong",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[" * 100_000,
        b" " * (form.MOST_BYTES + 1),
        {**GOOD, "version": 2},
        {**GOOD, "hub": "other"},
        {**GOOD, "principal": "bob"},
        {**GOOD, "tabs": [{"tree": deep(form.DEEPEST + 1)}]},
        {**GOOD, "tabs": [{"tree": deep(1)}] * 120},
        {**GOOD, "tab": -1},
        with_tree(weights=[1, 0]),
        with_tree(weights=[1, 1, 1]),
        with_tree(weights=[1, 10**12]),
        with_tree(parts=[]),
        with_tree(axis="across"),
        {**GOOD, "tabs": [{"tree": {"type": "pane", "node": "../etc", "session": uuid(1)}}]},
        {**GOOD, "tabs": [{"tree": {"type": "pane", "node": "n", "session": "\x1b[2J"}}]},
        {**GOOD, "tabs": [{"tree": {"type": "pane", "node": "n", "session": uuid(1), "name": "x" * 5000}}]},
        {**GOOD, "tabs": [{"tree": {"type": "program", "argv": ["sh"]}}]},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_what_is_not_right_is_refused_with_a_reason(wrong: Any):
    data = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
    with pytest.raises(ConfigException, match=r"^it "):
        decode(data, "hub", "ann")


def test_what_is_right_and_what_a_later_console_adds_is_taken():
    kept = decode(json.dumps({**GOOD, "later": True}).encode(), "hub", "ann")
    assert isinstance(kept.tabs[0].tree, KeptSplit)
    assert len(kept.panes) == 2
