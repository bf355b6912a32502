"""Which heartbeats count."""

from omnyshell import (
    HeartbeatMonitor,
)


def test_heartbeats_count_only_with_a_higher_number() -> None:
    monitor = HeartbeatMonitor(timeout=30)
    monitor.register("n", 0)
    assert monitor.beat("n", 5, 10)
    assert not monitor.beat("n", 5, 20)
    assert not monitor.beat("unknown", 1, 20)
    assert monitor.expired(39.9) == []
    assert monitor.expired(40) == ["n"]
    assert monitor.expired(99) == []


def test_of_many_silent_nodes_a_few_are_dropped_at_a_time() -> None:
    monitor = HeartbeatMonitor[str](timeout=30)
    for number in range(5):
        monitor.register(f"n{number}", now=0)
    assert [monitor.expired(30, 2) for _ in range(4)] == [["n0", "n1"], ["n2", "n3"], ["n4"], []]


def test_only_as_many_are_looked_at_as_are_silent() -> None:
    """Who is heard of comes behind all others, so that the silent ones are in front."""
    monitor = HeartbeatMonitor[str](timeout=30)
    for number in range(4):
        monitor.register(f"n{number}", now=number)
    assert monitor.beat("n0", 1, 10)
    monitor.register("n2", 11)
    monitor.postpone(5)
    assert [monitor.expired(now) for now in (35.9, 36, 38, 45, 46)] == [[], ["n1"], ["n3"], ["n0"], ["n2"]]
