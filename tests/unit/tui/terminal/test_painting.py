from hypothesis import given, strategies as st
from rich.cells import cell_len
from support.in_one_test import in_one_test

from omnyshell import Widths
from omnyshell.terminal import Emulator
from omnyshell.terminal.text.layout import LAYOUTS
from omnyshell.tui.terminal.counting import WIDTHS
from omnyshell.tui.terminal.painting import Mark, Overlay, RowPainter, safe_link
from omnyshell.tui.terminal.palette import DARK_NAMED, Palette

PALETTE = Palette((200, 200, 200), (10, 10, 10), DARK_NAMED)


def painted(data: str, *overlays: Overlay, width: int = 20, reverse: bool = False):
    screen = Emulator(20, 3)
    screen.feed(data.encode())
    return RowPainter(PALETTE, reverse=reverse, outer=LAYOUTS[Widths.CLUSTERS]).strip(screen.rows[0], width, overlays)


def first(data: str, *overlays: Overlay, reverse: bool = False):
    style = next(iter(painted(data, *overlays, reverse=reverse))).style
    assert style is not None
    assert style.color is not None
    assert style.bgcolor is not None
    return style


def rgb(color) -> tuple[int, int, int]:
    return tuple(color.triplet)


@in_one_test(
    ("sgr", "attribute"),
    [
        ("1", "bold"), ("3", "italic"), ("4", "underline"), ("4:3", "underline"), ("21", "underline2"),
        ("5", "blink"), ("9", "strike"), ("53", "overline"),
    ],
)  # fmt: skip
def test_attributes_are_kept(sgr: str, attribute: str):
    assert getattr(first(f"\x1b[{sgr}mx"), attribute)


@in_one_test(
    ("sgr", "expected"),
    [
        ("31", DARK_NAMED[1]), ("94", DARK_NAMED[12]), ("38;5;1", DARK_NAMED[1]), ("38;5;16", (0, 0, 0)),
        ("38;5;21", (0, 0, 255)), ("38;5;231", (255, 255, 255)), ("38;5;232", (8, 8, 8)), ("38;5;255", (238, 238, 238)),
        ("38;2;1;2;3", (1, 2, 3)), ("39", (200, 200, 200)),
    ],
)  # fmt: skip
def test_colours(sgr: str, expected: tuple[int, int, int]):
    assert rgb(first(f"\x1b[{sgr}mx").color) == expected


def test_reverse_swaps_the_colours_and_a_reverse_screen_swaps_them_back():
    assert rgb(first("\x1b[7mx").bgcolor) == PALETTE.foreground
    assert rgb(first("x", reverse=True).bgcolor) == PALETTE.foreground
    assert rgb(first("\x1b[7mx", reverse=True).bgcolor) == PALETTE.background


def test_dim_is_mixed_with_the_ground():
    assert rgb(first("\x1b[2mx").color) == (124, 124, 124)


def test_concealed_text_is_not_in_what_is_painted():
    assert "secret" not in painted("\x1b[8msecret").text


def test_links_go_to_the_outer_terminal_where_they_are_safe():
    assert first("\x1b]8;;https://example.org\x1b\\x").link == "https://example.org"
    assert not first("\x1b]8;;file:///etc/passwd\x1b\\x").link
    assert safe_link("id=7;HTTPS://example.org") == "HTTPS://example.org"
    assert safe_link("") == ""


def test_cursors():
    assert rgb(first("x", Overlay(0, 1, Mark.BLOCK)).bgcolor) == PALETTE.foreground
    assert first("x", Overlay(0, 1, Mark.HOLLOW)).underline
    assert first("x", Overlay(0, 1, Mark.BAR)).underline
    assert painted("", Overlay(0, 1, Mark.BAR)).text[0] == "\N{LEFT ONE QUARTER BLOCK}"


def test_what_is_cut_or_padded_has_the_width_that_was_asked_for():
    assert painted("a" * 20, width=7).text == "a" * 7
    assert painted("ab", width=25).text == "ab".ljust(25)
    # Half of a wide character is not painted.
    assert cell_len(painted("漢" * 10, width=7).text) == 7


@given(st.text(max_size=30))
def test_every_line_has_the_width_of_the_terminal_whatever_is_printed(data: str):
    strip = painted(data)
    assert sum(cell_len(segment.text) for segment in strip) == 20


CLUSTERS = ["👩\u200d🔬", "❤\ufe0f", "🇩🇪", "🇫", "👍🏽", "🏽", "1\ufe0f\u20e3", "का", "\u1100", "\u1161", "\u0600"]


@given(
    st.lists(st.sampled_from([*CLUSTERS, "a", "漢", "\x1b[m", "\x1b[3G", "\x1b[7G", "\x1b[31m"]), max_size=12).map(
        "".join
    ),
    st.sampled_from(Widths),
    st.sampled_from(Widths),
)
def test_textual_and_the_outer_terminal_make_the_same_columns(data: str, widths: Widths, outer: Widths):
    screen = Emulator(20, 3, widths=widths)
    screen.feed(data.encode())
    strip = RowPainter(PALETTE, outer=LAYOUTS[outer]).strip(screen.rows[0], 20)
    assert sum(cell_len(segment.text) for segment in strip) == 20
    assert sum(len(LAYOUTS[outer].laid_out(segment.text)) for segment in strip) == 20


@in_one_test(
    ("cluster", "outer", "shown"),
    [
        ("👩\u200d🔬", Widths.CLUSTERS, "👩\u200d🔬|"),
        ("👩\u200d🔬", Widths.SEPARATE, "👩|"),
        ("❤\ufe0f", Widths.CLUSTERS, "❤\ufe0f|"),
        ("❤\ufe0f", Widths.SEPARATE, "❤ |"),
        ("🇩🇪", Widths.SEPARATE, "🇩🇪|"),
        ("👍🏽", Widths.SEPARATE, "👍|"),
        ("1\ufe0f\u20e3", Widths.SEPARATE, "1 |"),
    ],
)
def test_of_a_cluster_as_much_is_painted_as_the_outer_terminal_has_room_for(cluster: str, outer: Widths, shown: str):
    screen = Emulator(20, 3, widths=Widths.CLUSTERS)
    screen.feed(f"{cluster}|".encode())
    strip = RowPainter(PALETTE, outer=LAYOUTS[outer]).strip(screen.rows[0], 20)
    assert strip.text.rstrip() == shown


@in_one_test("cluster", ["👩\u200d🔬", "❤\ufe0f", "🇩🇪", "👍🏽", "1\ufe0f\u20e3"])
def test_a_terminal_in_the_console_counts_as_rich_does(cluster: str):
    assert len(LAYOUTS[WIDTHS].laid_out(cluster)) == cell_len(cluster) == 2


def test_combining_and_wide_characters_stay_in_their_cells():
    assert painted("e\u0301漢x").text.startswith("e\u0301漢x")


@in_one_test("unseen", ["\u202e", "\u2066", "\u200b", "\xad", "\u2028", "\ufeff", "\U000e0041"])
def test_what_only_acts_on_the_text_around_it_is_not_painted(unseen: str):
    strip = painted(f"ab{unseen}cd é")
    assert unseen not in strip.text
    assert cell_len(strip.text) == 20
    assert strip.text.startswith("ab")


def test_joiners_and_the_symbols_of_a_font_are_painted():
    assert painted("\ue0b0 x\u200c\u00e9").text.startswith("\ue0b0 x\u200c\u00e9")
    assert painted("👩\u200d🔬|").text.startswith("👩\u200d🔬|")


def test_a_joiner_that_joins_nothing_hides_no_column():
    assert painted("ශ්\u200dරී|").text.startswith("ශ්රී|")
    assert sum(cell_len(segment.text) for segment in painted("x\u200d\u00e9|")) == 20


def test_a_link_does_not_end_before_its_end():
    assert safe_link("id=7;https://example.org/\x9c") == ""
