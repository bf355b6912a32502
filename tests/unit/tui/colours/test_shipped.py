"""The themes that ship can be read, in every depth, from what they declare."""

import re
from itertools import product
from pathlib import Path

import pytest
from textual.color import Color

import omnyshell.tui
from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.folder import SHIPPED
from omnyshell.tui.colours.reduction import NAMED, NAMES
from omnyshell.tui.colours.shades import ROLES, Shades
from omnyshell.tui.colours.shipped import FAMILIES, PLAIN

TONES = ("muted", "primary", "accent", "success", "warning", "error")
BARS = tuple(f"bar_{tone}" for tone in TONES)
ROWS = ("cursor", "resting", "selected", "hover")

SHADED = [
    *((text, ground, 4.5) for text, ground in product(("foreground", *TONES), ("background", "surface"))),
    *((text, "panel", 3.5) for text in BARS),
    ("bar_text", "panel", 6),
    *(("foreground", ground, 4.5) for ground in ROWS),
    *((tone, ground, 2.7) for tone, ground in product(TONES, ROWS)),
    ("on_primary", "primary", 4.5),
    ("panel", "background", 1.15),
    ("line", "surface", 1.5),
    ("primary", "surface", 3),
    ("thumb", "surface", 1.5),
    *((ground, "surface", 1.1) for ground in ("cursor", "resting", "selected")),
]
FEW = [
    *((text, ground, 3) for text, ground in product(("foreground", *TONES), ("background", "surface"))),
    *((text, "panel", 3) for text in ("bar_text", *BARS)),
    ("cursor_text", "cursor", 3),
    ("selected_text", "selected", 3),
    ("on_primary", "primary", 3),
    ("panel", "background", 3),
    ("cursor", "surface", 3),
    ("line", "surface", 3),
    ("thumb", "surface", 3),
]
"""What lies on what, and the least contrast (WCAG 2.2, 1.4.3)."""

XTERM = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)),
    (255, 255, 255),
)

each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def contrast(one: Color, other: Color) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Color) -> float:
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def too_weak(shades: Shades, pairs: list[tuple[str, str, float]]) -> list[str]:
    surface = Color.parse(shades.css("surface"))
    found = []
    for over, ground, least in pairs:
        below = surface + parsed(shades, ground)
        ratio = contrast(below + parsed(shades, over), below)
        if ratio < least:
            found.append(f"{over} on {ground}: {ratio:.2f} of {least}")
    return found


def parsed(shades: Shades, role: str) -> Color:
    colour, _, share = shades.css(role).partition(" ")
    return Color.parse(colour).with_alpha(float(share.rstrip("%") or 100) / 100)


@each_family
@pytest.mark.parametrize("depth", [Depth.TRUE, Depth.INDEXED])
def test_whatever_lies_on_something_can_be_told_from_it(family, depth):
    assert too_weak(family.true if depth is Depth.TRUE else family.indexed, SHADED) == []


@each_family
@pytest.mark.parametrize("terminal", [NAMED, XTERM], ids=["vga", "xterm"])
def test_sixteen_colours_suffice_whatever_the_terminal_makes_of_them(family, terminal):
    colours = {
        role: "#{:02x}{:02x}{:02x}".format(*terminal[NAMES.index(name)])
        for role in ROLES
        if (name := getattr(family.named, role))
    }
    assert too_weak(Shades(**colours), FEW) == []


@each_family
def test_each_depth_is_declared_in_its_own_colours(family):
    assert all(isinstance(getattr(family.indexed, role), int) or not getattr(family.indexed, role) for role in ROLES)
    assert all(getattr(family.named, role) in (*NAMES, "") for role in ROLES)
    assert all(16 <= number <= 255 for role in ROLES if (number := getattr(family.indexed, role)))


def test_without_colours_there_is_light_and_dark():
    assert {getattr(PLAIN, role) for role in ROLES} <= {"black", "bright_white", ""}
    assert all(theme.variables == FAMILIES["dark"].theme("x", Depth.NONE).variables
               for theme in (family.theme("x", Depth.NONE) for family in FAMILIES.values()))  # fmt: skip


def test_the_settings_know_all_themes():
    assert tuple(FAMILIES) == SHIPPED


def test_style_sheets_mix_nothing_and_name_only_what_themes_have():
    """What is mixed in a style sheet is a shade that no theme has chosen."""
    texts = [path.read_text(encoding="utf-8") for path in Path(omnyshell.tui.__file__).parent.rglob("*.py")]
    sheets = [sheet for text in texts for sheet in re.findall(r'CSS(?:: Final)? = """(.*?)"""', text, re.DOTALL)]
    assert len(sheets) > 20
    theme = FAMILIES["dark"].theme("dark", Depth.TRUE)
    known = theme.to_color_system().generate() | theme.variables
    for sheet in sheets:
        assert re.findall(r"\$[\w-]+ \d+%", sheet) == []
        assert [name for name in re.findall(r"\$([\w-]+)", sheet) if name not in known] == []
