"""What a program told the terminal that is not on its screen."""

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

    Of more than is kept, `text` is empty and `size` says about how many bytes it was.
    """

    selection: str
    text: str
    size: int = 0


Event = Bell | TitleChanged | ClipboardWrite
