"""How a cell looks: interned, immutable, and aware of what each SGR sequence turns it into.

A colour is an int: `DEFAULT`, 0-15 for the sixteen named ones (SGR 30-37, 90-97), `INDEXED + n` for entry n of the
256-colour palette (SGR 38;5;n), `TRUE_COLOUR + 0xRRGGBB` for a direct one (SGR 38;2;r;g;b). The first sixteen entries
of the palette are kept apart from the named colours, because terminals brighten only the latter in bold.
"""

from typing import Final, NamedTuple

DEFAULT: Final = -1
INDEXED: Final = 256
TRUE_COLOUR: Final = 1 << 24

BOLD: Final = 1
DIM: Final = 2
ITALIC: Final = 4
BLINK: Final = 8
REVERSE: Final = 16
CONCEAL: Final = 32
STRIKE: Final = 64
OVERLINE: Final = 128

NO_UNDERLINE: Final = 0
SINGLE_UNDERLINE: Final = 1
DOUBLE_UNDERLINE: Final = 2

# Hostile output can name millions of colours. What is remembered for speed is dropped at these sizes; styles that cells
# hold live on, so identity is no test for equality.
_MOST_STYLES: Final = 4096
_MOST_TRANSITIONS: Final = 8192


class Look(NamedTuple):
    """The value of a style. `underline` is a style of SGR 4:n (0 none to 5 dashed); `link` is OSC 8's `params;uri`."""

    fg: int = DEFAULT
    bg: int = DEFAULT
    flags: int = 0
    underline: int = NO_UNDERLINE
    underline_colour: int = DEFAULT
    link: str = ""


class Style:
    """An interned look. Make one with `style_of`; compare with `==`."""

    __slots__ = ("_erased", "look", "transitions")

    def __init__(self, look: Look) -> None:
        self.look = look
        self.transitions: dict[str, Style] = {}
        self._erased: Style | None = None

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Style) and self.look == other.look)

    def __hash__(self) -> int:
        return hash(self.look)

    def __repr__(self) -> str:
        return f"Style({self.look})"

    @property
    def erased(self) -> "Style":
        """The style of what is erased with this pen: its background alone (xterm's "bce")."""
        if self._erased is None:
            self._erased = style_of(Look(bg=self.look.bg))
        return self._erased

    def learn(self, sequence: str, style: "Style") -> None:
        """Remember that `sequence` turns this style into `style`."""
        _registry.note_transition()
        self.transitions[sequence] = style


class _Registry:
    """All styles in use, bounded."""

    def __init__(self) -> None:
        self.styles: dict[Look, Style] = {}
        self._transitions = 0

    def note_transition(self) -> None:
        self._transitions += 1
        if self._transitions > _MOST_TRANSITIONS:
            self._transitions = 0
            for style in self.styles.values():
                style.transitions.clear()

    def add(self, look: Look) -> Style:
        if len(self.styles) >= _MOST_STYLES:
            self._forget()
        style = self.styles[look] = Style(look)
        return style

    def _forget(self) -> None:
        self._transitions = 0
        for style in self.styles.values():
            style.transitions.clear()
        self.styles.clear()
        self.styles[DEFAULT_STYLE.look] = DEFAULT_STYLE


_registry: Final = _Registry()


def style_of(look: Look) -> Style:
    """Return the style of `look`."""
    return _registry.styles.get(look) or _registry.add(look)


DEFAULT_STYLE: Final = style_of(Look())
