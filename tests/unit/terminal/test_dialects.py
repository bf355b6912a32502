"""What only one kind of terminal understands."""

from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, state

TITLED = b"\x1bkroot@db:~\x1b\\$ ls"
PALETTE = b"a\x1b]Rprompt$ \x1b]P1Ff8000ls\r\nfile\r\n\x1b[mok"


def shown(output: bytes, term: str, *, bytewise: bool = False) -> list[str]:
    screen = Emulator(20, 4, term=term)
    for piece in [bytes((byte,)) for byte in output] if bytewise else [output]:
        screen.feed(piece)
    return [line.rstrip() for line in screen.display]


@in_one_test("bytewise", [False, True])
@in_one_test(
    ("output", "term", "lines"),
    [
        (TITLED, "screen", ["$ ls"]),
        (TITLED, "screen-256color", ["$ ls"]),
        (TITLED, "tmux-256color", ["$ ls"]),
        (TITLED, "", ["$ ls"]),
        (TITLED, "xterm-256color", ["root@db:~$ ls"]),
        (PALETTE, "linux", ["aprompt$ ls", "file", "ok"]),
        (PALETTE, "", ["aprompt$ ls", "file", "ok"]),
        (PALETTE, "xterm", ["aok"]),
        # The Linux console gives up at the first character that it does not expect, and that one is lost.
        (b"a\x1b]P1ffz0b\r\nmore", "linux", ["a0b", "more"]),
        (b"a\x1b]Px0b\x1b]P1fF8000c", "linux", ["a0bc"]),
        (b"a\x1b]xtext\x1b]R!", "linux", ["atext!"]),
        (b"a\x1b]0;title\x07text", "linux", ["atext"]),
        (b"a\x1b]P1ffz0b\x07more", "", ["amore"]),
    ],
)
def test_each_terminal_has_its_own(output: bytes, term: str, lines: list[str], bytewise: bool) -> None:
    assert shown(output, term, bytewise=bytewise) == [*lines, "", "", "", ""][:4]


def test_what_is_begun_is_painted_as_it_was_written() -> None:
    for cut in range(len(TITLED + PALETTE)):
        whole, resumed = Emulator(20, 4), Emulator(20, 4)
        output = TITLED + PALETTE
        whole.feed(output[:cut])
        resumed.feed(paint(whole))
        for screen in (whole, resumed):
            screen.feed(output[cut:])
        assert state(resumed) == state(whole)
    assert whole.title == "root@db:~"


def test_a_colour_of_the_linux_console_is_painted_for_any_terminal() -> None:
    screen = Emulator(20, 4, term="linux")
    screen.feed(b"\x1b]P1Ff8000")
    assert b"\x1b]4;1;rgb:Ff/80/00\x1b\\" in paint(screen)
    screen.feed(b"\x1b]R")
    assert b"\x1b]4;" not in paint(screen)


STRINGS = {
    "]2;after": lambda screen: screen.title == "after",
    "kafter": lambda screen: screen.title == "after",
    "]52;c;YWZ0": lambda screen: len(screen.take_events()) > 1,
    "]4;1;#010203": lambda screen: "010203" in screen.settings.painted,
}


@in_one_test("string", STRINGS)
@in_one_test("end", ["\x07", "\x1b\\", "\x9c"])
def test_a_string_is_carried_out_where_it_ends(string: str, end: str) -> None:
    data = f"\x1b]2;before\x07\x1b{string}{end}x".encode()
    for cut in range(len(data)):
        screen = Emulator(20, 2)
        screen.feed(data[:cut])
        painted = Emulator(20, 2)
        painted.feed(paint(screen))
        for one in (screen, painted):
            one.feed(data[cut:])
            assert one.display[0].rstrip() == "x"
        assert STRINGS[string](screen)
        assert state(painted) == state(screen)


@in_one_test("string", STRINGS)
@in_one_test("abort", ["\x1b[2C", "\x1b\x1b\\", "\x18", "\x1a", "\x1b7", "\x1b]2;before\x07", "\x1bP\x9c"])
def test_a_string_that_another_sequence_aborts_is_not_carried_out_as_in_xterm(string: str, abort: str) -> None:
    data = f"\x1b]2;before\x07\x1b{string}{abort}x".encode()
    for cut in range(len(data)):
        screen = Emulator(20, 2)
        screen.feed(data[:cut])
        screen.feed(data[cut:])
        assert screen.display[0].strip() == "x"
        assert screen.title == "before"
        assert not STRINGS[string](screen)
