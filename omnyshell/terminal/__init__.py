"""The terminal emulator, with painting of its screen and encoding of keys and mouse. No I/O.

`Emulator` interprets a program's output; `Follower` does so after a relay, with a bounded queue and in time slices.
`paint` brings another terminal to the same state, `reset_sequence` undoes what a program changed, and `plain_text`
returns the screen's text. Each name is loaded at its first use: `connect` needs `state` alone, which is small.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from omnyshell.terminal.emulator import Emulator
    from omnyshell.terminal.following.follower import Follower
    from omnyshell.terminal.input.keys import encode_focus, encode_key, encode_paste
    from omnyshell.terminal.input.mouse import MouseAction, MouseButton, MouseEvent, encode_mouse, wants_mouse
    from omnyshell.terminal.painting.snapshot import paint, paint_main, plain_text, reset_sequence, state
    from omnyshell.terminal.screen.rows import Row
    from omnyshell.terminal.screen.style import Look, Style
    from omnyshell.terminal.sequences.events import Bell, ClipboardWrite, Event, TitleChanged

__all__ = [
    "Bell",
    "ClipboardWrite",
    "Emulator",
    "Event",
    "Follower",
    "Look",
    "MouseAction",
    "MouseButton",
    "MouseEvent",
    "Row",
    "Style",
    "TitleChanged",
    "encode_focus",
    "encode_key",
    "encode_mouse",
    "encode_paste",
    "paint",
    "paint_main",
    "plain_text",
    "reset_sequence",
    "state",
    "wants_mouse",
]

_ROOMS: Final = {
    "emulator": ("Emulator",),
    "following.follower": ("Follower",),
    "input.keys": ("encode_focus", "encode_key", "encode_paste"),
    "input.mouse": ("MouseAction", "MouseButton", "MouseEvent", "encode_mouse", "wants_mouse"),
    "painting.snapshot": ("paint", "paint_main", "plain_text", "reset_sequence", "state"),
    "screen.rows": ("Row",),
    "screen.style": ("Look", "Style"),
    "sequences.events": ("Bell", "ClipboardWrite", "Event", "TitleChanged"),
}
_PLACES: Final = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
