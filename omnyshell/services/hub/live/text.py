"""Shortens texts chosen by peers for display."""

LONGEST_TEXT = 256


def clean(text: str) -> str:
    """Return the beginning of a text, as valid Unicode."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()
