"""Copying from a terminal, and the policy for programs that copy."""

from typing import Any, Final

from textual.app import App

from omnyshell.terminal import ClipboardWrite

LONGEST_COPY: Final = 1_000_000
"""The most bytes that are passed to the outer terminal at a time; many terminals accept fewer."""


def copy_out(app: App[Any], text: str) -> str:
    """Put text on the clipboard as far as possible; return what was done, for the user.

    The outer terminal is asked by OSC 52 and does not answer, so the text never says "copied".
    """
    size = len(text.encode())
    if size > LONGEST_COPY:
        return f"Not copied: {size:,} bytes are more than terminals take at once"
    app.copy_to_clipboard(text)
    what = _amount(text)
    if app.is_headless or app.is_web:
        return f"Kept {what} for pasting within the console"
    return f"Sent {what} to your terminal's clipboard"


def size_of(write: ClipboardWrite) -> int:
    """Bytes that a program asked to be put on the clipboard."""
    return write.size or len(write.text.encode())


def refusal(write: ClipboardWrite, limit: int, *, is_shown: bool) -> str:
    """Return why a program's OSC 52 is not passed on, "" where it is. `limit` is in bytes."""
    size = size_of(write)
    if not limit:
        return "the settings forbid it"
    if size > limit:
        return f"{size:,} bytes are more than the {limit:,} that the settings allow"
    if not is_shown:
        return "its terminal is not on screen"
    return ""


def _amount(text: str) -> str:
    lines = text.count("\n")
    if lines > 1:
        return f"{lines + (not text.endswith(chr(10)))} lines"
    return f"{len(text)} character{'s' if len(text) != 1 else ''}"
