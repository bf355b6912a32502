"""Mouse events as the bytes a program asked for (xterm ctlseqs, "Mouse Tracking")."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from omnyshell.terminal.state.table import MOUSE_TRACKING, PRIVATE

_X10: Final = 9 << PRIVATE
_CLICKS: Final = 1000 << PRIVATE
_DRAGS: Final = 1002 << PRIVATE
_MOVES: Final = 1003 << PRIVATE
_UTF8: Final = 1005 << PRIVATE
_SGR: Final = 1006 << PRIVATE
_URXVT: Final = 1015 << PRIVATE
_PIXELS: Final = 1016 << PRIVATE

_RELEASED: Final = 3
_MOTION: Final = 32
_WHEEL: Final = 64
_LAST_X10: Final = 223
_LAST_UTF8: Final = 2015


class MouseAction(Enum):
    """What happened to the mouse."""

    PRESS = "press"
    RELEASE = "release"
    MOVE = "move"


class MouseButton(Enum):
    """Which button, by the number that the protocol gives it."""

    LEFT = 0
    MIDDLE = 1
    RIGHT = 2
    NONE = 3
    WHEEL_UP = 64
    WHEEL_DOWN = 65
    WHEEL_LEFT = 66
    WHEEL_RIGHT = 67


@dataclass(frozen=True, slots=True)
class MouseEvent:
    """An event on the cell `x`, `y`, counted from 0. For a move, `button` is the one held down, or NONE."""

    action: MouseAction
    button: MouseButton
    x: int
    y: int
    shift: bool = False
    alt: bool = False
    ctrl: bool = False


def wants_mouse(modes: set[int]) -> bool:
    """Whether the program asked for mouse events."""
    return not MOUSE_TRACKING.isdisjoint(modes)


def encode_mouse(event: MouseEvent, modes: set[int]) -> bytes:
    """Return the event for a program that set `modes`; b"" if it did not ask for it, or its encoding cannot express it.

    Positions in pixels (1016) are given in cells: a terminal in a window of text has no finer ones.
    """
    if not _is_wanted(event, modes):
        return b""
    code = event.button.value + (_MOTION if event.action is MouseAction.MOVE else 0)
    if _X10 not in modes:
        code += 4 * event.shift + 8 * event.alt + 16 * event.ctrl
    # A drag may lead out of the window.
    x, y = max(event.x, 0) + 1, max(event.y, 0) + 1
    released = event.action is MouseAction.RELEASE
    if _SGR in modes or _PIXELS in modes:
        return f"\x1b[<{code};{x};{y}{'m' if released else 'M'}".encode()
    if released:
        code = code - event.button.value + _RELEASED
    if _URXVT in modes:
        return f"\x1b[{code + 32};{x};{y}M".encode()
    return _encode_characters(code, x, y, modes)


def _encode_characters(code: int, x: int, y: int, modes: set[int]) -> bytes:
    """The encoding of X10, where each number is a character; positions that do not fit give b""."""
    if max(x, y) > (_LAST_UTF8 if _UTF8 in modes else _LAST_X10):
        return b""
    numbers = "".join(chr(32 + number) for number in (code, x, y))
    return b"\x1b[M" + numbers.encode("utf-8" if _UTF8 in modes else "latin-1")


def _is_wanted(event: MouseEvent, modes: set[int]) -> bool:
    wheel = event.button.value >= _WHEEL
    if event.action is MouseAction.PRESS:
        return wants_mouse(modes) and not (wheel and _X10 in modes)
    if event.action is MouseAction.RELEASE:
        return not wheel and not {_CLICKS, _DRAGS, _MOVES}.isdisjoint(modes)
    return _MOVES in modes or (_DRAGS in modes and event.button is not MouseButton.NONE)
