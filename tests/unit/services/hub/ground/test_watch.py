"""Watched files, a probe, a histogram: plain objects."""

from pathlib import Path
from typing import Any, cast

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.hub.ground.histogram import Histogram
from omnyshell.services.hub.ground.watched_files import FileWatch, Stamp
from omnyshell.services.hub.peers.relay_probe import RelayProbe

A, B = Path("a"), Path("b")


def test_a_file_is_taken_in_once_when_it_has_come_to_rest() -> None:
    stamps: dict[Path, Stamp] = {A: (1, 1, 10, 1), B: (1, 2, 10, 1)}
    watch = FileWatch((A, B), stamps.get)
    assert [watch.poll() for _ in range(3)] == [False, False, False]
    stamps[A] = (1, 1, 3, 2)
    assert not watch.poll()
    stamps[A] = (1, 1, 12, 3)
    assert not watch.poll()
    stamps[B] = (1, 9, 10, 3)
    assert not watch.poll()
    assert watch.poll()
    assert not watch.poll()
    assert watch.is_unchanged()


def test_a_file_that_goes_away_and_comes_back_is_noticed() -> None:
    stamps: dict[Path, Stamp] = {A: (1, 1, 10, 1)}
    watch = FileWatch((A,), stamps.get)
    stamps.clear()
    assert [watch.poll(), watch.poll(), watch.poll()] == [False, True, False]
    stamps[A] = (1, 5, 10, 9)
    assert [watch.poll(), watch.poll()] == [False, True]


def test_a_file_that_changed_while_it_was_read_is_taken_in_again() -> None:
    stamps: dict[Path, Stamp] = {A: (1, 1, 10, 1)}
    watch = FileWatch((A,), stamps.get)
    stamps[A] = (1, 1, 11, 2)
    assert [watch.poll(), watch.poll()] == [False, True]
    stamps[A] = (1, 1, 12, 3)
    assert not watch.is_unchanged()
    watch.retry()
    assert [watch.poll(), watch.poll()] == [False, True]


def test_a_histogram_counts_by_upper_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert histogram.buckets() == [("0.1", 2.0), ("1", 3.0), ("+Inf", 4.0)]
    assert round(histogram.sum, 3) == 7.65


def test_a_probe_measures_one_frame_each_time_it_is_armed() -> None:
    seen = []

    class Owner:
        def data(self, *frame: object) -> None:
            seen.append(frame)

    owner, histogram = cast("Any", Owner()), Histogram((1.0,))
    probe = RelayProbe(histogram)
    assert not probe.is_armed
    probe.arm()
    probe.arm()
    assert probe.is_armed
    probe.measure(owner, DataOpcode.STDIN, b"frame")
    assert not probe.is_armed
    assert seen == [(DataOpcode.STDIN, b"frame")]
    assert histogram.buckets()[-1] == ("+Inf", 1.0)
