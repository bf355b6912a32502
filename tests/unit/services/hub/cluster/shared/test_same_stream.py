"""A stream is another one when it has seemed so for a while, and is told of once."""

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from omnyshell.services.hub.cluster.order.order import Origin, Stored, UncertainException
from omnyshell.services.hub.cluster.shared import same_stream
from omnyshell.services.hub.cluster.shared.end_of_log import EndsOfLogs
from omnyshell.services.hub.cluster.shared.same_stream import CERTAIN, OtherStreamException, SameStream
from omnyshell.services.hub.ground.state_file import StateFile

FIFTH = Stored(5, "subject", b"fifth")


class World(NamedTuple):
    same: SameStream
    ends: EndsOfLogs
    told: list[str]
    times: list[float]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    times, told = [100.0], []
    monkeypatch.setattr(same_stream.time, "monotonic", lambda: times[-1])
    with closing(StateFile(None)) as file:
        ends = EndsOfLogs(file)
        same = SameStream(ends, "g", told.append)
        same.begin(Origin("now", 0), 0)
        same.end_with(FIFTH)()
        same.applied(FIFTH)
        yield World(same, ends, told, times)


def test_a_server_that_is_behind_for_a_moment_is_none_that_lost_something(world: World) -> None:
    same = world.same
    for passed in (0.0, CERTAIN / 2):
        world.times.append(world.times[0] + passed)
        with pytest.raises(UncertainException, match="went back to 4, and 5 was applied"):
            same.begin(Origin("now", 4), 5)
    same.begin(Origin("now", 6), 5)
    same.compare(FIFTH)
    same.is_right()
    # It begins anew.
    world.times.append(world.times[-1] + CERTAIN)
    with pytest.raises(UncertainException):
        same.begin(Origin("now", 4), 5)
    assert (world.told, same.is_other) == ([], False)


def test_what_lasts_is_told_of_once_and_is_right_again_when_that_is_read(world: World) -> None:
    same = world.same
    with pytest.raises(UncertainException):
        same.begin(Origin("now", 4), 5)
    world.times.append(world.times[-1] + CERTAIN)
    for _ in range(3):
        same.begin(Origin("now", 7), 5)
        with pytest.raises(OtherStreamException):
            same.compare(Stored(5, "subject", b"another"))
    assert (world.told, same.is_other) == (["the engine's stream has another record 5"], True)
    same.begin(Origin("now", 7), 5)
    same.compare(FIFTH)
    same.is_right()
    assert not same.is_other


def test_a_stream_that_was_made_at_another_time_is_another_one_at_once(world: World) -> None:
    with pytest.raises(OtherStreamException, match="made anew"):
        world.same.begin(Origin("later", 9), 5)
    assert world.told == ["the engine's stream was made anew"]


def test_who_writes_behind_another_record_has_the_last_one_compared_once(world: World) -> None:
    with pytest.raises(UncertainException):
        world.same.check_compared()
    world.same.begin(Origin("now", 5), 5)
    world.same.compare(FIFTH)
    world.same.check_compared()
    sixth = Stored(6, "subject", b"sixth")
    world.same.applied(sixth)
    with pytest.raises(UncertainException):
        world.same.check_compared()


def test_an_end_that_cannot_be_read_any_more_is_what_the_stream_has(world: World) -> None:
    other = SameStream(world.ends, "other", world.told.append)
    assert other.digest == b""
    other.begin(Origin("now", 5), 5)
    other.compare(FIFTH)
    assert other.digest == world.same.digest == SameStream(world.ends, "g", world.told.append).digest
