"""What a program changed of a terminal's settings: followed, taken back, and painted by the table."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from omnyshell.terminal.state.table import (
    ACTIONS,
    ANSI,
    CONTROL_OF,
    DEFAULT_MODES,
    DISABLED,
    DYNAMIC,
    ESCAPES,
    EXCLUSIVE,
    FIRST_SPECIAL,
    KITTY_COLOURS,
    KNOWN_MODES,
    LARGEST_MODE,
    LAST_COLOUR,
    LASTS_OVER_RESET,
    LONGEST_COMMAND,
    LONGEST_VALUE,
    MOST_KEYBOARD_ENTRIES,
    MOST_UNKNOWN,
    MOST_VALUES,
    NOT_PAINTED,
    PAINTED_LATE,
    PALETTE,
    POINTER,
    PRIVATE,
    PROGRESS,
    SCREENS,
    SOFT_RESET_OFF,
    SOFT_RESET_ON,
    STATED,
    TITLE_FORM_OFF,
    Control,
    key_of,
    switch,
)

_ST: Final = "\x1b\\"
_KEYBOARD_FLAGS: Final = 31
_controls: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class Value(NamedTuple):
    """A setting that differs from a new terminal's: what sets it, and what takes it back."""

    paint: str
    undo: str


_palettes: Final[dict[str, list[tuple[tuple[str, str], Value]]]] = {}
"""What commands set that were met before, by their text; boundedly."""


class Keyboard:
    """The flags of the kitty keyboard protocol on one screen; `stack` is oldest first and never empty."""

    __slots__ = ("stack",)

    def __init__(self) -> None:
        self.stack = [0]

    def push(self, flags: int = 0) -> None:
        """`CSI > flags u`; the oldest entry is forgotten when there are too many."""
        self.stack.append(flags & _KEYBOARD_FLAGS)
        if len(self.stack) > MOST_KEYBOARD_ENTRIES:
            del self.stack[1]

    def pop(self, count: int = 0) -> None:
        """`CSI < count u`; popping more than there is resets the flags."""
        del self.stack[max(1, len(self.stack) - (count or 1)) :]
        if len(self.stack) == 1:
            self.stack[0] = 0

    def set(self, flags: int = 0, how: int = 1) -> None:
        """`CSI = flags ; how u`: set (1), add (2) or remove (3)."""
        flags &= _KEYBOARD_FLAGS
        changed = {2: self.stack[-1] | flags, 3: self.stack[-1] & ~flags}
        self.stack[-1] = changed.get(how, flags)

    @property
    def undone(self) -> str:
        """What brings the flags back that were there before; "" where nothing is left."""
        depth = len(self.stack) - 1
        return (f"\x1b[<{depth}u" if depth else "") + ("\x1b[=0;1u" if self.stack[0] else "")

    def painted(self, *, again: bool) -> str:
        """What gives another terminal these flags; `again` where it has the same stack already."""
        base, *pushed = self.stack
        if again:
            return f"\x1b[={self.stack[-1]};1u"
        return (f"\x1b[={base};1u" if base else "") + "".join(f"\x1b[>{flags}u" for flags in pushed)


class Settings:
    """The modes and settings of one terminal. Memory is bounded whatever is fed.

    `modes` are those that are on. With `exclusive`, mouse modes end each other, as in xterm; without, each is kept that
    some terminal would have on.
    """

    def __init__(self, *, exclusive: bool = True) -> None:
        self.modes: set[int] = set(DEFAULT_MODES)
        self.saved: dict[int, bool] = {}
        """Modes as XTSAVE kept them."""

        self.values: dict[tuple[str, str], Value] = {}
        self._exclusive = exclusive

    def reset(self) -> None:
        """RIS. Colours of OSC 10 to 19 and the like stay, as in xterm."""
        self.modes.clear()
        self.modes |= DEFAULT_MODES
        self.saved.clear()
        self._keep_values(lambda name: name.isdigit() and name not in PALETTE)

    def soft_reset(self) -> None:
        """DECSTR (DEC STD 070, D.3.5)."""
        self.modes -= SOFT_RESET_OFF
        self.modes |= SOFT_RESET_ON
        self._keep_values(lambda name: name.isdigit() or name in LASTS_OVER_RESET)

    def _keep_values(self, lasts: Callable[[str], bool]) -> None:
        self.values = {key: value for key, value in self.values.items() if lasts(key[0])}

    # Modes

    def set_mode(self, number: int, *, private: bool, on: bool) -> None:
        """Set or reset a mode that lasts; what is an action is none."""
        if not 0 < number <= LARGEST_MODE or (private and number in ACTIONS):
            return
        mode = key_of(number, private=private)
        for group in EXCLUSIVE if self._exclusive else ():
            if mode in group:
                self.modes -= group
        if not on:
            self.modes.discard(mode)
        elif mode in KNOWN_MODES or len(self.modes) < len(KNOWN_MODES) + MOST_UNKNOWN:
            self.modes.add(mode)

    def save_mode(self, number: int, *, on: bool) -> None:
        """XTSAVE of a private mode, as it is now."""
        lasts = number not in ACTIONS or number in SCREENS
        if lasts and 0 < number <= LARGEST_MODE and (number in self.saved or len(self.saved) < MOST_UNKNOWN):
            self.saved[number] = on

    # Settings

    def control(self, name: str, parameters: Sequence[int | str]) -> None:
        """A control sequence of the table, with its parameters as they were given."""
        given = [str(parameter) for parameter in parameters]
        if name == DISABLED:
            self._disable(given[0] if given and given[0] else "4")
            return
        if name == TITLE_FORM_OFF:
            self._forget(">t", *given)
            return
        control = CONTROL_OF[name]
        if control.each:
            self._set_each(control, given)
            return
        key = given.pop(0) if control.keyed and given else ""
        if control.keyed and not key:
            self._forget(name)
            return
        value = ";".join(given)
        if given and given[0].isdigit() and int(given[0]) > control.largest:
            return
        undo = control.undo.replace("{}", key)
        prefix, final = _parts(name)
        paint = f"\x1b[{prefix}{';'.join((key, value) if control.keyed else (value,))}{final}"
        self._set(name, key, None if {value, f"{key};{value}"} & set(control.default) else Value(paint, undo))

    def _set_each(self, control: Control, keys: Sequence[str]) -> None:
        """Note what each parameter switches on; none, or an empty one, takes all back."""
        prefix, final = _parts(control.name)
        for key in keys or ("",):
            if not key:
                self._forget(control.name)
            elif key.isdigit() and int(key) <= control.largest:
                self._set(control.name, key, Value(f"\x1b[{prefix}{key}{final}", control.undo.replace("{}", key)))

    def escape(self, sequence: str) -> None:
        """An escape sequence of the table."""
        undo = ESCAPES[sequence]
        self._set("escape", undo, None if sequence == undo else Value(sequence, undo))

    def _disable(self, resource: str) -> None:
        self._set(">m", resource, Value(f"\x1b[>{resource}n", f"\x1b[>{resource}m"))

    def value(self, name: str, key: str = "") -> int:
        """The number that a control of the table was given last; 0 where it is a new terminal's."""
        found = self.values.get((name, key))
        digits = re.findall("[0-9]+", found.paint) if found else ()
        return int(digits[-1]) if digits and not (found and found.paint.endswith("n")) else 0

    @property
    def takes_hexadecimal_titles(self) -> bool:
        """Whether titles are set in hexadecimal digits (XTSMTITLE)."""
        return (">t", "0") in self.values

    def _set(self, name: str, key: str, value: Value | None) -> None:
        where = (name, key)
        if value is None:
            self.values.pop(where, None)
        elif where in self.values or len(self.values) < MOST_VALUES:
            self.values[where] = value

    def _forget(self, name: str, *keys: str) -> None:
        found = {(name, key) for key in keys} & self.values.keys() if keys else [w for w in self.values if w[0] == name]
        for where in found:
            del self.values[where]

    # Operating system commands

    def command(self, number: str, text: str) -> None:
        """An OSC: colours, the pointer's shape, progress. Questions, all others, and too long ones do nothing."""
        if len(text) > LONGEST_COMMAND:
            return
        text = _controls.sub("", text)
        fields = text.split(";")
        if number in PALETTE:
            self._palette(number, fields)
        elif number in DYNAMIC:
            self._dynamic(int(number), fields)
        elif number in PALETTE.values():
            self._forget_colours(number[-1], [field for field in fields if field])
        elif number in DYNAMIC.values():
            self._forget(number[1:])
        elif number == POINTER:
            self._pointer(text)
        elif number == KITTY_COLOURS:
            self._kitty_colours(fields)
        elif number == PROGRESS and fields[0] == "4":
            on = fields[1:2] not in ([], ["0"], [""]) and "?" not in text
            paint = f"\x1b]9;{';'.join(fields)[:LONGEST_VALUE]}{_ST}"
            self._set(number, "", Value(paint, f"\x1b]9;4;0{_ST}") if on else None)

    def repeats(self, payload: str) -> bool:
        """Carry out an OSC that is known to set colours of the palette, as programs do again and again."""
        known = _palettes.get(payload) if len(payload) <= LONGEST_VALUE else None
        if known is None:
            return False
        values = self.values
        for where, value in known:
            if where in values or len(values) < MOST_VALUES:
                values[where] = value
        return True

    def _palette(self, number: str, fields: list[str]) -> None:
        changes = []
        for index, colour in zip(fields[::2], fields[1::2], strict=False):
            if index.isdigit() and len(index) < 5 and int(index) <= LAST_COLOUR and _is_colour(colour):
                index = str(int(index))
                undo = f"\x1b]{PALETTE[number]};{index}{_ST}"
                changes.append(((number, index), Value(f"\x1b]{number};{index};{colour}{_ST}", undo)))
        for where, value in changes:
            self._set(*where, value)
        _remember(f"{number};{';'.join(fields)}", changes)

    def _forget_colours(self, number: str, indexes: list[str]) -> None:
        """OSC 104 and 105. The special colours of OSC 5 are those of OSC 4 from `FIRST_SPECIAL` on."""
        self._forget(number, *indexes)
        shift, other = (-FIRST_SPECIAL, "5") if number == "4" else (FIRST_SPECIAL, "4")
        moved = [str(int(index) + shift) for index in indexes if index.isdigit() and len(index) < 5]
        if moved:
            self._forget(other, *moved)
        elif number == "4":
            self._forget("5")

    def _dynamic(self, first: int, colours: list[str]) -> None:
        for number, colour in zip(map(str, range(first, 20)), colours, strict=False):
            if _is_colour(colour):
                self._set(number, "", Value(f"\x1b]{number};{colour}{_ST}", f"\x1b]{DYNAMIC[number]}{_ST}"))

    def _pointer(self, text: str) -> None:
        """A shape, or of kitty: a list after `>` is pushed, `<` pops, `=` sets. What is left is one shape."""
        if "?" in text:
            return
        text = text[:LONGEST_VALUE]
        shape = "" if text.startswith("<") else text.lstrip(">=").split(",")[-1]
        self._set(POINTER, "", Value(f"\x1b]22;{shape}{_ST}", f"\x1b]22;{_ST}") if shape else None)

    def _kitty_colours(self, fields: list[str]) -> None:
        for field in fields:
            name, is_set, colour = field[:LONGEST_VALUE].partition("=")
            if name and "?" not in field:
                value = Value(f"\x1b]21;{name}={colour}{_ST}", f"\x1b]21;{name}{_ST}")
                self._set(KITTY_COLOURS, name, value if is_set else None)

    def linux_palette(self, digits: str, *, is_linux: bool = False) -> None:
        """`ESC ] P nrrggbb` of the Linux console, without introducer; "" for `ESC ] R`, which takes all of them back.

        `is_linux` says that the terminal is one, and understands nothing else.
        """
        if not digits:
            self._forget("4", *map(str, range(16)))
            return
        index, red, green, blue = str(int(digits[0], 16)), digits[1:3], digits[3:5], digits[5:7]
        paint = f"\x1b]4;{index};rgb:{red}/{green}/{blue}{_ST}"
        self._set("4", index, Value(paint, "\x1b]R" if is_linux else f"\x1b]104;{index}{_ST}"))

    # What they amount to

    @property
    def undone(self) -> tuple[str, str]:
        """What takes back modes and settings: what must come before all else, and the rest; "" where all is as new."""
        values = dict.fromkeys(value.undo for value in self.values.values())
        first = [undo for undo in values if undo in _UNDONE_FIRST]
        modes = sorted((self.modes ^ DEFAULT_MODES) - {ANSI}, reverse=True)
        switches = [switch(mode, on=mode in DEFAULT_MODES) for mode in modes]
        if ANSI not in self.modes:
            first.insert(0, switch(ANSI, on=True))
        return "".join(first), "".join((*switches, *(undo for undo in values if undo not in _UNDONE_FIRST)))

    def stated(self, *, alternate: bool) -> str:
        """What is painted first: what XTSAVE kept, and what is off here and may be on there."""
        saved = [_saved(number, alternate=alternate, on=on) for number, on in sorted(self.saved.items())]
        off = ({number << PRIVATE for number in self.saved if _is_painted(number)} | set(STATED)) - self.modes
        return "".join((*saved, *_switched(off, on=False)))

    @property
    def painted(self) -> str:
        """What gives a new terminal these modes and settings, but for those that change how the rest is painted."""
        was_off = {number << PRIVATE for number, on in self.saved.items() if not on}
        plain = ((self.modes - DEFAULT_MODES) | (self.modes & was_off)) - NOT_PAINTED - PAINTED_LATE
        off = DEFAULT_MODES - self.modes - NOT_PAINTED - PAINTED_LATE
        values = [value.paint for value in self.values.values() if value.undo not in _UNDONE_FIRST]
        return "".join((*values, *_switched(off, on=False), *_switched(plain, on=True)))

    @property
    def state(self) -> tuple[object, ...]:
        """A value that is equal for settings which are painted alike."""
        return (
            frozenset(self.modes - NOT_PAINTED),
            tuple(saved for saved in sorted(self.saved.items()) if _is_painted(saved[0])),
            frozenset(value.paint for value in self.values.values() if value.undo not in _UNDONE_FIRST),
        )


_UNDONE_FIRST: Final = frozenset(CONTROL_OF[name].undo for name in ("$}", "i"))
"""Where output goes; nothing else would be understood before. They are not painted: nor would what is painted."""


def _saved(number: int, *, alternate: bool, on: bool) -> str:
    """Have a mode saved as it was; of the screens, only where that is what is shown now."""
    if not _is_painted(number):
        return f"\x1b[?{number}s" if number in SCREENS and on == alternate else ""
    return f"{switch(number << PRIVATE, on=on)}\x1b[?{number}s"


def _remember(payload: str, changes: list[tuple[tuple[str, str], Value]]) -> None:
    if len(payload) <= LONGEST_VALUE:
        if len(_palettes) >= MOST_VALUES:
            _palettes.clear()
        _palettes[payload] = changes


def _is_painted(number: int) -> bool:
    """Whether a private mode can be set on the way to the state of another terminal."""
    return number not in ACTIONS and number << PRIVATE not in NOT_PAINTED


def _switched(modes: Iterable[int], *, on: bool) -> list[str]:
    return [switch(mode, on=on) for mode in sorted(modes)]


def _parts(name: str) -> tuple[str, str]:
    return (name[0], name[1:]) if name[0] in "<=>?" else ("", name)


def _is_colour(text: str) -> bool:
    """Whether it may be one; whatever holds a question mark might be taken for a question when it is painted."""
    return bool(text) and "?" not in text and len(text) <= LONGEST_VALUE
