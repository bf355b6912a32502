"""The table of terminal state: each mode and setting that outlives the program which changed it.

A row says what a new terminal has, how a program changes it, and how that is taken back; painting a change is sending
it again. `settings.py` follows the rows; emulator, painter and `omnyshell connect` have no lists of their own. Plain
values: `connect` imports this, and not the emulator. Sources: ECMA-48, DEC STD 070, xterm's control sequences, and the
documents of kitty, mintty, VTE and contour.
"""

from typing import Final, NamedTuple

PRIVATE: Final = 5
"""How far the number of a private mode is shifted where modes stand in one set, as in pyte."""

_LAST_ANSI: Final = 31

INSERT: Final = 4
NEWLINE: Final = 20
LOCAL_ECHO_OFF: Final = 12
APPLICATION_CURSOR: Final = 1 << PRIVATE
ANSI: Final = 2 << PRIVATE
COLUMNS_132: Final = 3 << PRIVATE
REVERSE_SCREEN: Final = 5 << PRIVATE
ORIGIN: Final = 6 << PRIVATE
AUTOWRAP: Final = 7 << PRIVATE
AUTO_REPEAT: Final = 8 << PRIVATE
SHOW_CURSOR: Final = 25 << PRIVATE
TEKTRONIX: Final = 38 << PRIVATE
ALLOW_132: Final = 40 << PRIVATE
MORE_FIX: Final = 41 << PRIVATE
REVERSE_WRAP: Final = 45 << PRIVATE
APPLICATION_KEYPAD: Final = 66 << PRIVATE
SIDE_MARGINS: Final = 69 << PRIVATE
KEEP_CONTENTS: Final = 95 << PRIVATE
FOCUS_EVENTS: Final = 1004 << PRIVATE
REVERSE_WRAP_ALL: Final = 1045 << PRIVATE
BRACKETED_PASTE: Final = 2004 << PRIVATE
SYNCHRONIZED: Final = 2026 << PRIVATE
CLUSTERS: Final = 2027 << PRIVATE
IN_BAND_RESIZE: Final = 2048 << PRIVATE
INPUT_METHOD: Final = 737769 << PRIVATE

SCREENS: Final = frozenset((47, 1047, 1049))
"""Show the alternate screen, or the main one: no modes, but places."""

SAVE_CURSOR: Final = 1048
SAVE_AND_SWITCH: Final = 1049
CLEARED_ON_LEAVING: Final = 1047
ACTIONS: Final = frozenset((*SCREENS, SAVE_CURSOR, TEKTRONIX >> PRIVATE))
"""Private modes that do something and are nothing afterwards."""

MOUSE_TRACKING: Final = frozenset(mode << PRIVATE for mode in (9, 1000, 1001, 1002, 1003))
MOUSE_ENCODING: Final = frozenset(mode << PRIVATE for mode in (1005, 1006, 1015, 1016))
EXCLUSIVE: Final = (MOUSE_TRACKING, MOUSE_ENCODING)
"""Of each group one is on at most, and resetting any of it ends all, as in xterm."""

DEFAULT_MODES: Final = frozenset((AUTOWRAP, SHOW_CURSOR, ANSI, AUTO_REPEAT, LOCAL_ECHO_OFF, INPUT_METHOD))
"""What is on in a new terminal. All other modes are off, those that nobody knows too."""

SOFT_RESET_OFF: Final = frozenset(
    (INSERT, 2, ORIGIN, APPLICATION_CURSOR, APPLICATION_KEYPAD, SIDE_MARGINS, REVERSE_WRAP, REVERSE_WRAP_ALL)
)
SOFT_RESET_ON: Final = frozenset((AUTOWRAP, SHOW_CURSOR))

KNOWN_MODES: Final = frozenset(
    (
        *(2, INSERT, LOCAL_ECHO_OFF, NEWLINE),
        *(
            number << PRIVATE
            for number in (
                *(*range(1, 10), 12, 13, 14, 18, 19, 25, 30, 34, 35, 36, *range(40, 47), 57, 58, 60, 61, 64, 66, 67),
                *(68, 69, 73, 80, 81, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 106, 108, 109, 110, 111, 112, 113),
                *(*range(1000, 1008), 1010, 1011, 1014, 1015, 1016, *range(1034, 1047), 1050, 1051, 1052, 1053, 1060),
                *(1061, 1070, 1243, *range(2001, 2007), 2026, 2027, 2028, 2029, 2030, 2031, 2034, 2048, 2500, 2501),
                *(5522, 7700, 7711, 7727, 7728, 7730, 7765, 7766, 7767, 7783, 7786, 7787, 7796, 8200, 8452, 8800),
                *(8840, 9001, 737769),
            )
        ),
    )
)
"""Modes that some terminal has. They are always kept; of others `MOST_UNKNOWN`."""

MOST_UNKNOWN: Final = 256
LARGEST_MODE: Final = 99_999_999

STATED: Final = (
    *(APPLICATION_CURSOR, REVERSE_SCREEN, SIDE_MARGINS, FOCUS_EVENTS, BRACKETED_PASTE),
    *sorted(MOUSE_TRACKING | MOUSE_ENCODING),
)
"""What a painted screen says where it is off too, because another program may have left it on."""

NOT_PAINTED: Final = frozenset((SYNCHRONIZED, ANSI, COLUMNS_132))
"""A terminal would show nothing until the frame ended, would not be read as painted, or would take another size."""

PAINTED_LATE: Final = frozenset((INSERT, ORIGIN, AUTOWRAP, SHOW_CURSOR, SIDE_MARGINS))
"""What changes how the rest is painted."""


def key_of(number: int, *, private: bool) -> int:
    """Return how a mode stands in a set of modes: ANSI ones beyond the known never equal a private one."""
    if private:
        return number << PRIVATE
    return number if number <= _LAST_ANSI else -number


def switch(mode: int, *, on: bool) -> str:
    """Return the sequence that sets or resets a mode."""
    if mode == APPLICATION_KEYPAD:
        return "\x1b=" if on else "\x1b>"
    if mode == ANSI:
        return "\x1b<" if on else "\x1b[?2l"
    letter = "h" if on else "l"
    return f"\x1b[?{mode >> PRIVATE}{letter}" if mode > _LAST_ANSI else f"\x1b[{abs(mode)}{letter}"


class Control(NamedTuple):
    """A setting that a control sequence changes: `name` is its prefix, intermediates and final character.

    With `keyed` its first parameter names what is set; with `each` every parameter names something that is set, and
    there are no values. `default` are the values of a new terminal, with the key where they are those of one; `largest`
    is the last value there is. `undo` takes it back, with the key for `{}`.
    """

    name: str
    what: str
    undo: str
    default: tuple[str, ...] = ("", "0")
    keyed: bool = False
    each: bool = False
    largest: int = 65535


CONTROLS: Final = (
    Control(" q", "cursor shape (DECSCUSR)", "\x1b[0 q", largest=6),
    Control("q", "lights (DECLL)", "\x1b[q"),
    Control("*x", "what DECCARA and DECRARA reach (DECSACE)", "\x1b[*x", ("", "0", "1"), largest=2),
    Control("$}", "output to the status line (DECSASD)", "\x1b[0$}", largest=1),
    Control("$~", "kind of status line (DECSSDT)", "\x1b[0$~", largest=2),
    Control("i", "output to the printer (MC)", "\x1b[4i", ("4",), largest=5),
    Control("?i", "output to the printer too (MC)", "\x1b[?4i", ("4",), largest=5),
    Control(" t", "loudness of the warning bell (DECSWBV)", "\x1b[ t", ("",)),
    Control(" u", "loudness of the margin bell (DECSMBV)", "\x1b[ u", ("",)),
    Control(">m", "modifiers of keys (XTMODKEYS)", "\x1b[>{}m", ("", "4;0"), keyed=True),
    Control(">f", "form of keys with modifiers (XTFMTKEYS)", "\x1b[>{}f", ("",), keyed=True),
    Control(">p", "when the pointer hides (XTSMPOINTER)", "\x1b[>1p", ("", "1"), largest=3),
    Control(">s", "shift with the mouse (XTSHIFTESCAPE)", "\x1b[>0s", largest=3),
    Control(">t", "form of titles (XTSMTITLE)", "\x1b[>{}T", ("",), each=True, largest=15),
)
CONTROL_OF: Final = {control.name: control for control in CONTROLS}

LASTS_OVER_RESET: Final = frozenset(("$}", "$~", "i", "?i"))

ESCAPES: Final = {
    "\x1b F": "\x1b F",
    "\x1b G": "\x1b F",
    "\x1bl": "\x1bm",
    "\x1bm": "\x1bm",
    "\x1b%@": "\x1b%G",
    "\x1b%G": "\x1b%G",
}
"""Escape sequences that last, each with the one that is a new terminal's: the width of controls (S7C1T, S8C1T), memory
lock, the coding (DOCS)."""

DISABLED: Final = ">n"
"""XTMODKEYS of a resource that is switched off altogether."""

TITLE_FORM_OFF: Final = ">T"
"""Reset of XTSMTITLE: of the parts it names, or of all."""

MOST_KEYBOARD_ENTRIES: Final = 16
MOST_TITLES: Final = 10
MOST_VALUES: Final = 1024
LONGEST_VALUE: Final = 256
LONGEST_COMMAND: Final = 16 * 1024
"""Characters of a command for colours; a whole palette takes half of that."""


PALETTE: Final = {"4": "104", "5": "105"}
"""OSC of numbered colours, and what takes one back."""

DYNAMIC: Final = {str(number): str(number + 100) for number in range(10, 20)}
"""OSC of the colours of text, background, cursor, pointer and highlight; each further value is for the next number."""

LAST_COLOUR: Final = 1023
FIRST_SPECIAL: Final = 256
"""The number in OSC 4 of the first colour of OSC 5."""

POINTER: Final = "22"
KITTY_COLOURS: Final = "21"
PROGRESS: Final = "9"
