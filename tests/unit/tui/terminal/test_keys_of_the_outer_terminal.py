from support.in_one_test import in_one_test
from textual import events

from omnyshell.terminal import encode_key
from omnyshell.tui.driver import ConsoleParser


def keys(data: str) -> list[events.Key]:
    parser = ConsoleParser()
    return [event for event in parser.feed(data) if isinstance(event, events.Key)]


@in_one_test(
    "data",
    [
        "\x1b.", "\x1bb", "\x1bf", "\x1bd", "\x1bB", "\x1b1", "\x1b<", "\x1b_", "\x1b\x7f", "\x1b\r", "\x1b ",
        "\t", "\r", "\x7f",
        "\x00", "\x03", "\x10", "\x11", "\x1c", "\x1d", "\x1e", "\x1f", "a", "A", "é", "漢", "~", "+",
        "\x1b[A", "\x1b[H", "\x1b[F", "\x1bOP", "\x1b[15~", "\x1b[3~", "\x1b[5~", "\x1b[Z",
        "\x1b[1;5C", "\x1b[1;3A", "\x1b[1;6D", "\x1b[3;5~", "\x1b\x03",
        "\x08", "\x1b\x08", "\x1b\x00", "\x1b\x1c", "\x1b\x1d", "\x1b\x1e", "\x1b\x1f", "\x1b\x01",
        "\x1b[1;2R", "\x1b[1;3R", "\x1b[1;5R", "\x1b[1;8R", "\x1bOR",
    ],
)  # fmt: skip
def test_what_the_outer_terminal_sends_for_a_key_is_what_the_program_gets(data: str):
    assert b"".join(encode_key(key.key, set(), key.character) for key in keys(data)) == data.encode()


def test_an_escape_alone_is_one_when_nothing_follows():
    parser = ConsoleParser()
    assert list(parser.feed("\x1b")) == []
    assert parser.is_waiting
    rest = [event for event in parser.feed("\x1b") if isinstance(event, events.Key)]
    assert [event.key for event in rest] == ["circumflex_accent"] or [event.key for event in rest] == ["escape"]


def test_kitty_keys():
    assert encode_key(keys("\x1b[27u")[0].key, set()) == b"\x1b"
    assert encode_key(keys("\x1b[99;5u")[0].key, set()) == b"\x03"
    assert encode_key(keys("\x1b[46;3u")[0].key, set()) == b"\x1b."
