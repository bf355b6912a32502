"""What a client asks for above a screen, and what it takes."""

import base64
from typing import Any

import pytest
from support.in_one_test import in_one_test

from omnyshell import NodeUnavailableException, ProtocolException, SessionRejectedException
from omnyshell.protocol.messages.history import SessionHistoryResponse
from omnyshell.services.client.history import LONGEST_PART, HistoryReader


def answer(text: bytes = b"", **fields: Any) -> SessionHistoryResponse:
    encoded = base64.b64encode(text).decode()
    return SessionHistoryResponse(**{"request_id": "r", "ok": True, "lines": encoded, **fields})


def asked(reader: HistoryReader) -> tuple[int | None, int] | None:
    request = reader.next_request()
    return None if request is None else (request.before, request.lines)


def test_older_lines_are_asked_for_until_there_are_enough() -> None:
    reader = HistoryReader("n1", "s", 900, 700)
    assert asked(reader) == (900, 500)
    assert reader.take(answer(b"new", count=400, before=500)) == b"new"
    assert asked(reader) == (500, 300)
    assert reader.take(answer(b"old", count=301, before=199)) == b"old"
    assert asked(reader) is None


def test_the_end_is_where_nothing_is_older() -> None:
    reader = HistoryReader("n1", "s", 9, 700)
    reader.take(answer(b"all", count=9))
    assert asked(reader) is None


def test_no_lines_are_asked_for_where_none_are_wanted() -> None:
    assert asked(HistoryReader("n1", "s", 9, 0)) is None


@in_one_test(
    ("hostile", "field"),
    [
        (answer(before=9), "before"),
        (answer(before=2**40), "before"),
        (answer(lines="A" * (LONGEST_PART + 4)), "lines"),
        (answer(lines="A"), "lines"),
        (answer(lines="\u00e9"), "lines"),
    ],
    ids=["the same again", "newer ones", "too much", "cut", "no base64"],
)
def test_what_was_not_asked_for_is_refused(hostile: SessionHistoryResponse, field: str) -> None:
    with pytest.raises(ProtocolException) as raised:
        HistoryReader("n1", "s", 9, 100).take(hostile)
    assert raised.value.field == field


def test_a_node_that_never_ends_is_asked_no_more_often_than_lines_are_wanted() -> None:
    reader = HistoryReader("n1", "s", 10**6, 100)
    times = 0
    while (ask := reader.next_request()) is not None:
        assert ask.before is not None
        reader.take(answer(before=ask.before - 1))
        times += 1
    assert times == 100


@pytest.mark.parametrize(
    ("text", "error"),
    [("Node offline", NodeUnavailableException), ("The node keeps no history", SessionRejectedException)],
)
def test_a_refusal_is_an_error(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        HistoryReader("n1", "s", 9, 100).take(answer(ok=False, message=text))
