"""What `connect` reads of keys, over every chunking."""

from hypothesis import given, strategies as st

from omnyshell.cli.terminal.escapes import ENDING, Escape, EscapeScanner


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
