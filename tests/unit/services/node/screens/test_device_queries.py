"""A program's questions to its terminal, in whichever chunks they come."""

import itertools

from hypothesis import given, strategies as st

from omnyshell.services.node.screens.device_queries import DeviceQuery, DeviceQueryScanner

PIECES = st.sampled_from(
    [b"\x1b[c", b"\x1b[0c", b"\x1b[5n", b"\x1b[6n", b"\x1b[>c", b"\x1b[?6n", b"\x1b", b"[", b"6", b"n", b"text"]
)


@given(st.lists(PIECES, max_size=8), st.lists(st.integers(0, 40), max_size=4))
def test_questions_are_found_over_any_chunking(pieces: list[bytes], cuts: list[int]) -> None:
    text = b"".join(pieces)
    whole = [(piece, query) for piece, query, _ in DeviceQueryScanner().split(text)]
    assert b"".join(piece for piece, _ in whole) == text
    scanner = DeviceQueryScanner()
    found: list[DeviceQuery] = []
    passed = b""
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(edges):
        for piece, query, _ in scanner.split(text[start:end]):
            passed += piece
            found += [query] if query is not None else []
    assert passed == text
    assert found == [query for _, query in whole if query is not None]
