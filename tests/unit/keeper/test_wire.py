"""What a node may say to its keeper, generated from the declaration of it."""

import tracemalloc
from collections.abc import Iterator

import pytest
from support.in_one_test import in_one_test

from omnyshell.keeper import wire
from omnyshell.keeper.wire import REQUESTS, Frames, MalformedError, pack, parse_request

GOOD: dict[bytes, tuple[bytes, ...]] = {
    wire.HELLO: (b"1", b"node-1"),
    wire.START: (b"s-1", wire.PTY, b"80", b"24", b"/", b"", b"2", b"/bin/sh", b"-l", b"HOME=/", b"A="),
    wire.LIST: (),
    wire.GROUPS: (),
    wire.OPEN: (b"1",),
    wire.SOON: (b"ann\ndba,ops\npostgres\n",),
    wire.TAKE: (b"s-1",),
    wire.CLOSE_STDIN: (b"s-1",),
    wire.STOP_READING: (b"s-1",),
    wire.SIGNAL: (b"s-1", wire.GROUP, b"15"),
    wire.WHERE: (b"s-1",),
    wire.FORGET: (b"s-1",),
    wire.UPGRADE: (),
    wire.STOP: (),
    wire.STATUS: (),
    wire.ADMIT: (b"ann\ndba,ops\npostgres\n", b"1000"),
}
WRONG = (b"\xff", b" ", b"x" * 5000, "٣".encode())
"""What no field may be."""

NO_NUMBERS = (b"", b"-1", b"+1", b"1e3", b"9" * 20, b"0x1")


def body(verb: bytes, number: bytes, *fields: bytes) -> bytes:
    return b"\0".join((verb, number, *fields))


def malformed() -> Iterator[bytes]:
    for verb, fields in GOOD.items():
        declared = len(REQUESTS[verb])
        for number in (b"", b"x", b"-1", b"9" * 20):
            yield body(verb, number, *fields)
        yield verb
        if fields:
            yield body(verb, b"1", *fields[: declared - 1])
        if verb != wire.START:
            yield body(verb, b"1", *fields, b"more")
        for at in range(declared):
            for wrong in (*WRONG, *(NO_NUMBERS if fields[at].isdigit() else ())):
                yield body(verb, b"1", *fields[:at], wrong, *fields[at + 1 :])
    yield from (b"", b"\0", b"\0" * 9, b"\0001", b"x" * 200 + b"\0001")


def test_each_verb_is_declared_and_tried() -> None:
    assert GOOD.keys() == REQUESTS.keys()


@in_one_test("verb", GOOD)
def test_what_is_right_is_taken(verb: bytes) -> None:
    request = parse_request(body(verb, b"7", *GOOD[verb]))
    assert (request.verb, request.number) == (verb, b"7")
    variables = [b"%b=%b" % each for each in request.variables.items()]
    assert (*request.fields, *request.words, *variables) == GOOD[verb]


def test_what_is_malformed_is_refused() -> None:
    for frame in malformed():
        with pytest.raises(MalformedError):
            parse_request(frame)


def test_what_is_for_somebody_is_completed_by_who_they_become() -> None:
    session = GOOD[wire.START][:4]
    whose = b"ann\ndba,ops\npostgres\n"
    for directory in (b"", b"~", b"~/x", b"/x"):
        for word in (b"", b"psql", b"/bin/sh"):
            parse_request(body(wire.START, b"1", *session, directory, whose, b"1", word, b"A=b"))
            for wrong in (b"", b"ann", b"ann\n\n", b"ann\n\n\n\nroot"):
                if wrong or not (directory.startswith(b"/") and word.startswith(b"/")):
                    with pytest.raises(MalformedError):
                        parse_request(body(wire.START, b"1", *session, directory, wrong, b"1", word))


@in_one_test("kind", [*wire.KINDS, b"1.0", b"1000000000000.7"])
def test_a_start_says_what_the_program_has_or_what_was_opened_for_it(kind: bytes) -> None:
    first, _, *rest = GOOD[wire.START]
    assert parse_request(body(wire.START, b"1", first, kind, *rest)).fields[1] == kind
    for wrong in (kind + b"0", b"x" + kind, kind + b"\n", b"1", b".0", b"1.", b"-1.0"):
        with pytest.raises(MalformedError):
            parse_request(body(wire.START, b"1", first, wrong, *rest))


@in_one_test(
    "rest",
    [
        (b"2", b"/bin/sh"),
        (b"1", b"bin/sh"),
        (b"1", b"/bin/sh", b"no-variable"),
        (b"1", b"/bin/sh", b"=x"),
        (b"0", b"/bin/sh"),
        (b"1",),
        (b"16384", *(b"/x",) * 16385),
    ],
)
def test_programs_are_whole(rest: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedError):
        parse_request(body(wire.START, b"1", *GOOD[wire.START][:6], *rest))


@in_one_test("word", (b"a=", b""))
def test_more_words_than_a_program_can_have_are_refused_before_they_take_memory(word: bytes) -> None:
    start = body(wire.START, b"1", *GOOD[wire.START])
    frame = start + (b"\0" + word) * ((wire.MOST_BYTES - len(start)) // (len(word) + 1))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            parse_request(frame)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The pattern's fields are copies of what is in the frame.
    assert most < 3 * wire.MOST_BYTES


def test_an_unknown_verb_is_for_the_keeper_to_answer() -> None:
    request = parse_request(b"dance\0007\0with\0me")
    assert (request.verb, request.number, request.fields) == (b"dance", b"7", ())


def test_frames_come_in_pieces_of_any_size() -> None:
    stream = pack(b"list", b"1") + pack(b"take", b"2", b"s")
    for size in range(1, len(stream) + 1):
        frames = Frames()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [frame for piece in pieces for frame in frames.feed(piece)] == [b"list\0001", b"take\0002\0s"]


@pytest.mark.parametrize("length", [0, wire.MOST_BYTES + 1, 2**32 - 1])
def test_a_frame_of_no_possible_length_is_refused_before_it_comes(length: int) -> None:
    with pytest.raises(MalformedError):
        list(Frames().feed(length.to_bytes(4, "big")))


def test_what_no_frame_can_hold_is_not_packed() -> None:
    for fields in ((b"a\0b",), (b"x" * wire.MOST_BYTES, b"y")):
        with pytest.raises(ValueError, match="no frame"):
            pack(*fields)
