"""The fast lane against `websockets` itself: the same messages, over every chunking."""

from hypothesis import given, strategies as st
from websockets.frames import Frame, Opcode

from omnyshell.transport.bulk_frames import (
    BINARY,
    OTHER,
    TEXT,
    TLS_RECORD,
    BulkFrameReader,
    bulk_frame,
)

KINDS = {TEXT: Opcode.TEXT, BINARY: Opcode.BINARY}
SIZES = (1, 2, 125, 126, 127, 65535, 65536, 65546)


def whole(kind: int, data: bytes, *, mask: bool, head: bytes = b"") -> bytes:
    """The pieces of a frame, joined."""
    return b"".join(bulk_frame(kind, data, mask=mask, head=head))


def read(reader: BulkFrameReader, chunks: list[bytes]) -> list[tuple[int, bytes]]:
    """What a reader yields, with neighbouring foreign pieces joined."""
    found: list[tuple[int, bytes]] = []
    for chunk in chunks:
        for kind, data in reader.feed(memoryview(chunk)):
            if kind == OTHER and found and found[-1][0] == OTHER:
                found[-1] = (OTHER, found[-1][1] + bytes(data))
            else:
                found.append((kind, bytes(data)))
    return found


def test_frames_of_every_size_are_read_as_websockets_writes_them() -> None:
    for masked in (False, True):
        for kind, opcode in KINDS.items():
            for size in SIZES:
                payload = bytes(index % 251 for index in range(size))
                for raw in (
                    Frame(opcode, payload).serialize(mask=masked),
                    whole(kind, payload, mask=masked),
                ):
                    assert read(BulkFrameReader(masked=masked), [raw]) == [(kind, payload)]


def test_the_first_piece_of_a_large_frame_fills_a_tls_record_and_the_rest_is_not_copied() -> None:
    data = bytes(60 * 1024)
    for mask in (False, True):
        first, rest = bulk_frame(BINARY, data, mask=mask, head=bytes(10))
        assert len(first) == TLS_RECORD
        assert isinstance(rest, memoryview)
        assert mask or rest.obj is data
        assert read(BulkFrameReader(masked=mask), [first + bytes(rest)]) == [(BINARY, bytes(10) + data)]


def test_without_a_mask_frames_are_written_as_websockets_writes_them() -> None:
    for kind, opcode in KINDS.items():
        for size in (0, *SIZES):
            assert whole(kind, bytes(size), mask=False) == Frame(opcode, bytes(size)).serialize(mask=False)


@given(st.data())
def test_whatever_is_no_bulk_frame_goes_through_unchanged_and_in_order(data: st.DataObject) -> None:
    masked = data.draw(st.booleans())
    stream, expected = b"", []
    for number in range(data.draw(st.integers(1, 6))):
        payload = b"%d" % number * data.draw(st.integers(1, 100))
        if data.draw(st.booleans()):
            stream += whole(BINARY, payload, mask=masked)
            expected.append((BINARY, payload))
        else:
            raw = Frame(Opcode.PING, payload[:125]).serialize(mask=masked)
            stream += raw
            if expected and expected[-1][0] == OTHER:
                expected[-1] = (OTHER, expected[-1][1] + raw)
            else:
                expected.append((OTHER, raw))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(BulkFrameReader(masked=masked), chunks) == expected


def test_a_frame_with_the_wrong_mask_or_size_is_left_to_websockets() -> None:
    for raw in (
        whole(BINARY, b"x", mask=False),
        whole(TEXT, bytes(65547), mask=True),
        whole(BINARY, bytes((4 << 20) + 1), mask=True),
        Frame(Opcode.BINARY, b"part", fin=False).serialize(mask=True),
    ):
        assert read(BulkFrameReader(masked=True), [raw]) == [(OTHER, raw)]


def test_a_binary_frame_that_is_too_large_is_skipped_over_any_chunking() -> None:
    raw = whole(BINARY, bytes(65547), mask=True) + whole(TEXT, b"after", mask=True)
    for size in (1000, 65555, 65561, len(raw)):
        chunks = [raw[at : at + size] for at in range(0, len(raw), size)]
        assert read(BulkFrameReader(masked=True), chunks) == [(BINARY, b""), (TEXT, b"after")]


def test_what_follows_where_reading_stops_is_kept_whatever_arrives_when() -> None:
    frames = [
        (TEXT, b"a" * 130),
        (BINARY, b"b" * 7),
        (OTHER, b"ping"),
        (TEXT, b"c"),
        (BINARY, b"d" * 70_000),
        (TEXT, b"e"),
    ]
    stream = b"".join(
        Frame(Opcode.PING, data).serialize(mask=True) if kind == OTHER else whole(kind, data, mask=True)
        for kind, data in frames
    )
    expected = read(BulkFrameReader(masked=True), [stream])
    for size in (*range(1, 40), 200, 70_000, len(stream)):
        reader, found = BulkFrameReader(masked=True), []
        for start in range(0, len(stream), size):
            rest = stream[start : start + size]
            while rest:
                # One at a time, as where each has to wait.
                frames_found = reader.feed(memoryview(rest))
                rest = b""
                for kind, data in frames_found:
                    found.append((kind, bytes(data)))
                    frames_found.close()
                    rest = reader.take_rest()
                    break
        merged = [item for item in found if item[0] != OTHER]
        assert merged == [item for item in expected if item[0] != OTHER]
        assert b"".join(data for kind, data in found if kind == OTHER) == b"".join(
            data for kind, data in expected if kind == OTHER
        )


def test_what_has_begun_to_arrive_is_told_from_what_came_whole() -> None:
    large = whole(TEXT, b" " * 100_000, mask=True)
    small = whole(BINARY, b"x" * 1000, mask=True)
    reader = BulkFrameReader(masked=True)
    assert (reader.unfinished, reader.unfinished_frame) == (0, 0)
    seen = set()
    for _ in range(3):
        for raw, kept in ((large, 50_000), (small, 0)):
            read(reader, [raw[: len(raw) // 2]])
            assert abs(reader.unfinished - kept) <= 20
            assert reader.unfinished_frame not in (0, *seen)
            seen.add(reader.unfinished_frame)
            read(reader, [raw[len(raw) // 2 :], small])
            assert (reader.unfinished, reader.unfinished_frame) == (0, 0)
