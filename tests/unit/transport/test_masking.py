"""Frames are masked alike with and without the part of `websockets` that is written in C."""

import importlib
import sys

import pytest
from hypothesis import given, strategies as st
from websockets import utils

from omnyshell import transport
from omnyshell.transport import bulk_frames


def test_without_the_part_in_c_the_one_in_python_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    # Both are as before afterwards.
    monkeypatch.setattr(transport, "bulk_frames", bulk_frames)
    monkeypatch.delitem(sys.modules, "omnyshell.transport.bulk_frames")
    fallen_back = importlib.import_module("omnyshell.transport.bulk_frames")
    assert fallen_back.apply_mask is utils.apply_mask
    assert fallen_back is not bulk_frames
    frame = b"".join(fallen_back.bulk_frame(fallen_back.BINARY, b"payload", mask=True, head=b"head!"))
    reader = fallen_back.BulkFrameReader(masked=True)
    received = [(kind, bytes(data)) for kind, data in reader.feed(memoryview(frame))]
    assert received == [(fallen_back.BINARY, b"head!payload")]


@given(st.binary(max_size=70), st.binary(min_size=4, max_size=4))
def test_both_mask_alike(data: bytes, mask: bytes) -> None:
    assert bulk_frames.apply_mask(memoryview(data), mask) == utils.apply_mask(memoryview(data), mask)
