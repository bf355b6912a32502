"""The themes that ship, each with a palette for every depth.

The colours of 256 and of sixteen are chosen, not rounded: so many shades lie close together that rounding makes one of
two, and what is dark becomes navy. Tests hold the contrasts.
"""

from typing import Any, Final, NamedTuple

from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.shades import Colour, ConsoleTheme, Shades, make_theme


class Family(NamedTuple):
    """A theme: `title` is how the settings call it; Textual's own variables may be given for true colours."""

    title: str
    is_dark: bool
    true: Shades
    indexed: Shades
    named: Shades
    text_alpha: float = 0.95
    more: dict[str, str] = {}

    def theme(self, name: str, depth: Depth) -> ConsoleTheme:
        """Return the theme for a depth."""
        shades = {Depth.TRUE: self.true, Depth.INDEXED: self.indexed, Depth.NAMED: self.named}.get(depth, PLAIN)
        made = make_theme(name, shades, depth, is_dark=self.is_dark, alpha=self.text_alpha)
        if depth in (Depth.TRUE, Depth.INDEXED):
            made.variables |= self.more
        return made


def mixed(**colours: Any) -> Shades:
    """Return shades in true colours; lines and the grounds of rows are mixed unless they are given."""
    text, primary, accent = (colours[role] for role in ("foreground", "primary", "accent"))
    usual = {
        "line": f"{text} 22%",
        "thumb": f"{text} 25%",
        "thumb_hover": f"{text} 40%",
        "cursor": f"{primary} 28%",
        "resting": f"{text} 7%",
        "selected": f"{accent} 16%",
        "hover": f"{text} 4%",
        "on_primary": colours["background"],
    }
    return Shades(**usual | colours)


def _on_black(**colours: Colour) -> Shades:
    """Return sixteen colours for a dark theme: bars are white, and carry the dark colours."""
    usual: dict[str, Colour] = {
        "background": "black", "surface": "black", "panel": "white",
        "foreground": "bright_white", "muted": "white", "on_primary": "black",
        "success": "bright_green", "warning": "bright_yellow", "error": "bright_red",
        "resting": "black", "selected": "black", "hover": "black", "selected_text": "bright_yellow",
        "cursor_text": "black",
        "bar_text": "black", "bar_muted": "bright_black", "bar_primary": "blue", "bar_accent": "blue",
        "bar_success": "black", "bar_warning": "red", "bar_error": "red",
    }  # fmt: skip
    return Shades(**usual | colours)


PLAIN: Final = Shades(
    background="black", surface="black", panel="bright_white", foreground="bright_white", muted="bright_white",
    primary="bright_white", secondary="bright_white", accent="bright_white",
    success="bright_white", warning="bright_white", error="bright_white", line="bright_white", thumb="bright_white",
    cursor="bright_white", resting="black", selected="black", hover="black", on_primary="black", cursor_text="black",
    on_button="bright_white",
    bar_text="black", bar_muted="black", bar_primary="black", bar_accent="black",
    bar_success="black", bar_warning="black", bar_error="black",
)  # fmt: skip
"""For no colours at all: what is light is reversed, but for buttons, of which the focused one alone is."""

DARK: Final = Family(
    "Dark",
    True,
    mixed(
        background="#14161f", surface="#1a1d29", panel="#232738", foreground="#c8d0e8", muted="#7d86a5",
        primary="#7aa2f7", secondary="#9d7cd8", accent="#7dcfff",
        success="#9ece6a", warning="#e0af68", error="#f7768e",
    ),
    Shades(
        background=233, surface=234, panel=237, foreground=253, muted=248, primary=111, secondary=141, accent=117,
        success=150, warning=179, error=210, line=241, thumb=240,
        cursor=24, resting=236, selected=23, hover=235, on_primary=233,
    ),
    _on_black(primary="bright_cyan", secondary="bright_magenta", accent="bright_cyan",
              line="cyan", thumb="cyan", cursor="cyan"),
)  # fmt: skip
LIGHT: Final = Family(
    "Light",
    False,
    mixed(
        background="#f7f8fb", surface="#eef0f5", panel="#e0e4ed", foreground="#24283b", muted="#5d6580",
        primary="#2e5fbf", secondary="#7048a8", accent="#0b7285",
        success="#2b7a3d", warning="#8f5e00", error="#b3261e",
    ),
    Shades(
        background=255, surface=254, panel=252, foreground=235, muted=240, primary=25, secondary=54, accent=24,
        success=22, warning=94, error=124, line=247, thumb=248,
        cursor=153, resting=252, selected=195, hover=253, on_primary=255,
    ),
    Shades(
        background="bright_white", surface="bright_white", panel="blue", foreground="black", muted="bright_black",
        primary="blue", secondary="magenta", accent="magenta",
        success="blue", warning="magenta", error="red", line="bright_black", thumb="bright_black",
        cursor="blue", resting="bright_white", selected="bright_white", hover="bright_white", on_primary="bright_white",
        cursor_text="bright_white", selected_text="magenta",
        bar_text="bright_white", bar_muted="white", bar_primary="bright_white", bar_accent="bright_cyan",
        bar_success="bright_green", bar_warning="bright_yellow", bar_error="bright_yellow",
    ),
)  # fmt: skip
CONTRAST: Final = Family(
    "High contrast",
    True,
    mixed(
        background="#000000", surface="#000000", panel="#202020", foreground="#ffffff", muted="#d0d0d0",
        primary="#ffff00", secondary="#00ffff", accent="#00ffff",
        success="#80ff80", warning="#ffff00", error="#ff8080", line="#a0a0a0",
    ),
    Shades(
        background=16, surface=16, panel=235, foreground=231, muted=252, primary=226, secondary=51, accent=51,
        success=120, warning=226, error=217, line=248, thumb=244,
        cursor=58, resting=235, selected=23, hover=233, on_primary=16,
    ),
    _on_black(primary="bright_yellow", secondary="bright_cyan", accent="bright_cyan", muted="bright_white",
              line="bright_white", thumb="bright_white", cursor="yellow"),
    text_alpha=1.0,
    more={"block-cursor-foreground": "#000000", "footer-key-foreground": "#ffff00"},
)  # fmt: skip
EMBER: Final = Family(
    "Ember",
    True,
    mixed(
        background="#1a1613", surface="#231d19", panel="#332a24", foreground="#e8d9c5", muted="#a8957d",
        primary="#f0a35e", secondary="#d398b4", accent="#8ec5b0",
        success="#b3c06a", warning="#ecc868", error="#f4816b",
    ),
    Shades(
        background=233, surface=234, panel=237, foreground=223, muted=144, primary=215, secondary=175, accent=115,
        success=149, warning=221, error=216, line=95, thumb=95,
        cursor=58, resting=236, selected=23, hover=235, on_primary=233,
    ),
    _on_black(primary="bright_yellow", secondary="bright_magenta", accent="bright_green", warning="bright_magenta",
              line="yellow", thumb="yellow", cursor="yellow", selected_text="bright_green",
              bar_primary="red", bar_accent="black"),
)  # fmt: skip
FJORD: Final = Family(
    "Fjord",
    True,
    mixed(
        background="#212936", surface="#283241", panel="#364254", foreground="#dfe6f0", muted="#9aa9be",
        primary="#83bfe0", secondary="#b0a7dc", accent="#8fd3c3",
        success="#a9cb8c", warning="#ead08e", error="#ee969b",
    ),
    Shades(
        background=235, surface=236, panel=239, foreground=254, muted=152, primary=117, secondary=146, accent=116,
        success=150, warning=222, error=217, line=67, thumb=67,
        cursor=24, resting=238, selected=23, hover=237, on_primary=235,
    ),
    _on_black(panel="cyan", primary="bright_cyan", secondary="bright_blue", accent="bright_green",
              line="white", thumb="white", cursor="white",
              bar_muted="black", bar_primary="black", bar_accent="black", bar_warning="black", bar_error="black"),
)  # fmt: skip

FAMILIES: Final = {"dark": DARK, "light": LIGHT, "contrast": CONTRAST, "ember": EMBER, "fjord": FJORD}
"""By the names that users choose them with."""

VARIABLES: Final = DARK.theme("dark", Depth.TRUE).variables
"""Each theme has these, besides Textual's own."""
