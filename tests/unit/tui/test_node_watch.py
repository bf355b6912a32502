"""This machine's node, which is started again where its process is gone."""

from support.console import StillClock

from omnyshell.errors import ConfigException
from omnyshell.transport.backoff import STABLE_AFTER
from omnyshell.tui.node_watch import NOT_STARTED, STARTED, TIMES, NodeWatch

STEP = 0.25
"""Seconds between two looks."""


class Node:
    """A process that can be lost."""

    def __init__(self) -> None:
        self.lives = True
        self.starts = 0
        self.error = ""

    def is_there(self) -> bool:
        if self.error:
            raise ConfigException(self.error)
        return self.lives

    def start(self) -> None:
        self.starts += 1


def waits(watch: NodeWatch, clock: StillClock, node: Node) -> float:
    """How long it takes until the node is started again."""
    starts, waited = node.starts, 0.0
    while watch.look() != STARTED:
        assert node.starts == starts
        clock.advance(STEP)
        waited += STEP
    return waited


def test_a_node_that_is_lost_is_started_again_and_later_each_time_that_it_does_not_stay() -> None:
    node, clock = Node(), StillClock()
    watch = NodeWatch(node, clock)  # type: ignore[arg-type]
    assert watch.look() == ""
    node.lives = False
    assert waits(watch, clock, node) <= TIMES.first_ceiling + STEP
    for _ in range(12):
        assert waits(watch, clock, node) <= TIMES.last_ceiling + STEP
    assert node.starts == 13
    assert watch._backoff._ceiling == TIMES.last_ceiling
    node.lives = True
    assert watch.look() == ""
    clock.advance(STABLE_AFTER)
    node.lives = False
    assert waits(watch, clock, node) <= TIMES.first_ceiling + STEP


def test_a_node_that_cannot_be_started_is_told_of_now_and_then() -> None:
    node, clock = Node(), StillClock()
    watch = NodeWatch(node, clock)  # type: ignore[arg-type]
    node.error = "cannot read it"
    told = 0
    for _ in range(600):
        told += watch.look() == f"{NOT_STARTED}: cannot read it"
        clock.advance(1)
    assert 5 < told < 200
