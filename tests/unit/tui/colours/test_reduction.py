"""Colours as terminals with fewer of them show them."""

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from support.in_one_test import in_one_test
from textual.color import Color
from textual.filter import ANSIToTruecolor, Monochrome, NoColor

from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.reduction import NAMED, NAMES, Reduction, indexed, named, rgb_of

GROUND = Color(0, 0, 0)


def reduced(style: Style, depth: Depth) -> Style:
    [segment] = Reduction(depth).apply([Segment("x", style)], GROUND)
    assert segment.style is not None
    return segment.style


def test_what_a_palette_has_stays_what_it_is() -> None:
    assert [indexed(rgb_of(number)) for number in range(16, 256)] == list(range(16, 256))
    assert [named(rgb) for rgb in NAMED] == list(range(16))


@in_one_test(
    ("rgb", "number"),
    [((250, 250, 252), 231), ((17, 17, 19), 233), ((95, 0, 0), 52), ((122, 162, 247), 111), ((120, 120, 118), 243)],
)
def test_the_nearest_of_256_is_of_the_cube_or_a_grey(rgb: tuple[int, int, int], number: int) -> None:
    assert indexed(rgb) == number


@in_one_test(
    ("rgb", "name"),
    [
        ((122, 162, 247), "bright_blue"),
        ((40, 42, 54), "black"),
        ((26, 27, 38), "black"),
        ((0, 0, 95), "blue"),
        ((0, 95, 135), "cyan"),
        ((224, 108, 117), "bright_red"),
        ((152, 195, 121), "bright_green"),
        ((200, 208, 232), "white"),
        ((250, 250, 250), "bright_white"),
        ((90, 95, 100), "bright_black"),
        ((255, 165, 0), "bright_yellow"),
        ((128, 0, 0), "red"),
    ],
)
def test_of_sixteen_the_hue_is_kept_and_what_is_merely_tinted_is_grey(rgb: tuple[int, int, int], name: str) -> None:
    assert NAMES[named(rgb)] == name


def test_numbers_that_programs_chose_are_passed_on() -> None:
    style = Style(color=RichColor.from_ansi(3), bgcolor=RichColor.from_ansi(17), bold=True)
    assert reduced(style, Depth.NAMED) == reduced(style, Depth.INDEXED) == style


def test_attributes_and_links_stay() -> None:
    style = Style(color="#7aa2f7", underline=True, link="https://example.org", meta={"@click": "go"})
    for depth in (Depth.INDEXED, Depth.NAMED, Depth.NONE):
        found = reduced(style, depth)
        assert (found.underline, found.link, found.meta) == (True, "https://example.org", {"@click": "go"})


@in_one_test(
    ("style", "is_reversed"),
    [
        (Style(color="#ffffff", bgcolor="#000000"), False),
        (Style(color="#000000", bgcolor="#00aaaa"), True),
        (Style(color="#000000", bgcolor="#00aa00", reverse=True), False),
        (Style(color="#ffffff", bgcolor="#0000aa"), False),
        (Style(bgcolor="#ffffff"), True),
        (Style(bgcolor="#202020"), False),
    ],
)
def test_without_colours_what_is_light_is_reversed(style: Style, is_reversed: bool) -> None:
    found = reduced(style, Depth.NONE)
    assert found.reverse is is_reversed
    assert found.color is not None
    assert found.color.is_default
    assert found.bgcolor is not None
    assert found.bgcolor.is_default


def test_the_depth_decides_in_place_of_textuals_look_at_the_environment() -> None:
    convert = ANSIToTruecolor(None)  # type: ignore[arg-type]  # it is not used
    usual = [convert, Monochrome(), NoColor()]
    assert list(Reduction(Depth.TRUE).among(usual)) == [convert]
    assert [type(found) for found in Reduction(Depth.INDEXED).among(usual)] == [ANSIToTruecolor, Reduction]
    for depth in (Depth.NAMED, Depth.NONE):
        assert [type(found) for found in Reduction(depth).among(usual)] == [Reduction]
