"""What a program left changed in the user's terminal is put back, and nothing else is sent."""

import re

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test
from support.terminal_output import output, soup

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, reset_sequence
from omnyshell.terminal.state.table import CONTROLS, DYNAMIC, KNOWN_MODES, PRIVATE
from omnyshell.terminal.state.tracker import ModeTracker

SCREENS = (47, 1047, 1049)
NO_MODES = {0, 38, 1048, *SCREENS}
ON_AT_FIRST = {2, 7, 8, 25, 737769}
ALL_NUMBERS = sorted(
    {*range(1, 120), *range(990, 1070), *range(2000, 2060), *range(120, 66_000, 61), 5522, 9001, 65_535, 737_769}
    | {mode >> PRIVATE for mode in KNOWN_MODES if mode >> PRIVATE}
)
_switches = re.compile(rb"\x1b\[(\??)([0-9;]+)([hl])|\x1b([<=>])").finditer


def left_by(*chunks: bytes, term: str = "") -> bytes:
    tracker = ModeTracker(term)
    for chunk in chunks:
        tracker.feed(chunk)
    return tracker.reset_sequence()


def switched_on(data: bytes) -> set[str]:
    """What a terminal without any table would have on after `data`, by number."""
    on = {f"?{number}" for number in ON_AT_FIRST} | {"12"}
    for match in _switches(data):
        letter = match[4]
        names = {b"=": "?66", b">": "?66", b"<": "?2"}
        for name in [names[letter]] if letter else [(match[1] + n).decode() for n in match[2].split(b";")]:
            if match[3] == b"h" or letter in (b"=", b"<"):
                on.add(name)
            else:
                on.discard(name)
    return on


def test_only_what_was_left_changed_is_put_back() -> None:
    assert left_by(b"plain") == b""
    assert left_by(b"plain \x1b[31mred\x1b[0m") == b""
    assert left_by(b"\x1b[31mred") == b"\x1b[0m"
    assert left_by(b"\x1b[?1049h\x1b[?25l", b"\x1b[?1049l\x1b[?25h\x1b[m") == b""
    assert left_by(b"\x1b[?1049h\x1b[?1;1000;1006h\x1b=") == (b"\x1b[?1049l\x1b[?1006l\x1b[?1000l\x1b>\x1b[?1l\x1b[0m")
    assert left_by(b"\x1b[?25l") == b"\x1b[?25h"


BALANCED = [
    b"\x1b[>1u\x1b[<u",
    b"\x1b[>1u\x1b[>5u\x1b[<2u",
    b"\x1b[?1049h\x1b[>1u\x1b[<u\x1b[?1049l\x1b[m",
    b"\x1b[>4;2m\x1b[>4;0m",
    b"\x1b[>4;2m\x1b[>4m",
    b"\x1b[>1;3m\x1b[>m",
    b"\x1b[>4n\x1b[>4m",
    b"\x1b[5 q\x1b[0 q",
    b"\x1b[2;9r\x1b[r",
    b"\x1b(0\x1b(B",
    b"\x0e\x0f",
    b"\x1bn\x0f",
    b"\x1b]10;red\x07\x1b]110\x07",
    b"\x1b]4;1;red;2;blue\x07\x1b]104;1;2\x07",
    b"\x1b]4;1;red\x07\x1b]5;0;blue\x07\x1b]104\x07\x1b]105\x07",
    b"\x1b]4;1;?\x07\x1b]10;?\x07\x1b]22;?\x07",
    b"\x1b]22;wait\x07\x1b]22;\x07",
    b"\x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\",
    b"\x1b]9;4;1;50\x07\x1b]9;4;0\x07",
    b"\x1b]21;cursor=red\x07\x1b]21;cursor\x07",
    b"\x1b[22;0t\x1b]2;vim\x07\x1b[23;0t",
    b"\x1b[?1000s\x1b[?1000h\x1b[?1000r",
    b"\x1b[?1000h\x1b[?1000s\x1b[?1000l\x1b[?1000r\x1b[?1000l",
    b'\x1b[1"qx\x1b[0"q',
    b"\x1b[5 q\x1b[?1049h\x1b[?2048h\x1bc",
    b"\x1b[5i\x1b[4i",
    b"\x1b[1$}\x1b[0$}",
    b"\x1bl\x1bm",
    b"\x1b%@\x1b%G",
    b"\x1b]52;c;" + b"A" * 9000 + b"\x07",
]


@in_one_test("output", BALANCED)
def test_what_is_balanced_is_left_alone(output: bytes) -> None:
    assert left_by(output) == b""
    screen = Emulator(20, 6)
    screen.feed(output)
    assert reset_sequence(screen) in (b"", b'\x1b[0"q')


EIGHTHS = b"\x1b7\r\x1b[3g" + b"\x1b[8C\x1bH" * 124 + b"\x1b8\x1b[?5W"
"""Sets a tab stop in each eighth column of any screen."""

LEFT = [
    (b"\x1b[>1u", b"\x1b[<1u"),
    (b"\x1b[>1u\x1b[>1u\x1b[<u", b"\x1b[<1u"),
    (b"\x1b[=5;1u", b"\x1b[=0;1u"),
    (b"\x1b[?1049h\x1b[>1u", b"\x1b[<1u\x1b[?1049l\x1b[0m"),
    (b"\x1b[>1u\x1b[?1047h\x1b[>3u\x1b[>4u", b"\x1b[<2u\x1b[?1047l\x1b[<1u"),
    (b"\x1b[?1049h\x1b[>1u\x1b[?1049l\x1b[m", b"\x1b[?47h\x1b[<1u\x1b[?47l"),
    (b"\x1b[>4;2m", b"\x1b[>4m"),
    (b"\x1b[>1;3m", b"\x1b[>1m"),
    (b"\x1b[>2n", b"\x1b[>2m"),
    (b"\x1b[>4;1f", b"\x1b[>4f"),
    (b"\x1b[5 q", b"\x1b[0 q"),
    (b"\x1b[2;9r", b"\x1b7\x1b[r\x1b8"),
    (b"\x1b[3g", EIGHTHS),
    (b"\x1b[5G\x1bH", EIGHTHS),
    (b"\x1b[9G\x1b[g\x1bc\x1b[?5W\x1b[?7l", b"\x1b[?7h"),
    (b"\x1b(0", b"\x1b(B"),
    (b"\x0e", b"\x0f"),
    (b"\x1bo", b"\x0f"),
    (b"\x1b~", b"\x1b}"),
    (b"\x1b]4;300;red\x07", b"\x1b]104;300\x1b\\"),
    (b"\x1b]5;1;red\x1b\\", b"\x1b]105;1\x1b\\"),
    (b"\x1b]10;red;blue\x07", b"\x1b]110\x1b\\\x1b]111\x1b\\"),
    (b"\x1b]22;text\x07", b"\x1b]22;\x1b\\"),
    (b"\x1b]22;>wait,text\x07", b"\x1b]22;\x1b\\"),
    (b"\x1b]21;cursor=red;selection=blue\x07", b"\x1b]21;cursor\x1b\\\x1b]21;selection\x1b\\"),
    (b"\x1b]8;id=1;http://a/\x1b\\x", b"\x1b]8;;\x1b\\"),
    (b"\x1b]9;4;3\x07", b"\x1b]9;4;0\x1b\\"),
    (b"\x1b[22;0t\x1b[22;1t\x1b]2;vim\x07", b"\x1b[23;1t\x1b[23;0t"),
    (b'\x1b[1"q', b'\x1b[0"q'),
    (b"\x1bV", b'\x1b[0"q'),
    (b"\x1b[5i", b"\x1b[4i"),
    (b"\x1b[1$}", b"\x1b[0$}"),
    (b"\x1b[?2l", b"\x1b<"),
    (b"\x1b[12l", b"\x1b[12h"),
    (b"\x1b[4h\x1b[20h", b"\x1b[20l\x1b[4l"),
    (b"\x1b[?7l", b"\x1b[?7h"),
    (b"\x1b[31m\x1b7\x1b[m\x1b8", b"\x1b[0m"),
]


@in_one_test(("output", "reset"), LEFT)
def test_everything_a_program_may_leave_behind_is_put_back(output: bytes, reset: bytes) -> None:
    assert left_by(output) == reset
    assert left_by(output, reset) in (b"", b"\x1b[0m")


@in_one_test("control", [control for control in CONTROLS if control.name not in ("i", "?i")])
def test_each_control_of_the_table_is_put_back(control: object) -> None:
    name, undo, keyed, each = control.name, control.undo, control.keyed, control.each  # type: ignore[attr-defined]
    prefix, final = (name[0], name[1:]) if name[0] in "<=>?" else ("", name)
    value = min(control.largest, 2)  # type: ignore[attr-defined]
    given = f"3;{value}" if keyed else "3" if each else value
    change = f"\x1b[{prefix}{given}{final}".encode()
    reset = undo.replace("{}", "3").encode()
    assert left_by(change) == reset
    assert left_by(change, reset) == b""
    screen, painted = Emulator(20, 6), Emulator(20, 6)
    screen.feed(change)
    painted.feed(paint(screen))
    assert reset_sequence(painted) == reset_sequence(screen) or name == "$}"


def test_the_linux_consoles_colours_are_put_back() -> None:
    assert left_by(b"\x1b]P1ff0000", term="linux") == b"\x1b]R"
    assert left_by(b"\x1b]P1ff0000\x1b]R", term="linux") == b""
    assert left_by(b"\x1b]P1ff0000", term="xterm") == b""


@pytest.mark.parametrize("private", [True, False])
def test_every_mode_is_put_back_and_painted(private: bool) -> None:
    sign = "?" if private else ""
    for number in ALL_NUMBERS if private else range(1, 300):
        if private and number in NO_MODES:
            continue
        for letter in "hl":
            change = f"\x1b[{sign}{number}{letter}".encode()
            undone = left_by(change)
            assert switched_on(change + undone) == switched_on(b""), change
            if switched_on(change) == switched_on(b""):
                assert undone == b"", change


def test_all_modes_at_once_are_put_back_and_painted() -> None:
    known = [mode >> PRIVATE for mode in KNOWN_MODES if mode > 31 and mode >> PRIVATE not in NO_MODES]
    unknown = range(30_000, 30_100)
    # Of mouse modes one is on at a time; a terminal is not painted into another one's language, size or frame.
    changing = [n for n in (*known, *unknown) if n not in ON_AT_FIRST]
    every = b"".join(b"\x1b[?%dh" % number for number in changing)
    assert switched_on(every + left_by(every)) == switched_on(b"")
    screen = Emulator(20, 6)
    screen.feed(every)
    painted = switched_on(paint(screen))
    groups = [{9, 1000, 1001, 1002, 1003}, {1005, 1006, 1015, 1016}]
    expected = {f"?{n}" for n in changing if n not in {2026, 3, 40} and not any(n in group for group in groups)}
    assert expected <= painted
    assert all(sum(f"?{n}" in painted for n in group) == 1 for group in groups)
    assert switched_on(paint(screen) + left_by(paint(screen))) == switched_on(b"")


def test_each_mode_is_painted_where_it_differs() -> None:
    for number in ALL_NUMBERS:
        if number in NO_MODES or number in (2, 3, 40, 2026):
            continue
        screen = Emulator(20, 6)
        screen.feed(b"\x1b[?%d%c" % (number, b"l" if number in ON_AT_FIRST else b"h"))
        assert (f"?{number}" in switched_on(paint(screen))) != (number in ON_AT_FIRST), number


@in_one_test("number", [*DYNAMIC, *(f"4;{n}" for n in (0, 7, 15, 16, 255, 256)), "5;0", "5;4"])
def test_every_colour_is_put_back_and_painted(number: str) -> None:
    change = f"\x1b]{number};rgb:12/34/56\x07".encode()
    screen, painted = Emulator(20, 6), Emulator(20, 6)
    screen.feed(change)
    painting = paint(screen)
    assert f"\x1b]{number};rgb:12/34/56\x1b\\".encode() in painting
    undone = f"\x1b]{'10' if ';' in number else '1'}{number}\x1b\\".encode()
    assert left_by(change) == undone
    assert undone in left_by(painting)
    painted.feed(painting)
    assert reset_sequence(painted) == reset_sequence(screen) == undone


def test_what_is_kept_is_bounded() -> None:
    tracker = ModeTracker()
    screen = Emulator(20, 6)
    for flood in (
        b"".join(b"\x1b[?%dh\x1b[?%ds" % (n, n) for n in range(10_000, 20_000)),
        b"".join(b"\x1b]4;%d;red\x07" % n for n in range(5000)),
        b"".join(b"\x1b]21;%d=red\x07" % n for n in range(5000)),
        b"".join(b"\x1b[>%d;1m" % n for n in range(5000)),
        b"\x1b[>1u" * 5000 + b"\x1b[22;0t" * 5000,
    ):
        tracker.feed(flood)
        screen.feed(flood)
    assert len(tracker.reset_sequence()) < 64 * 1024
    assert len(paint(screen)) < 128 * 1024


@given(soup, st.lists(st.integers(0, 300), max_size=6))
def test_sequences_may_be_cut_anywhere(data: bytes, cuts: list[int]) -> None:
    at, chunks = 0, []
    for end in [*sorted(cuts), len(data)]:
        chunks.append(data[at:end])
        at = max(at, end)
    pen = re.compile(rb"\x1b\[0m\Z")
    assert pen.sub(b"", left_by(*chunks)) == pen.sub(b"", left_by(data))


@given(output)
def test_what_connect_takes_back_covers_what_an_emulator_would(data: bytes) -> None:
    """Two readings of the same output: a program's terminal, told what `connect` sends, has nothing left."""
    screen = Emulator(12, 5, term="xterm")
    screen.feed(data + b"\x18\x1b\\")
    screen.feed(left_by(data + b"\x18\x1b\\"))
    assert screen.mode == Emulator(12, 5).mode
    assert not screen.on_alternate_screen
    assert reset_sequence(screen) in (b"", b"\x1b[0m")


QUESTIONS = (
    *("22;>?__current__", "22;a,?__current__", "22;?", "10;?", "10;?x", "10;red;?x", "11; ?", "4;1; ?", "4;0;red;1;?x"),
    *("5;0;?x", "21;foreground=?", "21;foreground=?x", "21;?foreground=?", "21;a=red;b=\u200b?", "9;4;1;?", "104;?"),
)


@in_one_test("question", QUESTIONS)
def test_nothing_that_is_painted_asks(question: str) -> None:
    screen = Emulator(20, 6)
    screen.feed(f"\x1b]{question}\x07".encode())
    assert not re.search(rb"\x1b\][^\x07\x1b]*\?", paint(screen))
    assert b"?" not in left_by(f"\x1b]{question}\x07".encode())


@in_one_test(
    ("output", "reset"),
    [
        (b"\x1b[>0t", b"\x1b[>0T"),
        (b"\x1b[>0;2t", b"\x1b[>0T\x1b[>2T"),
        (b"\x1b[>0;1;2;3t\x1b[>1;2T", b"\x1b[>0T\x1b[>3T"),
        (b"\x1b[>0;2t\x1b[>T", b""),
        (b"\x1b[>0;2t\x1b[>t", b""),
    ],
)
def test_each_part_of_the_form_of_titles_is_put_back(output: bytes, reset: bytes) -> None:
    screen = Emulator(20, 6)
    screen.feed(output)
    assert left_by(output) == reset_sequence(screen) == reset
    assert (b"\x1b[>0t" in paint(screen)) == bool(reset)


OF_A_CURSOR = ["\x1b(0", "\x1b)0", "\x0e", "\x1bn", "\x1b~", '\x1b[1"q', "\x1bV", "\x1b]8;;x\x1b\\", "\x1b[?6h"]
BACK = '\x1b(B\x1b)B\x0f\x1b}\x1b[0"q\x1bW\x1b]8;;\x1b\\\x1b[?6l\x1b[m'


@in_one_test("state", OF_A_CURSOR)
@in_one_test(
    ("save", "restore"),
    [("\x1b7", "\x1b8"), ("\x1b[s", "\x1b[u"), ("\x1b[?1048h", "\x1b[?1048l"), ("\x1b[?1049h", "\x1b[?25;1049l"),
     ("\x1b[?1049h", ""), ("\x1b[?1049s\x1b[?1049h", "\x1b[?1049r")],
)  # fmt: skip
@in_one_test("step", [1, 99])
def test_what_comes_back_with_a_cursor_is_put_back(state: str, save: str, restore: str, step: int) -> None:
    output = (state + save + BACK + restore).encode()
    tracker, terminal = ModeTracker(), Emulator(80, 24)
    for at in range(0, len(output), step):
        tracker.feed(output[at : at + step])
    terminal.feed(output)
    known = reset_sequence(terminal)
    for undo in (tracker.reset_sequence(), known):
        terminal = Emulator(80, 24)
        terminal.feed(output + undo)
        assert reset_sequence(terminal) == b""
