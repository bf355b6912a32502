"""How long to wait before the next attempt to connect."""

from omnyshell.services.client.resumer import NODE_TIMES
from omnyshell.transport.backoff import Backoff


def test_backoff_jitters_over_its_whole_range_and_starts_again() -> None:
    ranges: list[tuple[float, float]] = []

    def upper(low: float, high: float) -> float:
        ranges.append((low, high))
        return high

    backoff = Backoff(upper)
    assert [backoff.next_delay() for _ in range(6)] == [2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next_delay() == 2
    assert {low for low, _ in ranges} == {0.5}


def test_a_short_outage_is_not_followed_by_a_long_absence() -> None:
    def upper(_low: float, high: float) -> float:
        return high

    backoff = Backoff(upper)
    for _ in range(5):
        backoff.next_delay()
    backoff.lost()
    assert [backoff.next_delay() for _ in range(10)] == [6.0] * 8 + [30.0] * 2


def test_the_longer_a_node_is_away_the_less_often_a_client_asks_for_it() -> None:
    """Each question is a record of the hub's audit trail, and a forward asks for as long as it runs."""
    backoff = Backoff(lambda _low, high: high, NODE_TIMES)
    backoff.begin_outage()
    delays = [backoff.next_delay() for _ in range(100)]
    assert delays == sorted(delays)
    away = 0.0
    for delay in delays:
        assert delay <= max(4.0, 0.1 * away)
        away += delay
    assert delays[-1] == 60.0
    backoff.begin_outage()
    assert backoff.next_delay() == 0.2
