"""A hub's places are brought in line with its nodes, in steps, and what is claimed is left to its claim."""

import asyncio

from omnyshell.services.hub.cluster.places.hub_places import HubPlaces
from omnyshell.services.hub.cluster.places.records import Entry
from omnyshell.services.hub.cluster.shared.read_records import ReadRecords
from omnyshell.services.hub.cluster.shared.reconciling import Reconciling
from omnyshell.services.hub.ground.in_steps import A_STEP
from omnyshell.services.hub.nodes.places import Served


class AHub:
    """It has places of processes `p`, and nodes that are connected."""

    def __init__(self, places: int, nodes: dict[str, Served]) -> None:
        self.places = HubPlaces("a", "process", 300.0)
        self.places.begin()
        for seq in range(1, places + 1):
            entry = Entry(f"n{seq}", self.places.run, 1, "p", b"")
            self.places.read(seq, "a", entry, 0.0, 0.0)
        self.let_go: list[str] = []
        self.claimed: list[Served] = []
        self.turns = 0
        self.reconciling = Reconciling(lambda node_id, _epoch: self.let_go.append(node_id), self.claimed.append)
        self.reconciling.begin(lambda: nodes, nodes.get)

    async def reconcile(self, turns: int = 1_000_000) -> None:
        def may_go_on() -> bool:
            self.turns += 1
            return self.turns <= turns

        await self.reconciling.run(self.places, may_go_on)


async def test_who_has_left_is_let_go_of_and_who_is_here_is_claimed() -> None:
    nodes = {"n1": Served("n1", "p", 1), "n2": Served("n2", "another", 1), "n9": Served("n9", "p", 4)}
    hub = AHub(3, nodes)
    await hub.reconcile()
    assert sorted(hub.let_go) == ["n2", "n3"]
    assert hub.claimed == [nodes["n2"], nodes["n9"]]


async def test_what_is_claimed_is_left_to_its_claim_until_that_is_answered() -> None:
    hub = AHub(1, {"n2": Served("n2", "p", 1)})
    for node_id in ("n1", "n1", "n2"):
        hub.reconciling.is_claimed(node_id)
    hub.reconciling.is_answered("n1")
    await hub.reconcile()
    assert (hub.let_go, hub.claimed) == ([], [])
    for node_id in ("n1", "n2"):
        hub.reconciling.is_answered(node_id)
    await hub.reconcile()
    assert (hub.let_go, len(hub.claimed)) == (["n1"], 1)


async def test_many_are_looked_at_in_steps_once_at_a_time_and_no_longer_than_that_may_be() -> None:
    hub = AHub(3 * A_STEP, {})
    first = asyncio.create_task(hub.reconcile(turns=2))
    await asyncio.sleep(0)
    assert len(hub.let_go) == A_STEP
    await hub.reconciling.run(hub.places, lambda: True)
    assert len(hub.let_go) == A_STEP
    await first
    assert len(hub.let_go) == 2 * A_STEP


async def test_a_wait_for_a_record_ends_with_that_one_or_a_later_one_or_after_a_while() -> None:
    records = ReadRecords()
    waits = {seq: asyncio.create_task(records.reach(seq, 60.0)) for seq in (3, 5)}
    await asyncio.sleep(0)
    for seq, ended in ((2, []), (4, [3]), (9, [3, 5])):
        records.read(seq)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [each for each, wait in waits.items() if wait.done()] == ended
    await records.reach(10, 0.001)
    records.read(10)
