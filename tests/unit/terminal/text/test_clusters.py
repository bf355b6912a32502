"""Characters that take one place together: joined emoji, and clusters where they are asked for."""

from itertools import product

import pytest
from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test
from support.terminal_output import pieces

from omnyshell.model.sessions import Widths
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, plain_text, reset_sequence, state
from omnyshell.terminal.state.table import CLUSTERS
from omnyshell.terminal.text.layout import LAYOUTS, MARK, MOST_IN_A_CELL

SCIENTIST, HEART, FLAG, THUMB, KEYCAP = "👩\u200d🔬", "❤\ufe0f", "🇩🇪", "👍🏽", "1\ufe0f\u20e3"
FAMILY = "👩\u200d👩\u200d👧\u200d👦"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
ON, OFF = "\x1b[?2027h", "\x1b[?2027l"


def fed(output: str, columns: int = 12, lines: int = 3, widths: Widths = Widths.JOINED) -> Emulator:
    """Feed output at once and byte by byte, which must come to the same."""
    screen, bytewise = Emulator(columns, lines, widths=widths), Emulator(columns, lines, widths=widths)
    screen.feed(output.encode())
    for byte in output.encode():
        bytewise.feed(bytes((byte,)))
    assert state(bytewise) == state(screen)
    return screen


def cells(output: str, widths: Widths = Widths.CLUSTERS, columns: int = 12) -> list[str]:
    """The cells of the first line up to the last that is not blank."""
    row = fed(output, columns, widths=widths).rows[0].cells
    return row[: max((at + 1 for at, cell in enumerate(row) if cell != " "), default=0)]


@in_one_test("widths", [Widths.SEPARATE, Widths.JOINED])
@in_one_test(
    ("text", "shown"),
    [
        ("ශ්\u200dරී|", ["ශ්\u200d", "රී", "|"]),
        ("ක්\u200dෂ|", ["ක්\u200d", "ෂ", "|"]),
        ("م\u200dن|", ["م\u200d", "ن", "|"]),
        ("中\u200d中|", ["中\u200d", "", "中", "", "|"]),
        ("a\u200d👩|", ["a\u200d", "👩", "", "|"]),
        ("👩\u200da|", ["👩\u200d", "", "a", "|"]),
        ("👩\u200d中|", ["👩\u200d", "", "中", "", "|"]),
        (f"{HEART}|", [HEART, "|"]),
        (f"{FLAG}|", ["🇩", "🇪", "|"]),
        (f"{THUMB}|", ["👍", "", "🏽", "", "|"]),
        (f"{KEYCAP}|", [KEYCAP, "|"]),
        ("का|", ["क", "ा", "|"]),
    ],
)
def test_without_clusters_each_letter_has_its_columns(widths: Widths, text: str, shown: list[str]) -> None:
    assert cells(text, widths) == shown
    assert cells(f"{OFF}{text}", widths) == shown


@in_one_test(
    ("text", "shown"),
    [
        (f"{SCIENTIST}|", [SCIENTIST, "", "|"]),
        (f"{FAMILY}|", [FAMILY, "", "|"]),
        ("☝\ufe0f\u200d♂|", ["☝\ufe0f\u200d♂", "|"]),
        ("👩\u200d\x1b[m🔬|", ["👩\u200d", "", "🔬", "", "|"]),
        ("👩\u200d\u200d🔬|", ["👩\u200d\u200d", "", "🔬", "", "|"]),
    ],
)
def test_a_joiner_joins_emoji_as_in_tmux(text: str, shown: list[str]) -> None:
    assert cells(text, Widths.JOINED) == shown


def test_where_nothing_is_joined_each_emoji_has_its_columns() -> None:
    assert cells(f"{SCIENTIST}|", Widths.SEPARATE) == ["👩\u200d", "", "🔬", "", "|"]


CLUSTERED = [
    (f"{SCIENTIST}|", [SCIENTIST, "", "|"]),
    (f"{FAMILY}|", [FAMILY, "", "|"]),
    ("👨🏽\u200d🔬|", ["👨🏽\u200d🔬", "", "|"]),
    ("👁\ufe0f\u200d🗨\ufe0f|", ["👁\ufe0f\u200d🗨\ufe0f", "", "|"]),
    (f"{SCOTLAND}|", [SCOTLAND, "", "|"]),
    (f"{HEART}|", [HEART, "", "|"]),
    ("❤\ufe0e|", ["❤\ufe0e", "|"]),
    ("😀\ufe0e|", ["😀\ufe0e", "", "|"]),
    ("a\ufe0f|", ["a\ufe0f", "|"]),
    (f"{KEYCAP}#\ufe0f\u20e3|", [KEYCAP, "", "#\ufe0f\u20e3", "", "|"]),
    (f"{THUMB}☝🏽|", [THUMB, "", "☝🏽", "", "|"]),
    (f"{FLAG}🇫🇷|", [FLAG, "", "🇫🇷", "", "|"]),
    (f"{FLAG}🇫|", [FLAG, "", "🇫", "", "|"]),
    ("🇩e🇪|", ["🇩", "", "e", "🇪", "", "|"]),
    ("🇩\u0301🇪|", ["🇩\u0301", "", "🇪", "", "|"]),
    ("각가\u11a8|", ["각", "", "가\u11a8", "", "|"]),
    ("\u1100\u1100\u1161\u11a8|", ["\u1100\u1100\u1161\u11a8", "", "|"]),
    ("का|", ["का", "|"]),
    ("e\u0301\u0301x", ["e\u0301\u0301", "x"]),
    ("\u0600ab", ["\u0600a", "b"]),
    ("ශ්\u200dරී|", ["ශ්\u200d", "රී", "|"]),
    ("क्\u200dष|", ["क्\u200d", "ष", "|"]),
    ("\x1b[5G🏽|", [" ", " ", " ", " ", "🏽", "", "|"]),
    ("👍\x1b[m🏽|", ["👍", "", "🏽", "", "|"]),
    ("🇩\x1b[m🇪|", ["🇩", "", "🇪", "", "|"]),
    ("❤\x1b[m\ufe0f|", [HEART, "", "|"]),
    (f"{FLAG}\x1b[2b", [FLAG, "", "🇪🇪", ""]),
    (f"{HEART}\x1b[2b", [HEART, "", HEART, "", HEART, ""]),
    ("中a\x1b[2G\u0301", ["中\u0301", "", "a"]),
]


@in_one_test(("text", "shown"), CLUSTERED)
def test_a_cluster_is_one_place(text: str, shown: list[str]) -> None:
    assert cells(text) == shown
    assert cells(ON + text, Widths.JOINED) == shown
    assert cells(ON + text, Widths.SEPARATE) == shown


@in_one_test("cluster", [SCIENTIST, HEART, FLAG, THUMB, KEYCAP, "☝🏽", "각"])
def test_at_the_edge_it_goes_to_the_next_line_whole(cluster: str) -> None:
    for before in ("12345678", "1234567"):
        screen = fed(f"{before}{cluster}|", 8, widths=Widths.CLUSTERS)
        assert screen.rows[0].cells[len(before) :] == [" "] * (8 - len(before))
        assert screen.rows[1].cells[:3] == [cluster, "", "|"]
    screen = fed(f"123456{cluster}", 8, widths=Widths.CLUSTERS)
    assert screen.rows[0].cells[6:] == [cluster, ""]
    assert screen.cursor.x == 8


def test_without_autowrap_it_stays_as_narrow_as_there_is_room() -> None:
    assert cells(f"\x1b[?7l1234567{HEART}|", columns=8) == [*"1234567", "|"]
    assert cells("\x1b[?7l1234567❤\ufe0f", columns=8) == [*"1234567", "❤"]


def test_between_margins_it_wraps_at_the_right_one() -> None:
    screen = fed(f"\x1b[?69h\x1b[3;6s\x1b[1;3Habc{HEART}{FLAG}|", widths=Widths.CLUSTERS)
    assert screen.rows[0].cells[:7] == [" ", " ", "a", "b", "c", " ", " "]
    assert screen.rows[1].cells[:7] == [" ", " ", HEART, "", FLAG, "", " "]
    assert screen.rows[2].cells[2] == "|"


def test_it_moves_what_follows_in_insert_mode() -> None:
    assert cells(f"abc\r\x1b[4h{HEART}{FLAG}") == [HEART, "", FLAG, "", "a", "b", "c"]
    assert cells("abc\r\x1b[4h❤\x1b[m\ufe0f") == [HEART, "", "a", "b", "c"]


def test_half_of_it_is_overwritten_erased_and_copied_as_of_any_wide_character() -> None:
    assert cells(f"{HEART}{FLAG}\x1b[2Gx") == [" ", "x", FLAG, ""]
    assert cells(f"{HEART}{FLAG}\x1b[2G\x1b[P") == [" ", FLAG, ""]
    assert cells(f"ab{HEART}\x1b[1;1H\x1b[9@\x1b[1;12Hx", columns=12) == [*" " * 9, "a", "b", "x"]
    assert cells(f"{HEART}ab\x1b[1;2;1;4;1;1;5$v") == [HEART, "", "a", "b", " ", "a", "b"]
    assert cells(f"{FLAG}a\x1b[1;1;1;3;1;1;11$v") == [FLAG, "", "a", *" " * 7, FLAG, ""]


@in_one_test("cluster", [SCIENTIST, HEART, FLAG, KEYCAP])
def test_narrowing_and_widening_gives_it_back(cluster: str) -> None:
    screen = fed(f"abc{cluster}d{cluster}", 12, widths=Widths.CLUSTERS)
    before = screen.rows[0].cells
    for columns in (4, 7, 5, 12):
        screen.resize(3, columns)
        assert [cell for row in screen.rows for cell in row.cells].count(cluster) == 2
    assert screen.rows[0].cells == before


def test_a_hostile_cluster_is_bounded() -> None:
    for text in ("👩" + "\u200d👩" * 50, "e" + "\u0301" * 50, "\u1100" * 50, "\u0600" * 50):
        screen = fed(text, 80, widths=Widths.CLUSTERS)
        assert max(map(len, screen.rows[0].cells)) <= MOST_IN_A_CELL


def test_the_mode_is_painted_and_taken_back() -> None:
    screen = fed(f"{ON}{HEART}|")
    elsewhere = Emulator(12, 3)
    elsewhere.feed(paint(screen))
    assert CLUSTERS in elsewhere.mode
    elsewhere.feed(HEART.encode())
    assert elsewhere.rows[0].cells[:5] == [HEART, "", "|", HEART, ""]
    assert OFF.encode() in reset_sequence(elsewhere)
    elsewhere.feed(b"\x1b[?2027l" + HEART.encode())
    assert elsewhere.rows[0].cells[5:7] == [HEART, " "]


def test_another_terminal_counts_what_comes_from_then_on() -> None:
    screen = fed(f"{HEART}|")
    screen.widths = Widths.CLUSTERS
    screen.feed(f"{HEART}|".encode())
    assert screen.rows[0].cells[:5] == [HEART, "|", HEART, "", "|"]
    screen.feed(b"\x1bc\x1b[!p" + HEART.encode())
    assert screen.rows[0].cells[:2] == [HEART, ""]


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 6)),
    st.sampled_from(Widths),
    st.lists(pieces, max_size=30),
    st.lists(st.integers(0, 120), max_size=6),
)
def test_any_chunking_gives_the_same(
    size: tuple[int, int], widths: Widths, parts: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(parts)
    whole, cut = Emulator(*size, widths=widths), Emulator(*size, widths=widths)
    whole.feed(data)
    at = 0
    for end in [*sorted(cuts), len(data)]:
        cut.feed(data[at:end])
        at = max(at, end)
    assert state(cut) == state(whole)
    assert plain_text(cut) == plain_text(whole)


@in_one_test("columns", [1, 2, 7, 80])
@in_one_test("before", ["", "🇩", "🇩🇪"])
def test_halves_of_flags_that_are_repeated_are_put_off_in_pairs(columns: int, before: str) -> None:
    data = f"{before}🇪\x1b[9999b".encode()
    whole, bit_by_bit = (Emulator(columns, 20, widths=Widths.CLUSTERS) for _ in range(2))
    whole.feed(data)
    bit_by_bit.begin(data, 100)
    steps = 0
    while bit_by_bit.is_behind:
        bit_by_bit.go_on(100)
        steps += 1
    assert steps >= columns // 8
    assert state(bit_by_bit) == state(whole)


@in_one_test(
    "output",
    [
        "👩\u200d\x1b[b❤",
        "\u0600\x1b[3b💻",
        " \x1b[49m👩\u200d\x1b[b❤\x1b[1m",
        "\u0600\x1b[b\x1b[m💻",
        "\u0600\x1b[b\x1b[?6lx",
    ],
)
@in_one_test("widths", Widths)
def test_what_joins_behind_a_repetition_is_the_same_however_it_came(output: str, widths: Widths) -> None:
    whole = fed(output, widths=widths)
    put_off = Emulator(12, 3, widths=widths)
    put_off.begin(output.encode(), 1)
    while put_off.is_behind:
        put_off.go_on(1)
    assert state(put_off) == state(whole)


MARGINS = "\x1b[?69h\x1b[2;5s\x1b[3;5H"
CONTROLS = ["\x1b[31m", "\x1b[b", "\x1b[3b", "\b", "\x1b[3;5H", "\x1b(0", "\x1bN", "\x1b[4h", "\r\n", "\x1b[4l"]
JOINING = [*"❤1🏽☝👩🔬🇩q", "\ufe0f", "\ufe0f\u20e3", "\u200d", "\u0600", "ab", *CONTROLS]


@given(st.lists(st.sampled_from(JOINING), max_size=20), st.lists(st.integers(0, 60), max_size=4))
@example(["❤", "\ufe0f", "🏽", "\x1b[3b"], [6])
@example(["❤", "\x1b[31m", "\ufe0f", "\x1b[b"], [])
@example(["❤", "\x1b[31m", "\ufe0f", "🏽", "\x1b[3;5H", "a"], [])
@example(["\u200d", "\x1b[b", "\ufe0f", "\u200d"], [])
@example([*"❤❤❤❤❤❤❤❤1", "\ufe0f\u20e3"], [])
@example(["🏽", "\x1b[3b"], [])
def test_what_wraps_as_it_becomes_wide_between_margins_is_drawn_in_steps(parts: list[str], cuts: list[int]) -> None:
    data = (f"{ON}\x1b[44mabcdefg\r\nhijklmn\r\nop{MARGINS}" + "".join(parts)).encode()
    whole, in_steps = Emulator(8, 3), Emulator(8, 3)
    whole.feed(data)
    at = 0
    for end in [*sorted(cut + 50 for cut in cuts), len(data)]:
        in_steps.begin(data[at:end], 1)
        while in_steps.is_behind:
            in_steps.go_on(1)
        at = max(at, end)
    assert state(in_steps) == state(whole)
    assert in_steps.printed == whole.printed


@pytest.mark.parametrize("before", ["", "\x1b[31m"])
def test_a_character_that_becomes_wide_scrolls_a_row_at_a_time(before: str) -> None:
    screen = Emulator(1000, 500)
    screen.feed(f"{ON}\x1b[?69h\x1b[2;999s\x1b[999;999H❤{before}".encode())
    screen.begin("\ufe0f".encode(), 1000)
    steps = 0
    while screen.is_behind:
        screen.go_on(1000)
        steps += 1
    assert steps > 400
    assert screen.rows[499].cells[1:3] == [HEART, ""]


def test_a_cluster_is_repeated_in_steps() -> None:
    screen = Emulator(1, 5, scrollback=50, widths=Widths.CLUSTERS)
    screen.begin(" \u200d\x1b[65535b".encode(), 1)
    while screen.is_behind:
        screen.go_on(1)
    assert {row.cells[0] for row in screen.rows} == {" \u200d"}


@pytest.mark.parametrize(("columns", "output"), [(1, "❤\ufe0f"), (5, "\x1b[?7labcd❤\ufe0f"), (1, "\u0600👩")])
def test_what_has_no_room_for_two_columns_is_painted_as_it_is(columns: int, output: str) -> None:
    screen = fed(output, columns, widths=Widths.CLUSTERS)
    painted = Emulator(columns, 3, widths=Widths.CLUSTERS)
    painted.feed(paint(screen))
    assert state(painted) == state(screen)


@pytest.mark.parametrize("widths", Widths)
@given(st.lists(st.sampled_from([*"a漢é❤👩🔬🇩🏽ᄀ가क", "\u200d", "\ufe0f", "\u20e3", "\u0301", "\u0600"]), max_size=8))
def test_cells_that_are_found_at_once_are_those_that_a_closer_look_finds(widths: Widths, text: list[str]) -> None:
    layout, data = LAYOUTS[widths], "a" + "".join(text)
    cells = layout.cells_of(data)
    if MARK not in "".join(cells):
        assert cells == layout.merged(data)
        assert not layout.is_open(cells[-1] or cells[-2])


@in_one_test(
    ("cluster", "columns", "same_size"),
    list(product([SCIENTIST, HEART, FLAG, THUMB, KEYCAP, "का", "각"], [2, 3, 12], [False, True])),
)
def test_a_cluster_is_painted_as_one_also_where_its_parts_take_as_many_columns(
    cluster: str, columns: int, *, same_size: bool
) -> None:
    screen = fed(f"{ON}{cluster}a", columns)
    painted = Emulator(columns, 3)
    painted.feed(paint(screen, same_size=same_size))
    assert state(painted) == state(screen)


EMOJI = st.lists(st.sampled_from([*"a漢é©❤👩🔬🏽🇩1", "\u200d", "\u200d", "\ufe0f", "\u20e3", "\u0301"]), min_size=17)


@pytest.mark.parametrize("widths", Widths)
@given(EMOJI)
@example(["👩", "\ufe0f", "\u200d"] * 5 + ["👩"] * 3)
@example(["👩", "\ufe0f", "\u200d"] * 6 + ["👩"])
@example(["👩", "\u200d", "\ufe0f"] * 6)
@example(["👩", "\ufe0f", "\ufe0f", "\u200d"] * 5 + ["👩"])
def test_columns_that_are_seen_at_a_glance_are_those_of_the_cells(widths: Widths, text: list[str]) -> None:
    layout, data = LAYOUTS[widths], "a" + "".join(text)
    columns = layout.columns_at_a_glance(data)
    if columns:
        cells = layout.laid_out(data)
        assert columns == len(cells)
        assert not layout.is_open(cells[-1] or cells[-2])


@pytest.mark.parametrize("widths", [Widths.JOINED, Widths.SEPARATE])
@given(st.lists(EMOJI.map("".join), max_size=4), st.integers(1, 40))
def test_text_that_is_looked_at_later_is_what_it_was_when_it_was_written(
    widths: Widths, lines: list[str], column: int
) -> None:
    """Whether it is looked at on the screen or in the history, and whatever the terminal counts by then."""
    data = "".join(f"\x1b[{column}G{line}\x1b[7G\x1b[41m漢\x1b[m\r\n" for line in lines)
    late, seen = (Emulator(60, 2, scrollback=99, widths=widths) for _ in range(2))
    for part in data.split("\x1b"):
        seen.feed(("\x1b" + part).encode())
        assert seen.display
    late.feed(b"\x1b" + data.encode())
    late.widths = seen.widths = Widths.CLUSTERS
    late.scrollback.pages()
    assert [(row.cells, row.styles) for row in late.scrollback] == [(row.cells, row.styles) for row in seen.scrollback]
    assert state(late) == state(seen)


@in_one_test("widths", Widths)
@in_one_test("hidden", ["", "\x1b[?1049h\x1b[?47l"])
def test_what_was_written_before_clusters_were_asked_for_is_painted_as_it_is(widths: Widths, hidden: str) -> None:
    screen = fed(f"{hidden}{HEART}a{ON}", widths=widths)
    painted = Emulator(12, 3, widths=widths)
    painted.feed(paint(screen))
    assert state(painted) == state(screen)
    assert "".join(painted.rows[0].cells).rstrip() == f"{HEART}a"
