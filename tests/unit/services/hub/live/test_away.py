"""Which sessions of nodes that are offline have no place any more."""

import pytest
from hypothesis import given, strategies as st

from omnyshell.services.hub.live import away
from omnyshell.services.hub.live.away import AwaySessions


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away, "MAX_AWAY", 8)
    monkeypatch.setattr(away, "MAX_AWAY_OF_NODE", 4)


def leaves(kept: AwaySessions, node: str, owner: str, count: int) -> None:
    for number in range(count):
        displaced = kept.add(f"{node}/{owner}{number}", node, owner)
        if displaced is not None:
            kept.discard(displaced)


def test_a_node_that_tells_of_many_pushes_out_its_own_alone() -> None:
    kept = AwaySessions()
    leaves(kept, "good", "ann", 2)
    for number in range(3):
        leaves(kept, f"bad{number}", "ann", 50)
    assert {key for key in kept if key.startswith("good")} == {"good/ann0", "good/ann1"}
    assert len(list(kept)) == 8


def test_finding_the_node_that_has_the_most_looks_at_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole fleet goes offline at once, where its network does."""
    monkeypatch.setattr(away, "MAX_AWAY", 1000)
    kept = AwaySessions()
    for number in range(2000):
        leaves(kept, f"n{number}", "ann", 1)
    leaves(kept, "n1999", "bob", 1)
    assert set(kept) == {f"n{number}/ann0" for number in range(1000, 1999)} | {"n1999/bob0"}
    assert list(kept._nodes_of_size) == [1]


def test_an_owner_with_many_pushes_out_its_own_alone() -> None:
    kept = AwaySessions()
    leaves(kept, "n1", "bob", 1)
    leaves(kept, "n1", "ann", 50)
    assert set(kept) == {"n1/bob0", "n1/ann47", "n1/ann48", "n1/ann49"}


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz"), st.integers(0, 9), st.booleans())))
def test_it_holds_so_many_and_forgets_what_it_is_told_to(steps: list[tuple[str, str, int, bool]]) -> None:
    kept, known = AwaySessions(), dict[str, str]()
    for node, owner, number, is_left in steps:
        key = f"{node}/{number}"
        known.pop(key, None)
        if is_left:
            known[key] = node
            displaced = kept.add(key, node, owner)
            if displaced is not None:
                kept.discard(displaced)
                del known[displaced]
        else:
            kept.discard(key)
        assert list(kept) == list(known)
        assert len(known) <= 8
        assert all(list(known.values()).count(each) <= 4 for each in known.values())
