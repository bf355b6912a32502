"""What time it is, by most of the clocks, and by which a hub goes whose machine's is another one."""

from datetime import UTC, datetime, timedelta

import pytest
from support.in_one_test import in_one_test

from omnyshell.services.hub.cluster.places.clocks import TOLERATED, HeardClocks
from omnyshell.services.hub.cluster.shared import hub_clock
from omnyshell.services.hub.cluster.shared.hub_clock import HubClock

AT, DAY = 1_800_000_000.0, 86_400.0


def clocks(**ahead: float) -> HeardClocks:
    heard = HeardClocks()
    for place, (hub, seconds) in enumerate(ahead.items()):
        heard.heard(hub, AT + place + seconds, AT + place)
    return heard


@in_one_test(
    "ahead, off, engine",
    [
        ({"a": 1, "b": -2, "c": 14}, {"a": 0, "b": 0, "c": 0}, 0),
        ({"a": 1, "b": -DAY, "c": 2}, {"a": 0, "b": -DAY, "c": 0}, 0),
        # The engine's leader has a wrong clock, which says when each beat was taken.
        ({"a": DAY, "b": DAY + 1, "c": DAY + 2}, {"a": 0, "b": 0, "c": 0}, -DAY),
        ({"a": DAY, "b": 0, "c": -DAY}, {"a": None, "b": None, "c": None}, None),
        ({"a": DAY, "b": DAY, "c": 0}, {"a": None, "b": None, "c": None}, None),
        # Of two clocks nobody knows which is right.
        ({"a": 0}, {"a": 0}, 0),
        ({"a": -DAY}, {"a": None}, None),
        ({"a": TOLERATED + 1, "b": TOLERATED + 1}, {"a": 0, "b": 0}, -TOLERATED - 1),
        ({}, {"a": None}, 0),
    ],
)
def test_the_time_is_that_of_most_clocks(
    ahead: dict[str, float], off: dict[str, float | None], engine: float | None
) -> None:
    heard = clocks(**ahead)
    assert {hub: heard.off(hub) for hub in off} == off
    assert heard.engine_off() == engine
    assert heard.differ() == (engine is None)


def test_clocks_of_hubs_that_were_not_heard_of_lately_or_say_nothing_do_not_count() -> None:
    heard = clocks(a=DAY, b=DAY, c=DAY)
    heard.heard("d", AT + 100, AT + 100)
    heard.heard("older", 0.0, AT + 100)
    heard.heard("e", AT, 0.0)
    assert (heard.off("d"), heard.off("a"), heard.off("older"), heard.off("e")) == (0.0, DAY, None, None)


class Machine:
    """A machine's clocks."""

    def __init__(self) -> None:
        self.wall, self.boot = AT, 50.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall, UTC)

    def monotonic(self) -> float:
        return self.boot

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(hub_clock, "boot_clock", lambda: machine.boot)
    return machine


def test_a_hub_whose_clock_is_off_goes_by_the_others_and_says_so_once(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HubClock(machine)
    assert clock.now() == machine.now()
    for _ in range(3):
        said = clock.said()
        machine.pass_(1.0)
        clock.compare(said, 3 * DAY)
        assert clock.now() == machine.now() - timedelta(days=3)
    assert [record.getMessage() for record in caplog.records] == [hub_clock.OFF.format(ahead="3d ahead of")]
    # It is set right, and later jumps the other way: what was known holds on.
    right = clock.now()
    machine.wall = right.timestamp()
    assert clock.now() == right
    clock.compare(clock.said(), 0.0)
    assert "right again" in caplog.text
    machine.wall -= 5 * DAY
    assert clock.now() == right
    assert clock.monotonic() == machine.boot
    # What nobody knows, and what is said of an earlier beat, changes nothing.
    early = clock.said()
    machine.pass_(2.0)
    clock.compare(clock.said(), None)
    clock.compare(early, 0.0)
    assert clock.now() == right + timedelta(seconds=2)


def test_a_clock_that_is_a_little_off_is_taken_as_it_is(machine: Machine) -> None:
    clock = HubClock(machine)
    clock.compare(clock.said(), 0.0)
    machine.wall += TOLERATED - 1
    assert clock.now() == machine.now()
