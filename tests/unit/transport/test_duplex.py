"""The half-close machine: every order of events, up to a length, against what must hold whatever the order."""

import itertools
import logging
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, strategies as st

from omnyshell.transport.duplex import Due, Duplex, Stage, Way

EVENTS: dict[str, Callable[[Duplex], object]] = {
    "open": lambda it: it.open(),
    "end": lambda it: it.receive_end(),
    "end behind bytes": lambda it: it.receive_end(waits=True),
    "delivered": lambda it: it.delivered(),
    "finish": lambda it: it.send_end(),
    "flushed": lambda it: it.flushed(),
    "close": lambda it: it.close(),
    "reset": lambda it: it.close(reset=True),
    "lost": lambda it: it.lose(),
}
"""Credit and the socket decide when bytes are `delivered` and `flushed`: that they come late is an order as others."""

ORDER = list(Stage)


class Observed:
    """A stream, and what its owner was told of it."""

    def __init__(self) -> None:
        self.it = Duplex("stream", {"channel": 7})
        self.told: list[tuple[str, object]] = []

    def feed(self, event: str) -> None:
        before = (self.it.stage, self.it.incoming, self.it.outgoing)
        answer = EVENTS[event](self.it)
        if answer is not False and answer is not Due.NOTHING:
            self.told.append((event, answer))
        self._check(event, before, answer)

    def _check(self, event: str, before: tuple[Stage, Way, Way], answer: object) -> None:
        it, (stage, incoming, outgoing) = self.it, before
        ways = list(Way)
        assert ORDER.index(it.stage) >= ORDER.index(stage), "a stage came back"
        assert ways.index(it.incoming) >= ways.index(incoming), "an ended direction came back"
        assert ways.index(it.outgoing) >= ways.index(outgoing), "an ended direction came back"
        assert it.may_receive is (it.stage is Stage.OPEN and it.incoming is not Way.ENDED)
        assert it.may_send is (it.stage is Stage.OPEN and it.outgoing is Way.OPEN)
        if it.is_ending:
            assert (it.may_receive, it.may_send) == (False, False)
        if stage not in (Stage.OPENING, Stage.OPEN):
            assert (it.incoming, it.outgoing) == (incoming, outgoing), "a direction moved behind the end of the whole"
        if event in ("end", "end behind bytes", "delivered"):
            assert it.outgoing is outgoing, "one direction moved the other"
        if event in ("finish", "flushed"):
            assert it.incoming is incoming, "one direction moved the other"
        if answer is False or answer is Due.NOTHING:
            # Nothing new, but for an end that has to wait.
            waits = event in ("end", "end behind bytes") and (incoming, it.incoming) == (Way.OPEN, Way.ENDING)
            assert waits or before == (it.stage, it.incoming, it.outgoing)

    def count(self, *answers: object) -> int:
        return sum(answer in answers for _, answer in self.told)


def check_whole(events: tuple[str, ...]) -> None:
    """What must hold of an order of events as a whole."""
    seen = Observed()
    for event in events:
        seen.feed(event)
    handed_on = sum(event in ("end", "end behind bytes", "delivered") and answer is True for event, answer in seen.told)
    assert handed_on <= 1, "an end was handed on twice"
    assert seen.count(Due.END) <= 1, "an end went out twice"
    assert seen.count(Due.CLOSE, Due.RESET) <= 1, "closed twice"
    assert sum(event == "lost" and answer is True for event, answer in seen.told) == ("lost" in events)
    if "open" not in events:
        assert handed_on == seen.count(Due.END) == 0, "something ended that was never open"
    if seen.count(Due.RESET):
        assert "close" not in events[: events.index("reset")], "a close was made a reset"
    ends = [event for event, answer in seen.told if answer in (Due.END, Due.CLOSE, Due.RESET)]
    assert set(ends) <= {"flushed"}, "something ended in front of what waits"


def orders() -> Iterator[tuple[str, ...]]:
    for length in range(5):
        yield from itertools.product(EVENTS, repeat=length)


def test_every_order_of_up_to_four_events_ends_each_direction_once_and_nothing_comes_back() -> None:
    count = 0
    for events in orders():
        check_whole(events)
        count += 1
    assert count == sum(len(EVENTS) ** length for length in range(5))


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=40))
def test_long_orders_too(events: list[str]) -> None:
    check_whole(tuple(events))


def test_each_direction_ends_by_itself_and_the_whole_behind_both() -> None:
    it = Duplex("stream")
    assert it.open()
    assert it.receive_end()
    assert (it.incoming, it.may_send) == (Way.ENDED, True)
    assert it.send_end()
    assert it.flushed() is Due.END
    assert it.close()
    assert it.flushed() is Due.CLOSE
    assert it.lose()
    assert it.is_gone


def test_ends_that_come_before_the_stream_is_open_are_kept_for_then() -> None:
    it = Duplex("stream")
    assert not it.receive_end()
    assert it.send_end()
    assert (it.delivered(), it.flushed()) == (False, Due.NOTHING)
    assert it.open()
    assert (it.delivered(), it.flushed()) == (True, Due.END)


def test_what_never_follows_is_refused_by_the_one_setter() -> None:
    it = Duplex("stream")
    for what, to in (("incoming", Way.ENDED), ("stage", Stage.CLOSED), ("stage", Stage.OPENING)):
        with pytest.raises(RuntimeError, match=f"stream: {what} cannot become {to.value} after"):
            it._move(what, to)
    assert (it.stage, it.incoming, it.outgoing) == (Stage.OPENING, Way.OPEN, Way.OPEN)


def test_each_change_is_logged_with_its_ids_and_nothing_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    ids: dict[str, object] = {"tunnel_id": "t1"}
    it = Duplex("stream", ids)
    it.open()
    ids["channel"] = 7
    with caplog.at_level(logging.DEBUG, "omnyshell.streams"):
        it.receive_end()
        it.receive_end()
    assert [record.getMessage() for record in caplog.records] == [
        "stream: incoming ending",
        "stream: incoming ended",
    ]
    assert [(record.__dict__["tunnel_id"], record.__dict__["channel"]) for record in caplog.records] == [("t1", 7)] * 2
