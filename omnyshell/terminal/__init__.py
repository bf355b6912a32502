"""The terminal emulator, with painting of its screen and encoding of keys and mouse. No I/O.

`Emulator` interprets a program's output; `Follower` does so after a relay, with a bounded queue and in time slices.
`paint` brings another terminal to the same state, `reset_sequence` undoes what a program changed, and `plain_text`
returns the screen's text.
"""

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
