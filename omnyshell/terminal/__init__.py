"""The terminal emulator, what paints its screen, and what encodes keys and mouse for it. No I/O.

`Emulator` follows a program's output; `Follower` does so behind a relay, bounded and in slices. `paint` brings another
terminal to the same state, `reset_sequence` takes back what a program changed, `plain_text` is for those without one.
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
