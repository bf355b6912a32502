"""Control functions by name: what a sequence calls, with which parameters. Sequences not listed here do nothing."""

import re
from collections.abc import Callable
from typing import Any, Final

from pyte import Stream

from omnyshell.terminal.screen.sgr import MAX_PARAMS, number
from omnyshell.terminal.sequences.kinds import CHANGES, MOVES, PLACES, RETURNS, SETS
from omnyshell.terminal.sequences.reports import Reports
from omnyshell.terminal.sequences.tokens import LONGEST_SEQUENCE
from omnyshell.terminal.state.table import CONTROL_OF, DISABLED, ESCAPES, TITLE_FORM_OFF

# A function, its arguments, and what it may change.
Action = tuple[Callable[..., None], tuple[Any, ...], int]

LONGEST_LEARNED: Final = 64
"""Characters of the longest sequence that is cached."""
_MOST_ACTIONS: Final = 8192
_csi_parts: Final = re.compile(r"\x1b\[([<-?]*)([0-9:;]*)([ -/]*)([@-~])").fullmatch


def _nothing(_screen: Reports) -> None:
    """An unknown or malformed sequence."""


def _reset(screen: Reports) -> None:
    screen.reset()


def _set_private(screen: Reports, *modes: int) -> None:
    screen.set_mode(*modes, private=True)


def _reset_private(screen: Reports, *modes: int) -> None:
    screen.reset_mode(*modes, private=True)


def _setting(name: str) -> tuple[Callable[..., None], int]:
    """A control of the table of terminal state; all parameters are its own."""
    return (lambda screen, *parameters: screen.change_setting(name, *parameters)), MAX_PARAMS


def _scroll_down(screen: Reports, *parameters: int) -> None:
    """SD; with a 0, or several parameters, the sequence asks for highlight tracking of the mouse instead (xterm)."""
    if not parameters or (len(parameters) == 1 and parameters[0]):
        screen.scroll_down(*parameters)


def _new_line(screen: Reports) -> None:
    screen.carriage_return()
    screen.linefeed()


NOTHING: Final[Action] = (_nothing, (), MOVES)

_OF_PYTE: Final[dict[str, Callable[..., None]]] = {
    # pyte takes an apostrophe for HPA, whose final byte is a grave accent; SGR is handled elsewhere.
    final: getattr(Reports, name)
    for final, name in Stream.csi.items()
    if final not in "'m"
}
_MOVES: Final[dict[str, Callable[..., None]]] = {
    "`": Reports.cursor_to_column,
    "e": Reports.cursor_lines_down,
    "I": Reports.tab_forward,
    "Z": Reports.tab_back,
    "S": Reports.scroll_up,
    "a": Reports.cursor_columns_forward,
    "?J": Reports.selective_erase_in_display,
    "?K": Reports.selective_erase_in_line,
    " @": Reports.scroll_left,
    " A": Reports.scroll_right,
    "'}": Reports.insert_columns,
    "'~": Reports.delete_columns,
    "j": Reports.cursor_back,
    "k": Reports.cursor_up,
}
_MOVES_OF_TWO: Final[dict[str, Callable[..., None]]] = {
    "H": Reports.cursor_position,
    "f": Reports.cursor_position,
}
_OTHERS: Final[dict[str, tuple[Callable[..., None], int]]] = {
    "T": (_scroll_down, 5),
    "r": (Reports.set_margins, 2),
    "g": (Reports.clear_tab_stop, 1),
    "?W": (Reports.reset_tab_stops, 1),
    "h": (Reports.set_mode, MAX_PARAMS),
    "l": (Reports.reset_mode, MAX_PARAMS),
    "?h": (_set_private, MAX_PARAMS),
    "?l": (_reset_private, MAX_PARAMS),
    "s": (Reports.set_side_margins, 2),
    '"p': (Reports.set_conformance, 2),
    '"q': (Reports.protect_characters, 1),
    "$x": (Reports.fill_rectangle, 5),
    "$z": (Reports.erase_rectangle, 4),
    "${": (Reports.erase_rectangle_selectively, 4),
    "$v": (Reports.copy_rectangle, 8),
    "$r": (Reports.mark_rectangle, MAX_PARAMS),
    "$t": (Reports.reverse_rectangle, MAX_PARAMS),
    "u": (Reports.restore_cursor, 0),
    "t": (Reports.window_operation, 2),
    "?s": (Reports.save_modes, MAX_PARAMS),
    "?r": (Reports.restore_modes, MAX_PARAMS),
    "!p": (Reports.soft_reset, 0),
    **{name: _setting(name) for name in (*CONTROL_OF, DISABLED, TITLE_FORM_OFF)},
    ">u": (Reports.push_keyboard, 1),
    "<u": (Reports.pop_keyboard, 1),
    "=u": (Reports.set_keyboard, 2),
}
_FUNCTIONS: Final = {
    **{name: (function, 1, MOVES) for name, function in (_OF_PYTE | _MOVES).items()},
    **{name: (function, 2, PLACES) for name, function in _MOVES_OF_TWO.items()},
    **{name: (function, most, CHANGES) for name, (function, most) in _OTHERS.items()},
}

_FIXED: Final[dict[str, Action]] = {
    **{
        control: (getattr(Reports, name), (), SETS if name.startswith("shift") else MOVES)
        for control, name in Stream.basic.items()
    },
    "\r": (Reports.carriage_return, (), RETURNS),
    "\x1b[K": (Reports.erase_to_line_end, (), MOVES),
    "\x1bD": (Reports.index, (), MOVES),
    "\x1bE": (Reports.next_line, (), MOVES),
    "\x1bM": (Reports.reverse_index, (), MOVES),
    "\x1bH": (Reports.set_tab_stop, (), MOVES),
    "\x1b7": (Reports.save_cursor, (), MOVES),
    "\x1b8": (Reports.restore_cursor, (), CHANGES),
    "\x1bc": (_reset, (), CHANGES),
    "\x1bn": (Reports.select_charset, (2,), CHANGES),
    "\x1bo": (Reports.select_charset, (3,), CHANGES),
    "\r\n": (_new_line, (), MOVES),
    "\x1b6": (Reports.back_index, (), MOVES),
    "\x1b9": (Reports.forward_index, (), MOVES),
    "\x1bV": (Reports.start_protected_area, (), CHANGES),
    "\x1bW": (Reports.end_protected_area, (), CHANGES),
    "\x1bN": (Reports.shift_once, (2,), CHANGES),
    "\x1bO": (Reports.shift_once, (3,), CHANGES),
    "\x1b~": (Reports.select_right_charset, (1,), MOVES),
    "\x1b}": (Reports.select_right_charset, (2,), MOVES),
    "\x1b|": (Reports.select_right_charset, (3,), MOVES),
    "\x1b<": (_set_private, (2,), MOVES),
    **{sequence: (Reports.change_by_escape, (sequence,), MOVES) for sequence in ESCAPES},
    "\x1b=": (_set_private, (66,), CHANGES),
    "\x1b>": (_reset_private, (66,), CHANGES),
    "\x1b#8": (Reports.alignment_display, (), CHANGES),
    "\x1b#5": (Reports.set_line_size, ("",), CHANGES),
    **{f"\x1b#{size}": (Reports.set_line_size, (size,), CHANGES) for size in "346"},
}

CONTROL_SEQUENCES: Final = {name: most for name, (_, most, _) in _FUNCTIONS.items()}
"""Every control sequence that does something, by prefix, intermediates and final, with how many parameters it reads."""

OTHER_FUNCTIONS: Final = frozenset(_FIXED)
"""Every control character and escape sequence that does something."""

_known: Final[dict[str, Action]] = dict(_FIXED)

known_action: Final = _known.get
"""Return the cached action of a control function, or None if `action_of` was not called for it before."""


def action_of(sequence: str) -> Action:
    """Return the action of a control function. SGR, REP and control strings are handled elsewhere."""
    if len(sequence) > LONGEST_LEARNED:
        return _parse(sequence)
    if len(_known) > _MOST_ACTIONS:
        _known.clear()
        _known.update(_FIXED)
    action = _known[sequence] = _known.get(sequence) or _parse(sequence)
    return action


def _parse(sequence: str) -> Action:
    if sequence[:2] == "\x1b[":
        return _parse_csi(sequence)
    if len(sequence) == 3 and sequence[1] in "()*+":
        return (Reports.define_charset, (sequence[2], sequence[1]), SETS)
    return NOTHING


def _parse_csi(sequence: str) -> Action:
    parts = _csi_parts(sequence)
    if parts is None or len(sequence) > LONGEST_SEQUENCE:
        return NOTHING
    private, params, intermediate, final = parts.groups()
    function = _FUNCTIONS.get(private + intermediate + final)
    if function is None:
        return NOTHING
    call, most, changes = function
    fields = params.split(";")[:most] if params else []
    arguments = tuple(number(field.partition(":")[0]) for field in fields)
    if changes == PLACES:
        arguments = tuple(argument or 1 for argument in (*arguments, 0, 0)[:2])
    return (call, arguments, changes)
