"""Bytes that are no UTF-8: U+FFFD in a column for each part that no character begins with (Unicode, table 3-8)."""

from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, plain_text

BAD = "\N{REPLACEMENT CHARACTER}"


@in_one_test(
    ("output", "shown"),
    [
        (b"caf\xe9 au lait", f"caf{BAD} au lait"),
        (b"\x80\x8d\x9b1m", BAD * 3 + "1m"),
        (b"\xc0\xaf\xc1\x81", BAD * 4),
        (b"\xe0\x80\xaf\xe0\x9f\xbf", BAD * 6),
        (b"\xed\xa0\x80\xed\xbf\xbf", BAD * 6),
        (b"\xf0\x8f\xbf\xbf\xf4\x90\x80\x80", BAD * 8),
        (b"\xf5\xfe\xff", BAD * 3),
        (b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", BAD * 4 + "A"),
        (b"\xe4\xb8\x1b[1mx", BAD + "x"),
        (b"\xf0\x9f\x98\rx", "x"),
        (b"\xf0\x9f\x98\ta", BAD + "       a"),
        (b"\xe4\xb8\xe4\xb8\xad", BAD + "中"),
        (b"\xe4\xb8\x9b\xc3(", "丛" + BAD + "("),
        (b"\xc3\x1b]0;t\xff\x07x", BAD + "x"),
        (b"\x1b[3\xff1mx", "1mx"),
    ],
)
def test_each_part_is_one_column(output: bytes, shown: str) -> None:
    whole, bytewise = Emulator(20, 2), Emulator(20, 2)
    whole.feed(output)
    for byte in output:
        bytewise.feed(bytes((byte,)))
    for screen in (whole, bytewise):
        assert plain_text(screen).rstrip("\n") == shown
        assert screen.rows[0].cells.count(BAD) == shown.count(BAD)


def test_a_part_that_may_become_a_character_waits_for_the_rest() -> None:
    screen = Emulator(20, 2)
    screen.feed(b"a\xe4\xb8")
    assert (screen.cursor.x, screen.unfinished) == (1, b"\xe4\xb8")
    elsewhere = Emulator(20, 2)
    elsewhere.feed(paint(screen))
    for rest, shown in ((b"\xad", "a中"), (b"x", f"a{BAD}x"), (b"\x1b[mx", f"a{BAD}x")):
        for begun in (screen, elsewhere):
            again = Emulator(20, 2)
            again.feed(paint(begun) + rest)
            assert plain_text(again).rstrip("\n") == shown


def test_it_wraps_as_any_other_character() -> None:
    screen = Emulator(4, 2)
    screen.feed(b"abc\xff\xff")
    assert screen.display == [f"abc{BAD}", f"{BAD}   "]
    screen.feed(b"\x1b[?7l\x1b[1;4H\xfe\xfe")
    assert screen.display[0] == f"abc{BAD}"
