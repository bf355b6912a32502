"""What `connect` reads of keys, over every chunking, and in pastes."""

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.cli.terminal.escapes import ENDING, Escape, EscapeScanner, help_text, parse_escape, shown
from omnyshell.errors import ConfigException

KEYS = {b".": Escape.LEAVE, b"&": Escape.DETACH, b"\x1a": Escape.SUSPEND, b"?": Escape.HELP}
BEGIN, END = b"\x1b[200~", b"\x1b[201~"
CHARACTERS = [code for code in range(127) if code not in b"\r\n"]


def scan(*chunks: bytes, character: int | None = ord("~")) -> tuple[bytes, list[Escape]]:
    scanner, sent, escapes = EscapeScanner(character), b"", []
    for chunk in chunks:
        out, found = scanner.feed(chunk)
        sent += out
        escapes += found
    return sent, escapes


def test_escapes_count_at_the_start_of_a_line_only() -> None:
    for key in (bytes([code]) for code in range(256)):
        found = [KEYS[key]] if key in KEYS else []
        passed = b"" if key in KEYS else b"~" if key == b"~" else b"~" + key
        assert scan(b"~" + key) == (passed, found)
        assert scan(b"ls\r~" + key) == (b"ls\r" + passed, found)
        assert scan(b"a~" + key) == (b"a~" + key, [])


def test_what_could_be_a_path_is_none() -> None:
    assert not [key for key in KEYS if key.decode().isalnum() or key in b"_/-"]
    assert scan(b"~deploy/bin/restart\r") == (b"~deploy/bin/restart\r", [])


@given(st.binary(max_size=40).filter(lambda data: END not in data), st.data())
def test_none_is_inside_a_paste_whatever_that_holds(pasted: bytes, data: st.DataObject) -> None:
    typed = b"x\r" + BEGIN + pasted + b"\r~.~&\r~" + END
    places = sorted(data.draw(st.lists(st.integers(0, len(typed)), max_size=5)))
    chunks = [typed[start:end] for start, end in zip([0, *places], [*places, len(typed)], strict=True)]
    assert scan(*chunks) == (typed, [])
    assert scan(*chunks, b"\r~.") == (typed + b"\r", [Escape.LEAVE])


@given(st.lists(st.sampled_from([b"~", b".", b"&", b"?", b"\r", b"x", b"\n", BEGIN, END, b"\x1b["]), max_size=12))
def test_chunks_do_not_matter(keys: list[bytes]) -> None:
    whole = scan(b"".join(keys))
    for apart in (scan(*keys), scan(*(bytes([byte]) for byte in b"".join(keys)))):
        if not ENDING & set(whole[1]):
            assert whole == apart
        else:
            assert apart[1][: len(whole[1])] == whole[1]


def test_any_character_may_begin_one_or_none() -> None:
    for character in CHARACTERS:
        start = bytes([character])
        assert parse_escape(shown(character)) == character
        assert scan(start + start, character=character)[0] in (start, b"")
        assert scan(start + b".", character=character) == (b"", [Escape.LEAVE])
        assert f"{shown(character)}." in help_text(shown(character))
    assert parse_escape("none") is None
    assert scan(b"~.\r~&", character=None) == (b"~.\r~&", [])


@in_one_test("text", ["", "ab", "^^^", "^1", "\xe9", "\r", "\x7f", "^M", "^J", "None"])
def test_what_is_no_character_is_an_error_that_says_what_is_one(text: str) -> None:
    with pytest.raises(ConfigException, match="one character"):
        parse_escape(text)
