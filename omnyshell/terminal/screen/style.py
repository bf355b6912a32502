"""How a cell looks: interned and immutable, with a cache of the styles that SGR sequences turn it into.

A colour is an int: `DEFAULT`, 0-15 for the sixteen named ones (SGR 30-37, 90-97), `INDEXED + n` for entry n of the
256-colour palette (SGR 38;5;n), `TRUE_COLOUR + 0xRRGGBB` for a direct one (SGR 38;2;r;g;b). The first sixteen entries
of the palette are kept apart from the named colours, because terminals brighten only the latter in bold.
"""

import gc
from typing import Final, NamedTuple

import msgspec

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
PROTECTED: Final = 256
"""Not of SGR: DECSCA and SPA set it, and it keeps a cell from being erased."""

NO_UNDERLINE: Final = 0
SINGLE_UNDERLINE: Final = 1
DOUBLE_UNDERLINE: Final = 2

# Hostile output can name millions of colours, so the caches are dropped at these sizes. Styles in cells live on, so
# equal styles need not be identical.
_MOST_STYLES: Final = 16384
_MOST_TRANSITIONS: Final = 16384
_LONGEST_LEARNT: Final = 64
_MOST_LINK_TEXT: Final = 2 * 1024 * 1024
"""Characters of the links of all styles together, though several may share one."""


_NOTHING_LEARNT: Final[dict[str, "Style"]] = {}


class Look(NamedTuple):
    """The value of a style. `underline` is a style of SGR 4:n (0 none to 5 dashed); `link` is OSC 8's `params;uri`."""

    fg: int = DEFAULT
    bg: int = DEFAULT
    flags: int = 0
    underline: int = NO_UNDERLINE
    underline_colour: int = DEFAULT
    link: str = ""


# A look as a plain tuple, which the garbage collector need not watch: hostile output makes a style every few bytes.
Fields = tuple[int, int, int, int, int, str]

# What an SGR sequence does to any look: foreground, background, flags to keep, flags to add, underline, underline
# colour; None where a field stays. A plain tuple, because dense colour makes one every few bytes.
Effect = tuple[int | None, int | None, int, int, int | None, int | None]


class Style(msgspec.Struct, gc=False, eq=False):
    """An interned look. Make one with `style_of`; compare with `==`.

    `transitions` caches the styles that sequences turn this one into. An empty shared one is replaced at the first
    entry. The garbage collector does not look at styles, of which a screen may have half a million; cycles of them
    end where `_Registry` forgets them.
    """

    _fields: Fields
    transitions: dict[str, "Style"]
    _erased: "Style | None" = None

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Style) and self._fields == other._fields)

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Style({self.look})"

    @property
    def fields(self) -> Fields:
        """The value of the style, as a plain tuple in the order of `Look`."""
        return self._fields

    @property
    def look(self) -> Look:
        """The value of the style."""
        return Look(*self._fields)

    @property
    def is_protected(self) -> bool:
        """Whether cells of this style are protected from being erased."""
        return bool(self._fields[2] & PROTECTED)

    @property
    def erased(self) -> "Style":
        """The style of what is erased with this pen: its background alone (xterm's "bce")."""
        if self._erased is None:
            self._erased = style_of(Look(bg=self.look.bg))
        return self._erased

    def after(self, sequence: str, effect: Effect) -> "Style":
        """Return the style after `effect`; cache it under `sequence`, if there is one and the style exists already."""
        fg, bg, flags, underline, underline_colour, link = self._fields
        new_fg, new_bg, keep, add, new_underline, new_underline_colour = effect
        look = (
            fg if new_fg is None else new_fg,
            bg if new_bg is None else new_bg,
            flags & keep | add,
            underline if new_underline is None else new_underline,
            underline_colour if new_underline_colour is None else new_underline_colour,
            link,
        )
        return self._to(look, sequence)

    def with_ground(self, colour: int, sequence: str) -> "Style":
        """Return the style with the foreground (SGR 38) or background (48) that `sequence` chooses."""
        fg, bg, flags, underline, underline_colour, link = self._fields
        if sequence[2] == "3":
            fg = colour
        else:
            bg = colour
        return self._to((fg, bg, flags, underline, underline_colour, link), sequence)

    def _to(self, look: Fields, sequence: str) -> "Style":
        style = _styles.get(look)
        if style is None:
            if len(_styles) >= _MOST_STYLES or (look[-1] and _registry.has_too_many(look[-1])):
                _registry.forget()
            style = _styles[look] = Style(look, _NOTHING_LEARNT)
        else:
            self.learn(sequence, style)
        return style

    def learn(self, sequences: str, style: "Style") -> None:
        """Cache the style after sequences, where these are not too long."""
        if style is self and _styles.get(self._fields) is not self:
            # It was forgotten, and nobody would undo the cycle.
            return
        if 0 < len(sequences) <= _LONGEST_LEARNT:
            if self.transitions is _NOTHING_LEARNT:
                self.transitions = {}
            self.transitions[sequences] = style
            _registry.transitions += 1
            if _registry.transitions > _MOST_TRANSITIONS:
                _registry.unlearn()


class _Registry:
    """Bounds the caches of styles."""

    def __init__(self) -> None:
        self.transitions = 0
        self._link_text = 0

    def has_too_many(self, link: str) -> bool:
        """Whether links would take too much memory with one more."""
        self._link_text += len(link)
        return self._link_text > _MOST_LINK_TEXT

    def unlearn(self) -> None:
        """Forget all transitions."""
        self.transitions = 0
        for style in _styles.values():
            style.transitions = _NOTHING_LEARNT

    def forget(self) -> None:
        """Forget all styles but the default one; those that live on lead to newer ones alone, and not to themselves.

        The garbage collector looks at their values now, which it needs not watch from then on: where as many styles
        come as go, it would let half a million of them come together.
        """
        gc.collect(0)
        self.unlearn()
        for style in _styles.values():
            style._erased = None
        self._link_text = 0
        _styles.clear()
        _styles[DEFAULT_STYLE.look] = DEFAULT_STYLE


_registry: Final = _Registry()
_styles: Final[dict[Fields, Style]] = {}


def style_of(look: Look | Fields) -> Style:
    """Return the style of `look`."""
    style = _styles.get(look)
    if style is None:
        if len(_styles) >= _MOST_STYLES or _registry.has_too_many(look[-1]):
            _registry.forget()
        style = _styles[look] = Style((*look,), _NOTHING_LEARNT)
    return style


DEFAULT_STYLE: Final = style_of(Look())


def unprotected(style: Style) -> Style:
    """Return the style without protection."""
    look = style.look
    return style_of(look._replace(flags=look.flags & ~PROTECTED)) if look.flags & PROTECTED else style
