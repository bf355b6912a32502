"""A member cannot fill the memory of the others with nodes that it makes up."""

from typing import Any

import pytest

from omnyshell.services.hub.cluster.order.order import Stored
from omnyshell.services.hub.cluster.places import bounds
from omnyshell.services.hub.cluster.places.hub_places import Claim
from omnyshell.services.hub.cluster.places.records import Beat, Entry, Record, encode
from omnyshell.services.hub.cluster.shared.hearing import Hearing
from omnyshell.services.hub.cluster.shared.places import SharedPlaces
from omnyshell.services.hub.cluster.shared.subjects import name_of_node, of_places


class Members:
    """Hubs `a` and `b`."""

    def key_of(self, hub: str) -> bytes | None:
        return b"" if hub in "ab" else None


class Reader:
    """What hub `a` remembers of others; `owned` are the node ids that somebody owns."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.owned: set[str] = set()
        self.seq = 0
        members: Any = Members()
        hearing = Hearing("a", "g", members, lambda *what: self.told.append(what))
        self.shared = SharedPlaces("a", "g", 60.0, members, hearing=hearing)
        self.shared.serve(tuple, lambda _: None, lambda *_: None, lambda _: b"", is_owned=self.owned.__contains__)
        self.hear("b", Beat(1, "p", 0))

    def hear(self, hub: str, record: Record) -> None:
        self.seq += 1
        name = "beat" if isinstance(record, Beat) else name_of_node(record.node_id)
        self.shared.take(Stored(self.seq, f"{of_places('g')}{hub}.{name}", encode(record)))

    def knows(self, *node_ids: str) -> list[bool]:
        return [self.shared.where(node_id) == "b" for node_id in node_ids]


def test_node_ids_that_nobody_owns_are_remembered_up_to_a_bound_and_others_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MOST_UNOWNED", 3)
    reader = Reader()
    for number in range(6):
        reader.hear("b", Entry(f"made-up-{number}", 1, 1, "p"))
    assert reader.knows("made-up-2", "made-up-3") == [True, False]
    assert reader.told == [("b", bounds.TOO_MANY)]
    reader.hear("b", Entry("made-up-0", 1, 2, "p"))
    reader.owned.update(f"n{number}" for number in range(9))
    for node_id in sorted(reader.owned):
        reader.hear("b", Entry(node_id, 1, 1, "p"))
    assert all(reader.knows(*reader.owned))
    # Who has joined lately is owned a moment later, and makes room then.
    reader.owned.add("made-up-0")
    reader.shared._hearing.look_again(reader.shared._places, 0.0)
    reader.hear("b", Entry("made-up-9", 1, 1, "p"))
    assert reader.knows("made-up-9") == [True]


def test_an_id_of_which_a_record_was_dropped_can_be_claimed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_UNOWNED", 0)
    reader, now = Reader(), 0.0
    places = reader.shared._places
    claim = places.claim("n1", "p", 0, b"", now)
    assert isinstance(claim, Claim)
    assert claim.last_of_all is None
    for hub in ("b", "no-member"):
        reader.hear(hub, Entry("n1", 1, 1, "thief's"))
    claim = places.claim("n1", "p", 0, b"", now)
    assert isinstance(claim, Claim)
    # By the number of the stream's last record, as that of the node's last one was not kept.
    assert (claim.last_of_node, claim.last_of_all) == (0, reader.seq)
    assert len(places._table) == len(places._table._passed) == 0


def test_descriptions_are_kept_up_to_a_bound_and_nodes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_DESCRIBED", 100)
    reader = Reader()
    reader.owned.update(("n1", "n2", "n3"))
    for node_id, about in (("n1", b"x" * 60), ("n1", b"y" * 60), ("n2", b"x" * 60), ("n3", b"x" * 40)):
        reader.hear("b", Entry(node_id, 1, 1, "p", about))
    described = {place.entry.node_id: place.entry.about[:1] for place in reader.shared._places._table.of_hub("b")}
    assert described == {"n1": b"y", "n2": b"", "n3": b"x"}
    assert reader.shared._places.described_by("b") == 100
    assert reader.told == [("b", bounds.TOO_MUCH)]
    reader.hear("b", Entry("n1", 1, 2, "p", is_gone=True))
    reader.hear("b", Entry("n2", 1, 1, "p", b"x" * (bounds.LONGEST_DESCRIPTION + 1)))
    assert reader.shared._places.described_by("b") == 40


def test_what_can_be_no_node_or_process_is_let_pass() -> None:
    reader = Reader()
    ids = ("two words", "\x1b[2J", "x" * 256)
    for node_id in ids:
        reader.hear("b", Entry(node_id, 1, 1, "p"))
    for number, process in enumerate(("p" * 128, "p" * 129)):
        reader.hear("b", Entry(f"n{number}", 1, 1, process))
    reader.hear("b", Beat(2, "p" * 129, 0))
    assert reader.knows(*ids, "n0", "n1") == [False, False, False, True, False]
    assert reader.shared._places.leases.run_of("b") == 1
    assert reader.shared._places.read_up_to == reader.seq
