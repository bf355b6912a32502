"""What `connect` reads of keys and output, over every chunking."""

import pytest
from hypothesis import given, strategies as st

from omnyshell.cli.terminal.escapes import ENDING, Escape, EscapeScanner
from omnyshell.cli.terminal.raw_terminal import ModeTracker


def scan(*chunks: bytes) -> tuple[bytes, list[Escape]]:
    scanner, sent, escapes = EscapeScanner(), b"", []
    for chunk in chunks:
        out, found = scanner.feed(chunk)
        sent += out
        escapes += found
    return sent, escapes


def test_escapes_count_at_the_start_of_a_line_only() -> None:
    assert scan(b"~.") == (b"", [Escape.LEAVE])
    assert scan(b"ls\r~.") == (b"ls\r", [Escape.LEAVE])
    assert scan(b"a~.") == (b"a~.", [])
    assert scan(b"~?~.") == (b"", [Escape.HELP, Escape.LEAVE])
    assert scan(b"~~x") == (b"~x", [])
    assert scan(b"~x~.") == (b"~x~.", [])
    assert scan(b"~\r~.") == (b"~\r", [Escape.LEAVE])


@given(st.lists(st.sampled_from([b"~", b".", b"d", b"?", b"\r", b"x", b"\n"]), max_size=12))
def test_chunks_do_not_matter(keys: list[bytes]) -> None:
    whole = scan(b"".join(keys))
    apart = scan(*keys)
    if not ENDING & set(whole[1]):
        assert whole == apart
    else:
        assert apart[1][: len(whole[1])] == whole[1]


def left_by(*chunks: bytes) -> bytes:
    tracker = ModeTracker()
    for chunk in chunks:
        tracker.feed(chunk)
    return tracker.reset_sequence()


def test_only_what_was_left_changed_is_put_back() -> None:
    assert left_by(b"plain") == b""
    assert left_by(b"plain \x1b[31mred\x1b[0m") == b"\x1b[0m"
    assert left_by(b"\x1b[?1049h\x1b[?25l", b"\x1b[?1049l\x1b[?25h") == b"\x1b[0m"
    assert left_by(b"\x1b[?1049h\x1b[?1;1000;1006h\x1b=") == (b"\x1b[?1049l\x1b[?1006l\x1b[?1000l\x1b[?1l\x1b>\x1b[0m")
    assert left_by(b"\x1b[?25l") == b"\x1b[?25h\x1b[0m"


@pytest.mark.parametrize(
    ("output", "reset"),
    [
        (b"\x1b[>1u", b"\x1b[<9u\x1b[=0;1u"),
        (b"\x1b[>4;2m", b"\x1b[>4m"),
        (b"\x1b[5 q", b"\x1b[0 q"),
        (b"\x1b[2;9r", b"\x1b7\x1b[r\x1b8"),
        (b"\x1b(0", b"\x1b(B"),
        (b"\x1b]10;red\x07", b"\x1b]110\x1b\\"),
        (b"\x1b[?7l", b"\x1b[?7h"),
        (b"\x1b[5 q\x1b[0 q\x1b[2;9r\x1b[r\x1b(0\x1b(B\x1b[>4;2m\x1b[>4;0m", b""),
        (b"\x1b[5 q\x1b[?1049h\x1bc", b""),
    ],
)
def test_everything_a_program_may_leave_behind_is_put_back(output: bytes, reset: bytes) -> None:
    assert left_by(output) == reset + b"\x1b[0m"


def test_sequences_may_be_cut_anywhere() -> None:
    text = b"x\x1b[?1049hy\x1b[?25l\x1b[>1u\x1b[5 q"
    for cut in range(len(text)):
        assert left_by(text[:cut], text[cut:]) == left_by(text)
