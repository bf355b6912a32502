"""SOCKS 5, as RFC 1928 writes it."""

import itertools

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.model.targets import Target
from omnyshell.services.client.forwarding.socks import SocksRefusal, SocksRequest, reply, reply_to

GREETING = b"\x05\x01\x00"
ACCEPTED = b"\x05\x00"
REQUESTS = [
    (b"\x05\x01\x00\x01\x0a\x01\x02\x03\x00\x50", Target("10.1.2.3", 80)),
    (b"\x05\x01\x00\x03\x0bdb.internal\x15\x38", Target("db.internal", 5432)),
    (b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x01\xbb", Target("::1", 443)),
]


@pytest.mark.parametrize(("request_", "target"), REQUESTS)
@given(cuts=st.lists(st.integers(0, 40), max_size=6))
def test_a_request_is_read_in_whatever_pieces_it_comes(request_: bytes, target: Target, cuts: list[int]) -> None:
    said, socks, answered = b"\x05\x02\x01\x00" + request_ + b"then", SocksRequest(), b""
    places = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
    rest = b""
    for start, end in itertools.pairwise(places):
        if socks.target is not None:
            rest += said[start:end]
            continue
        answered += socks.feed(said[start:end])
    assert answered == b"\x05\x00"
    assert (socks.target, socks.rest + rest) == (target, b"then")


@in_one_test(
    ("said", "answer"),
    [
        (b"\x04\x01\x00\x50\x0a\x01\x02\x03user\x00", b""),
        (b"GET / HTTP/1.1\r\n", b""),
        (b"\x05\x01\x02", b"\x05\xff"),
        (b"\x05\x00", b"\x05\xff"),
        (GREETING + b"\x04\x01\x00\x01\x00", ACCEPTED),
        (GREETING + b"\x05\x02\x00\x01\x0a\x01\x02\x03\x00\x50", ACCEPTED + reply(7)),
        (GREETING + b"\x05\x03\x00\x01\x0a\x01\x02\x03\x00\x50", ACCEPTED + reply(7)),
        (GREETING + b"\x05\x01\x00\x05\x0a\x01\x02\x03\x00\x50", ACCEPTED + reply(8)),
        (GREETING + b"\x05\x01\x00\x01\x0a\x01\x02\x03\x00\x00", ACCEPTED + reply(1)),
        (GREETING + b"\x05\x01\x00\x03\x00\x00\x50", ACCEPTED + reply(1)),
        (GREETING + b"\x05\x01\x00\x03\x03a\xffb\x00\x50", ACCEPTED + reply(1)),
        (GREETING + b"\x05\x01\x00\x03\x03a\x00b\x00\x50", ACCEPTED + reply(1)),
        (GREETING + b"\x05\x01\x00\x03\x06/x/y:1\x00\x50", ACCEPTED + reply(1)),
        (GREETING + b"\x05\x01\x00\x03\x0b/run/x.sock\xa6\x0f", ACCEPTED + reply(1)),
    ],
)
def test_what_is_refused_is_answered_as_the_rfc_says(said: bytes, answer: bytes) -> None:
    with pytest.raises(SocksRefusal) as refused:
        SocksRequest().feed(said)
    assert refused.value.answer == answer


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_whatever_comes_is_read_or_refused(pieces: list[bytes]) -> None:
    socks = SocksRequest()
    try:
        for piece in pieces:
            if socks.target is None:
                socks.feed(piece)
    except SocksRefusal:
        pass


@in_one_test(
    ("reason", "code"), [("not_authorized", 2), ("forbidden", 2), ("dial_failed", 4), ("node_offline", 1), ("", 1)]
)
def test_why_there_is_no_connection_is_said_as_far_as_socks_can(reason: str, code: int) -> None:
    assert reply_to(reason) == bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0))
