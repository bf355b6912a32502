"""Text of peers, made safe to show."""


def sentence(text: str) -> str:
    """Return text with a period, unless it ends a sentence already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def printable(text: str) -> str:
    """Return text from a peer without control characters, which a terminal would obey.

    Each becomes a replacement character; so do line breaks and characters that change the direction of text.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
