"""Events for the terminal's owner that do not show on its screen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bell:
    """The bell rang `count` times."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class TitleChanged:
    """The window's title is now `title`. It is the program's text: show it, never type it."""

    title: str


@dataclass(frozen=True, slots=True)
class ClipboardWrite:
    """The program asks to put `text` on the clipboard (OSC 52); whether it may is the owner's policy.

    If the text is too long to be kept, `text` is empty and `size` is about how many bytes it had.
    """

    selection: str
    text: str
    size: int = 0


Event = Bell | TitleChanged | ClipboardWrite
