"""Side margins, columns, rectangles, protected cells and wrapping back, as xterm has them."""

import pytest
from hypothesis import given, settings, strategies as st
from support.in_one_test import in_one_test

from omnyshell.model.sessions import Widths
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, state
from omnyshell.terminal.screen.style import BOLD, REVERSE, Look

PANES = "\x1b[Hleft1     right1\r\nleft2     right2\r\nleft3     right3"
BOX = "\x1b[Habcdefghij\r\nklmnopqrst\r\nuvwxyzABCD\r\nEFGHIJKLMN"


def shown(output: str, columns: int = 10, lines: int = 4) -> list[str]:
    screen = Emulator(columns, lines)
    screen.feed(output.encode())
    # Whatever is shown is painted so, and goes on alike.
    painted = Emulator(columns, lines)
    painted.feed(paint(screen))
    assert state(painted) == state(screen)
    return [line.rstrip() for line in screen.display]


@in_one_test(
    ("output", "lines"),
    [
        # Two panes side by side: only the right one scrolls.
        (
            PANES + "\x1b[?69h\x1b[11;20s\x1b[1;3r\x1b[3;11H\nnew\x1b[r\x1b[s\x1b[?69l",
            ["left1     right2", "left2     right3", "left3     new", "", "", ""],
        ),
        ("abcdefghijklmnopqrst\x1b[K!", ["abcdefghijklmnopqrs!", "", "", "", "", ""]),
        ("abcdefghijklmnopqrst\x1b[J!", ["abcdefghijklmnopqrs!", "", "", "", "", ""]),
        ("abcdefghijklmnopqrst\x1b[1K!", ["                   !", "", "", "", "", ""]),
        ('\x1b[1"qAB\x1b[0"qC\x1b[?2K', ["AB", "", "", "", "", ""]),
        ("abcdef\r\nghijkl\x1b[2 @", ["cdef", "ijkl", "", "", "", ""]),
        ("abcdef\r\nghijkl\x1b[2 A", ["  abcdef", "  ghijkl", "", "", "", ""]),
        ("\x1b[88;2;3;4;6$x", ["", "  XXXX", "  XXXX", "  XXXX", "", ""]),
        ("\x1b[?1049h\x1b[3;5H\x1b7\x1b[?1049l\x1b[?1049h\x1b8X", ["", "", "    X", "", "", ""]),
        ("\x1b(0_x_", [" │", "", "", "", "", ""]),
        ("\x1b[?45hxxxxxxxxxxxxxxxxxxxxy\b\bZ", ["xxxxxxxxxxxxxxxxxxxZ", "y", "", "", "", ""]),
    ],
)
def test_what_was_seen_to_be_wrong(output: str, lines: list[str]) -> None:
    assert shown(output, 20, 6) == lines


MARGINS = "\x1b[?69h\x1b[3;6s"


@in_one_test(
    ("output", "lines"),
    [
        ("\x1b[2;3H123456", ["abcdefghij", "kl1234qrst", "uv56yzABCD", "EFGHIJKLMN"]),
        ("\x1b[4;3H12345", ["abmnopghij", "klwxyzqrst", "uv1234ABCD", "EF5   KLMN"]),
        ("\x1b[2;3r\x1b[3;3H12345", ["abcdefghij", "kl1234qrst", "uv5   ABCD", "EFGHIJKLMN"]),
        ("\x1b[4;8H1234", ["abcdefghij", "klmnopqrst", "uvwxyzABCD", "EF4HIJK123"]),
        ("\x1b[2;8H12\r34", ["abcdefghij", "kl34opq12t", "uvwxyzABCD", "EFGHIJKLMN"]),
        (
            "\x1b[2;2H1\r2",
            ["abcdefghij", "k12nopqrst", "uvwxyzABCD", "EFGHIJKLMN"],
        ),
        ("\x1b[2;1H1\r2", ["abcdefghij", "2lmnopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[4;4H\n!", ["abmnopghij", "klwxyzqrst", "uvGHIJABCD", "EF !  KLMN"]),
        ("\x1b[4;8H\n!", ["abcdefghij", "klmnopqrst", "uvwxyzABCD", "EFGHIJK!MN"]),
        ("\x1b[1;4H\x1bM!", ["ab !  ghij", "klcdefqrst", "uvmnopABCD", "EFwxyzKLMN"]),
        ("\x1b[1;8H\x1bM!", ["abcdefg!ij", "klmnopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[S", ["abmnopghij", "klwxyzqrst", "uvGHIJABCD", "EF    KLMN"]),
        ("\x1b[2T", ["ab    ghij", "kl    qrst", "uvcdefABCD", "EFmnopKLMN"]),
        ("\x1b[2;4H\x1b[@!", ["abcdefghij", "klm!noqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;4H\x1b[P", ["abcdefghij", "klmop qrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;8H\x1b[@\x1b[P", ["abcdefghij", "klmnopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;4H\x1b[L!", ["abcdefghij", "kl!   qrst", "uvmnopABCD", "EFwxyzKLMN"]),
        ("\x1b[2;4H\x1b[M!", ["abcdefghij", "kl!xyzqrst", "uvGHIJABCD", "EF    KLMN"]),
        ("\x1b[2;4H\x1b['}", ["abc deghij", "klm noqrst", "uvw xyABCD", "EFG HIKLMN"]),
        ("\x1b[2;4H\x1b[2'~", ["abcf  ghij", "klmp  qrst", "uvwz  ABCD", "EFGJ  KLMN"]),
        ("\x1b[2;8H\x1b['}\x1b['~\x1b[ @", ["abcdefghij", "klmnopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;4H\x1b[ @", ["abdef ghij", "klnop qrst", "uvxyz ABCD", "EFHIJ KLMN"]),
        ("\x1b[2;3H\x1b6!", ["ab cdeghij", "kl!mnoqrst", "uv wxyABCD", "EF GHIKLMN"]),
        ("\x1b[2;6H\x1b9!", ["abdef ghij", "klnop!qrst", "uvxyz ABCD", "EFHIJ KLMN"]),
        ("\x1b[2;4H\x1b[K", ["abcdefghij", "klm", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;4H\x1b[9C!", ["abcdefghij", "klmno!qrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;4H\x1b[9D!", ["abcdefghij", "kl!nopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;4H\t!", ["abcdefghij", "klmno!qrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[?6h\x1b[1;1H!\x1b[9;9H?", ["ab!defghij", "klmnopqrst", "uvwxyzABCD", "EFGHI?KLMN"]),
        ("\x1b[2;6H漢", ["abcdefghij", "klmno qrst", "uv漢yzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;5Hxyz\x1b7\x1b[H\x1b8!", ["abcdefghij", "klmnxyqrst", "uvz!yzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;5Hxy\x1b7\x1b[H\x1b8!", ["abcdefghij", "klmnxyqrst", "uv!xyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;5Hxy\x1b[K", ["abcdefghij", "klmnx", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;3H\x1b[4h!", ["abcdefghij", "kl!mnoqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[2;3Hone\r\ntwo", ["abcdefghij", "klonepqrst", "uvtwozABCD", "EFGHIJKLMN"]),
        ("\x1b[2;5H\x1b[2E!", ["abcdefghij", "klmnopqrst", "uvwxyzABCD", "EF!HIJKLMN"]),
        ("\x1b[?69l\x1b[2;5Hxyzxyz", ["abcdefghij", "klmnxyzxyz", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[5;4s\x1b[!p\x1b[2;5Hxyzxyz", ["abcdefghij", "klmnxyzxyz", "uvwxyzABCD", "EFGHIJKLMN"]),
    ],
)
def test_between_side_margins(output: str, lines: list[str]) -> None:
    assert shown(BOX + MARGINS + output) == lines


def test_without_mode_69_the_cursor_is_saved() -> None:
    assert shown("ab\x1b[scd\x1b[uX") == ["abXd", "", "", ""]
    assert shown("ab\x1b[3;5scd\x1b[uX\x1b[4;9s") == ["abXd", "", "", ""]


@in_one_test(
    ("output", "lines"),
    [
        ("\x1b[2;3;3;5$z", ["abcdefghij", "kl   pqrst", "uv   zABCD", "EFGHIJKLMN"]),
        ("\x1b[46;3$x", ["abcdefghij", "klmnopqrst", "..........", ".........."]),
        ("\x1b[0;2;9;1;1$x", ["abcdefghij", "klmnopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[1;1;2;3;1;3;8;1$v", ["abcdefghij", "klmnopqrst", "uvwxyzAabc", "EFGHIJKklm"]),
        ("\x1b[1;1;2;3;1;2;2;1$v", ["abcdefghij", "kabcopqrst", "uklmyzABCD", "EFGHIJKLMN"]),
        ("\x1b[1;1;9;9;1;4;10$v", ["abcdefghij", "klmnopqrst", "uvwxyzABCD", "EFGHIJKLMa"]),
        (
            "\x1b[?69h\x1b[3;8s\x1b[2;3r\x1b[?6h\x1b[42;1;1;1;2$x",
            ["abcdefghij", "kl**opqrst", "uvwxyzABCD", "EFGHIJKLMN"],
        ),
        ("\x1b[1;2H漢\x1b[35;1;3;1;3$x", ["a #defghij", "klmnopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
        ("\x1b[120;1;1;1;2$x\x1b(0\x1b[120;2;1;2;2$x", ["xxcdefghij", "││mnopqrst", "uvwxyzABCD", "EFGHIJKLMN"]),
    ],
)
def test_rectangles(output: str, lines: list[str]) -> None:
    assert shown(BOX + output) == lines


@in_one_test(
    ("output", "line"),
    [
        ('\x1b[1"qab\x1b[0"qcd\x1b[2;1H\x1b[1A\x1b[?K', "ab"),
        ('\x1b[1"qab\x1b[2"qcd\r\x1b[K', ""),
        ("\x1bVab\x1bWcd\r\x1b[K", "ab"),
        ("\x1bVab\x1bWcd\r\x1b[9X", "ab"),
        ("\x1bVab\x1bWcd\x1b[2J", "ab"),
        ("\x1bVab\x1bWcd\x1b[?J\x1b[1K", "ab"),
        ('\x1b[1"qab\x1b[mcd\x1b[0"qef\x1b[?2K', "abcd"),
        ('\x1b[1"qab\x1b[0"qcd\x1b[${', "ab"),
        ("\x1bVab\x1bWcd\x1b[${", ""),
        ('\x1b[1"qab\x1b[0"qcd\x1b[$z', ""),
        ('\x1b[1"qab\x1b[!p\x1b[?2K', ""),
    ],
)
def test_what_is_protected_is_not_erased(output: str, line: str) -> None:
    assert shown(output)[0] == line


def looks(output: str) -> list[Look]:
    screen = Emulator(6, 2)
    screen.feed(output.encode())
    return [style.look for row in screen.rows for style in row.styles]


def test_attributes_of_areas() -> None:
    # From the first cell to the last, but for what was never written; a rectangle with DECSACE.
    stream = looks("abcdef\r\nabcd\x1b[1;2;2;5;1;7$r")
    assert [look.flags for look in stream] == [0] + [BOLD | REVERSE] * 9 + [0] * 2
    exact = looks("abcdef\r\nabcd\x1b[2*x\x1b[1;5;2;5;1$r")
    assert [look.flags for look in exact] == ([0] * 4 + [BOLD] + [0]) * 2
    turned = looks("\x1b[1;31mab\x1b[1;1;1;2;0$t")
    assert turned[0] == Look(fg=1, flags=looks("\x1b[5;7;8mx")[0].flags, underline=1)
    assert looks("\x1b[1;4;31mab\x1b[1;1;1;2;0$r")[0] == Look(fg=1)
    assert looks("\x1b[1;4;31mab\x1b[1;1;1;2;22;24$r")[0] == Look(fg=1)
    assert looks("\x1b[31mab\x1b[0;44m\x1b[35;1;1;1;1$x")[:2] == [Look(fg=1, bg=4), Look(fg=1)]


@in_one_test(
    ("output", "lines"),
    [
        ("\x1b[?45h0123456789ab\x1b[4DX", ["01234567X9", "ab", "", ""]),
        ("\x1b[?45hab\r\ncd\x1b[9DX", ["ab", "Xd", "", ""]),
        ("\x1b[?45h\x1b[?7l0123456789\x1b[DX", ["01234567X9", "", "", ""]),
        ("\x1b[?45h0123456789\bX", ["012345678X", "", "", ""]),
        ("\x1b[?1045hab\r\ncd\x1b[3DX", ["ab       X", "cd", "", ""]),
        ("\x1b[?1045hab\x1b[3DX", ["ab", "", "", "         X"]),
        ("\x1b[?1045hab\x1b[99999999DX", ["ab X", "", "", ""]),
        ("0123456789\tX", ["0123456789", "X", "", ""]),
        ("\x1b[?41h0123456789\tX", ["0123456789", "        X", "", ""]),
        ("0123456789a\b\bX", ["0123456789", "X", "", ""]),
        ("ab\x1b[2jX\x1b[3;3H\x1b[2kY", ["XbY", "", "", ""]),
    ],
)
def test_wrapping_back(output: str, lines: list[str]) -> None:
    assert shown(output) == lines


@in_one_test(
    ("output", "lines"),
    [
        ("a\x1b[?47hA\x1b[?47l\x1b[?47h", [" A", "", "", ""]),
        ("a\x1b[?1047hA\x1b[?1047l\x1b[?1047h", ["", "", "", ""]),
        ("a\x1b[?1049hA\x1b[?1049l\x1b[?1049h", ["", "", "", ""]),
        ("a\x1b[?47hA\x1b[?47lb", ["a b", "", "", ""]),
        ("\x1b*0\x1bNqq\x1b+0\x1bOx\x1bnq\x0fq", ["─q│─q", "", "", ""]),
    ],
)
def test_screens_and_single_shifts(output: str, lines: list[str]) -> None:
    assert shown(output) == lines


@pytest.mark.parametrize(("columns", "bold"), [("1;1", [True] * 2 + [False] * 2), ("2;3", [False] * 2 + [True] * 2)])
def test_a_wide_character_is_marked_where_its_first_half_is(columns: str, bold: list[bool]) -> None:
    first, last = columns.split(";")
    screen = Emulator(4, 1)
    screen.feed(f"漢字\x1b[1;{first};1;{last};1$r".encode())
    assert [style.look.flags == BOLD for style in screen.rows[0].styles] == bold


def test_what_is_written_where_a_wide_character_did_not_fit_is_not_lost() -> None:
    screen = Emulator(5, 3, scrollback=5)
    screen.feed("abcd漢\x1b[1;5HX".encode())
    painted = Emulator(5, 3)
    painted.feed(paint(screen, same_size=True))
    assert state(painted) == state(screen)
    screen.resize(3, 9)
    assert [line.rstrip() for line in screen.display] == ["abcdX", "漢", ""]


CHARACTERS = (
    "x",
    "é",
    "漢",
    "e\u0301",
    "👍🏽",
    "❤\ufe0f",
    "🇩",
    "🇪",
    "👩\u200d🔬",
    "\u0301",
    "\x1b[3b",
    "\x1b[31m",
    "\n",
)


@given(
    st.lists(st.sampled_from(CHARACTERS), max_size=30),
    st.sampled_from(list(Widths)),
    st.sampled_from(["2;3", "2;4", "3;6", "1;4", "4;5"]),
    st.sampled_from(["", "\x1b[?7l", "\x1b[4h"]),
)
@settings(max_examples=50)
def test_text_between_side_margins_is_the_same_in_whichever_steps(
    text: list[str], widths: Widths, margins: str, mode: str
) -> None:
    data = f"ab漢d\r\nefgh\x1b[?69h\x1b[{margins}s{mode}\x1b[2;3H{''.join(text)}".encode()
    whole, parts, cut = (Emulator(6, 3, widths=widths) for _ in range(3))
    whole.feed(data)
    parts.begin(data, 1)
    while parts.is_behind:
        parts.go_on(1)
    for at in range(len(data)):
        cut.feed(data[at : at + 1])
    assert state(parts) == state(whole) == state(cut)
