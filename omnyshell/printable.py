"""Text of peers, made safe to show."""

LONGEST = 8_192
"""Characters that are shown of a text: a peer may send as many as it likes."""

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def sentence(text: str) -> str:
    """Return text with a full stop, unless it already ends in one."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def printable_json(text: str) -> str:
    """Return a line of JSON with each unprintable character escaped, which leaves its meaning as it was.

    JSON itself requires that only for characters below U+0020.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))


def escaped(text: str, longest: int) -> str:
    """Return text from a peer for a record: what is not printable is spelled out, and no more than `longest` is kept.

    So it says what was there (a line break is backslash and n, as in Python) and no terminal obeys it. What is cut ends
    in three full stops beyond that.
    """
    kept = text[:longest]
    if not kept.isprintable():
        kept = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in kept)
    return kept if len(kept) <= longest >= len(text) else f"{kept[:longest]}..."


def printable(text: str, longest: int = LONGEST) -> str:
    """Return text from a peer without control characters, which a terminal would obey, cut at `longest` characters.

    Each becomes a replacement character; so do line breaks and characters that change the direction of text.
    """
    if len(text) > longest:
        text = text[:longest] + ELLIPSIS
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def count_of(number: int, what: str) -> str:
    """Return how many there are of what is named in the singular, as "1 session" or "2 sessions"."""
    return f"{number} {what}{'' if number == 1 else 's'}"
