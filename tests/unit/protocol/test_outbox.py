"""What waits to be sent: in turns, in order, and bounded."""

import tracemalloc

import pytest

from omnyshell.protocol.frames import HEADER_SIZE, pack_data, unpack_data
from omnyshell.protocol.outbox import ChannelFloodError, Outbox, OutboxOverflowError, Outgoing


def test_the_outbox_serves_channels_in_turns_behind_urgent_messages() -> None:
    outbox = Outbox()
    block = Outgoing(False, bytes(40_000))
    for channel in (1, 1, 1, 2):
        outbox.put(channel, block)
    outbox.put(2, Outgoing(True, b"exit"))
    outbox.put_urgent(b"window")
    turns = []
    while turn := outbox.next_turn():
        turns.append([len(item.data) for item in turn])
    assert turns == [[6], [40_000], [40_000, 4], [40_000], [40_000]]


def test_the_outbox_is_bounded_but_takes_one_large_message() -> None:
    outbox = Outbox()
    outbox.put_urgent(bytes(2_000_000))
    with pytest.raises(OutboxOverflowError):
        outbox.put_urgent(b"x")
    outbox = Outbox()
    for _ in range(1000):
        outbox.put_urgent(b"x")
    with pytest.raises(OutboxOverflowError):
        outbox.put_urgent(b"x")


def test_small_frames_that_wait_are_put_together_in_order() -> None:
    outbox = Outbox()
    sent = []
    for number in range(40_000):
        opcode = 2 if number % 10_000 else 3
        raw = pack_data(opcode, 7, bytes((number % 251,)))
        sent.append((opcode, raw[HEADER_SIZE:]))
        outbox.put(7, Outgoing(False, memoryview(raw)[HEADER_SIZE:], raw[:HEADER_SIZE]))
    outbox.put(7, Outgoing(True, b"exit"))
    frames = []
    while turn := outbox.next_turn():
        frames += turn
    assert frames.pop() == Outgoing(True, b"exit")
    assert len(frames) < 20
    unpacked = [unpack_data(frame.head + bytes(frame.data)) for frame in frames]
    assert [(f.opcode, bytes((byte,))) for f in unpacked for byte in f.payload] == sent


def test_alternating_small_frames_of_two_streams_wait_in_little_memory() -> None:
    frames = [pack_data(2 + index % 2, 7, bytes((index % 251,))) for index in range(20_000)]
    outbox = Outbox()
    tracemalloc.start()
    for raw in frames:
        outbox.put(7, Outgoing(False, memoryview(raw)[HEADER_SIZE:], raw[:HEADER_SIZE]))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 300_000
    assert outbox.queued_bytes == 20_000
    outbox.put(7, Outgoing(False, b"", frames[0][:6] + bytes(4)))
    sent: list[bytes] = []
    while turn := outbox.next_turn():
        assert len(turn) <= 1001
        sent += [item.head + bytes(item.data) for item in turn]
    assert sent == frames


def test_a_flood_of_messages_is_its_channels_fault_alone() -> None:
    outbox = Outbox()
    outbox.put_urgent(bytes(1_000_000), 1)
    with pytest.raises(ChannelFloodError):
        outbox.put_urgent(b"signal", 1)
    with pytest.raises(ChannelFloodError):
        outbox.put(1, Outgoing(True, b"eof"))
    outbox.put_urgent(b"window", 2)
    outbox.put(1, Outgoing(False, b"data"))
    outbox.discard(1)
    outbox.put_urgent(b"close", 1)
    assert [item.data for item in outbox.next_turn()] == [b"window", b"close"]
    assert not outbox
    outbox.put_urgent(bytes(1_000_000), 1)


def test_the_messages_of_all_channels_together_are_bounded() -> None:
    outbox = Outbox()
    for channel in range(1, 43):
        outbox.put(channel, Outgoing(True, bytes(200_000)))
    with pytest.raises(OutboxOverflowError):
        outbox.put(43, Outgoing(True, b"x"))
