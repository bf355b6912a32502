"""The console's themes."""

from textual.theme import Theme

DARK = Theme(
    name="omnyshell-dark",
    primary="#7aa2f7",
    secondary="#9d7cd8",
    accent="#7dcfff",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#c8d0e8",
    background="#14161f",
    surface="#1a1d29",
    panel="#232738",
    dark=True,
    variables={"muted": "#7d86a5"},
)
LIGHT = Theme(
    name="omnyshell-light",
    primary="#2e5fbf",
    secondary="#7048a8",
    accent="#0b7285",
    warning="#8f5e00",
    error="#b3261e",
    success="#2b7a3d",
    foreground="#24283b",
    background="#f7f8fb",
    surface="#eef0f5",
    panel="#e0e4ed",
    dark=False,
    variables={"muted": "#5d6580"},
)
HIGH_CONTRAST = Theme(
    name="omnyshell-contrast",
    primary="#ffff00",
    secondary="#00ffff",
    accent="#00ffff",
    warning="#ffff00",
    error="#ff8080",
    success="#80ff80",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#202020",
    dark=True,
    text_alpha=1.0,
    variables={"muted": "#d0d0d0", "block-cursor-foreground": "#000000", "footer-key-foreground": "#ffff00"},
)

THEMES = {"dark": DARK, "light": LIGHT, "contrast": HIGH_CONTRAST}
"""By the names that users choose them with. Each has `$muted`, for text that matters less."""
