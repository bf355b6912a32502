"""The buffer behind exact resumption, against a plain string."""

from hypothesis import given, strategies as st

from omnyshell import DataOpcode
from omnyshell.protocol.replay import ReplayBuffer


def joined(buffer: ReplayBuffer, offset: int) -> bytes:
    return b"".join(bytes(data) for _, data in buffer.since(offset))


@given(st.data())
def test_whatever_is_lost_and_resumed_nothing_is_missing_or_doubled(data: st.DataObject) -> None:
    buffer = ReplayBuffer(capacity=400)
    sent, received = b"", b""
    in_flight: list[bytes] = []
    for step in data.draw(st.lists(st.sampled_from(["output", "deliver", "acknowledge", "lose"]), max_size=60)):
        if step == "output" and buffer.room:
            chunk = data.draw(st.binary(min_size=1, max_size=min(50, buffer.room)))
            buffer.append(data.draw(st.sampled_from([DataOpcode.STDOUT, DataOpcode.STDERR])), chunk)
            sent += chunk
            in_flight.append(chunk)
        elif step == "deliver" and in_flight:
            received += in_flight.pop(0)
        elif step == "acknowledge":
            buffer.acknowledge(data.draw(st.integers(0, len(received))))
        elif step == "lose":
            # What was under way is gone; the client says what it has.
            assert buffer.covers(len(received))
            in_flight = [bytes(piece) for _, piece in buffer.since(len(received))]
        assert received + b"".join(in_flight) == sent
        assert buffer.end == len(sent)
        assert buffer.room == 400 - (buffer.end - buffer.start)


def test_streams_are_kept_apart_and_pieces_are_cut() -> None:
    buffer = ReplayBuffer()
    buffer.append(DataOpcode.STDOUT, b"abc")
    buffer.append(DataOpcode.STDERR, b"def")
    buffer.acknowledge(2)
    assert [(stream, bytes(data)) for stream, data in buffer.since(2)] == [
        (DataOpcode.STDOUT, b"c"),
        (DataOpcode.STDERR, b"def"),
    ]
    assert not buffer.covers(1)
    assert not buffer.covers(7)
    buffer.acknowledge(99)
    buffer.acknowledge(-1)
    assert joined(buffer, 4) == b"ef"


def test_what_was_dropped_only_counts_until_it_is_kept_again() -> None:
    buffer = ReplayBuffer(capacity=4)
    buffer.append(DataOpcode.STDOUT, b"abcd")
    assert buffer.room == 0
    buffer.drop()
    buffer.append(DataOpcode.STDOUT, b"efgh")
    assert (buffer.room, buffer.start, buffer.end) == (4, 8, 8)
    buffer.keep()
    buffer.append(DataOpcode.STDOUT, b"ij")
    assert joined(buffer, 8) == b"ij"


def test_the_end_can_be_blanked_over_pieces() -> None:
    buffer = ReplayBuffer()
    buffer.append(DataOpcode.STDOUT, b"abc\x1b[")
    buffer.append(DataOpcode.STDOUT, b"6n")
    buffer.blank(4)
    assert joined(buffer, 0) == b"abc\0\0\0\0"
    buffer.blank(99)
    assert joined(buffer, 0) == bytes(7)
