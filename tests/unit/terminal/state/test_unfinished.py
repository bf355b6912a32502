"""What ends within a sequence, cut anywhere."""

from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import plain_text
from omnyshell.terminal.state.tracker import ModeTracker
from omnyshell.terminal.state.unfinished import ABORT, Unfinished

WHOLE = (
    b"plain",
    b"\x1b[31m",
    b"\x1b[?2026;1$p",
    b"\x1b]0;title\x07",
    b"\x1b]8;;http://x\x1b\\",
    b"\x1bPq#0~~\x1b\\",
    b"\x1b_Ga=T\x1b\\",
    b"\x1b^x\x1b\\",
    b"\x1bXx\x1b\\",
    b"\x1bktitle\x1b\\",
    b"\x1b(B",
    b"\x1bc",
    b"\x1b7",
    b"\x1b[3\x18",
    b"\x1bPx\x1a",
)


def is_within(*chunks: bytes) -> bool:
    unfinished = Unfinished()
    for chunk in chunks:
        unfinished.feed(chunk)
    return unfinished.is_within


@in_one_test("output", WHOLE)
def test_only_what_is_cut_is_unfinished_in_any_chunks(output: bytes) -> None:
    for first in range(len(output) + 1):
        for second in range(first, len(output) + 1):
            assert not is_within(output[:first], output[first:second], output[second:])
        if output.startswith(b"\x1b") and 0 < first < len(output):
            assert is_within(output[:first])
            assert not is_within(output[:first], ABORT)


@given(st.lists(st.sampled_from([*WHOLE, b"\x1b", b"[", b"P", b"]", b"m", b"\x07", b"\x18", b"\\"]), max_size=12))
def test_where_it_says_no_the_terminal_shows_what_comes_next(chunks: list[bytes]) -> None:
    terminal, tracker = Emulator(80, 24), ModeTracker()
    for chunk in chunks:
        terminal.feed(chunk)
        tracker.feed(chunk)
    terminal.feed(tracker.abort_sequence + b"\x1bc$ ls")
    assert plain_text(terminal).startswith("$ ls")
    if not tracker.abort_sequence:
        terminal.feed(b"\x1bc" + b"".join(chunks) + b"\r\n#")
        assert "#" in plain_text(terminal)


def test_a_notice_is_seen_behind_a_string_without_end() -> None:
    from omnyshell.cli.terminal.raw_terminal import Notices
    from omnyshell.services.client.states import LinkState

    tracker = ModeTracker()
    tracker.feed(b"\x1bPnobody sees what follows")
    notices = Notices(tracker, lambda: 80, "~.")
    notices.state_changed(LinkState.RECONNECTING, "the hub is away")
    assert notices.take().startswith(ABORT)
    assert tracker.abort_sequence == b""
