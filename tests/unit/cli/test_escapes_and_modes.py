"""What `connect` reads of keys and output, over every chunking."""

from hypothesis import given
from hypothesis import strategies as st

from omnyshell.cli.escapes import Escape, EscapeScanner
from omnyshell.cli.terminal import ModeTracker


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


@given(st.lists(st.sampled_from([b"~", b".", b"?", b"\r", b"x", b"\n"]), max_size=12))
def test_chunks_do_not_matter(keys: list[bytes]) -> None:
    whole = scan(b"".join(keys))
    apart = scan(*keys)
    if Escape.LEAVE not in whole[1]:
        assert whole == apart
    else:
        assert apart[1][: len(whole[1])] == whole[1]


def left_by(*chunks: bytes) -> bytes:
    tracker = ModeTracker()
    for chunk in chunks:
        tracker.feed(chunk)
    return tracker.reset_sequence()


def test_only_what_was_left_changed_is_put_back() -> None:
    assert left_by(b"plain \x1b[31mred\x1b[0m") == b""
    assert left_by(b"\x1b[?1049h\x1b[?25l", b"\x1b[?1049l\x1b[?25h") == b""
    assert left_by(b"\x1b[?1049h\x1b[?1;1000;1006h\x1b=") == (b"\x1b[?1049l\x1b[?1006l\x1b[?1000l\x1b[?1l\x1b>\x1b[0m")
    assert left_by(b"\x1b[?25l") == b"\x1b[?25h\x1b[0m"


def test_sequences_may_be_cut_anywhere() -> None:
    text = b"x\x1b[?1049hy\x1b[?25l"
    for cut in range(len(text)):
        assert left_by(text[:cut], text[cut:]) == left_by(text)
