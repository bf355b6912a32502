"""A theme's colours for one depth, and the variables of Textual's style sheets that are made of them."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from textual.color import Color
from textual.theme import Theme

from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.reduction import NAMED, NAMES, rgb_of

Colour = str | int
"""`#rrggbb`, one of `NAMES`, or a number of the 256."""


class Shades(NamedTuple):
    """What a theme's colours are for.

    The grounds are `background`, `surface` of tables and dialogs, `panel` of bars and fields, and those of rows:
    `cursor` of the focused table, `resting` of others, `selected`, `hover`. What has no colour of its own has "":
    `cursor_text` then leaves the row's colours as they are, and text on a panel has the colours of text elsewhere.
    """

    background: Colour
    surface: Colour
    panel: Colour
    foreground: Colour
    muted: Colour
    primary: Colour
    secondary: Colour
    accent: Colour
    success: Colour
    warning: Colour
    error: Colour
    line: Colour
    """Borders of what has not the focus; with it they are `primary`."""

    thumb: Colour
    """Of a scroll bar."""

    cursor: Colour
    resting: Colour
    selected: Colour
    hover: Colour
    on_primary: Colour
    on_button: Colour = ""
    thumb_hover: Colour = ""
    cursor_text: Colour = ""
    selected_text: Colour = ""
    bar_text: Colour = ""
    bar_muted: Colour = ""
    bar_primary: Colour = ""
    bar_accent: Colour = ""
    bar_success: Colour = ""
    bar_warning: Colour = ""
    bar_error: Colour = ""

    def css(self, role: str) -> str:
        """Return the colour of a role for a style sheet."""
        found = getattr(self, role) or getattr(self, _OTHERWISE[role])
        return found if isinstance(found, str) and found.startswith("#") else _hex(found)


_OTHERWISE: Final = {
    "on_button": "on_primary",
    "thumb_hover": "thumb",
    "cursor_text": "foreground",
    "selected_text": "foreground",
    "bar_text": "foreground",
    **{f"bar_{role}": role for role in ("muted", "primary", "accent", "success", "warning", "error")},
}
ROLES: Final = Shades._fields

_TEXTUALS: Final = (
    *("primary", "secondary", "accent", "success", "warning", "error", "foreground"),
    *("background", "surface", "panel"),
)
_OWN: Final = (
    *("muted", "line", "thumb", "thumb_hover", "on_primary", "bar_text", "bar_muted", "bar_primary", "bar_accent"),
    *("bar_success", "bar_warning", "bar_error"),
)
_ROWS: Final = ("cursor", "resting", "selected", "hover", "cursor_text", "selected_text")

_SHADED: Final = {
    "focus-border": "round",
    "row-resting-style": "none",
    "row-selected-style": "none",
    "choice-style": "bold",
    "field-hint": "auto 38%",
    "palette-line": "black 50%",
}
_FEW: Final = {
    "focus-border": "heavy",
    "row-resting-style": "underline",
    "row-selected-style": "bold",
    "choice-style": "bold underline",
}
"""What attributes and borders say where shades cannot."""

PREFIX: Final = "omnyshell-"
"""Begins the names that Textual knows the themes by."""


@dataclass
class ConsoleTheme(Theme):
    """A theme of the console for one depth."""

    depth: Depth = Depth.TRUE


def make_theme(name: str, shades: Shades, depth: Depth, *, is_dark: bool, alpha: float = 0.95) -> ConsoleTheme:
    """Return a theme for Textual, which knows it by `PREFIX` and the name."""
    colours: dict[str, Any] = {role: shades.css(role) for role in _TEXTUALS}
    return ConsoleTheme(
        name=f"{PREFIX}{name}",
        **colours,
        dark=is_dark,
        text_alpha=alpha,
        variables=_variables(shades, depth),
        depth=depth,
    )


def _variables(shades: Shades, depth: Depth) -> dict[str, str]:
    own = {role.replace("_", "-"): _as_textual(shades.css(role)) for role in _OWN}
    rows = {f"row-{role.replace('_', '-')}": shades.css(role) for role in _ROWS}
    if depth in (Depth.NAMED, Depth.NONE):
        return own | rows | _FEW | {"veil": "transparent"} | _for_few(shades)
    tabs = {"tabs-ground": shades.css("panel"), "tabs-text": own["bar-text"]}
    return own | rows | tabs | _SHADED | {"veil": f"{shades.css('background')} 60%"}


def _for_few(shades: Shades) -> dict[str, str]:
    """Return Textual's variables, which it would mix."""
    cursor = {"foreground": shades.css("cursor_text"), "background": shades.css("cursor"), "text-style": "bold"}
    resting = {"foreground": shades.css("foreground"), "background": shades.css("surface"), "text-style": "underline"}
    return {
        **{f"block-cursor-{part}": value for part, value in cursor.items()},
        **{f"block-cursor-blurred-{part}": value for part, value in resting.items()},
        "field-hint": shades.css("bar_muted"),
        "palette-line": shades.css("primary"),
        "tabs-ground": shades.css("background"),
        "tabs-text": shades.css("foreground"),
        "panel-darken-1": shades.css("surface"),
        "panel-lighten-1": shades.css("panel"),
        **{f"text-{tone}": shades.css(f"bar_{tone}") for tone in ("success", "warning", "error")},
        "block-hover-background": shades.css("surface"),
        "border": shades.css("primary"),
        "border-blurred": shades.css("line"),
        "text": shades.css("foreground"),
        "text-muted": shades.css("muted"),
        "text-disabled": shades.css("muted"),
        "input-cursor-background": shades.css("bar_text"),
        "input-cursor-foreground": shades.css("panel"),
        "input-cursor-text-style": "none",
        "input-selection-background": shades.css("cursor"),
        "input-selection-foreground": shades.css("cursor_text"),
        "button-color-foreground": shades.css("on_button"),
        "footer-foreground": shades.css("bar_text"),
        "footer-background": shades.css("panel"),
        "footer-key-foreground": shades.css("bar_primary"),
        "footer-description-foreground": shades.css("bar_text"),
        "screen-selection-background": shades.css("cursor"),
        "screen-selection-foreground": shades.css("cursor_text"),
    }


def _as_textual(colour: str) -> str:
    """Return a colour as Textual has it among those of a theme, so that equal ones are equal."""
    return colour if colour.endswith("%") else Color.parse(colour).lighten(0).hex


def _hex(colour: Colour) -> str:
    rgb = NAMED[NAMES.index(colour)] if isinstance(colour, str) else rgb_of(colour)
    return "#{:02x}{:02x}{:02x}".format(*rgb)
