"""What the term of a filter that is being typed may become."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from omnyshell.tui.panels.fields import FilterField, Labels, Moment, Number, Text, natural
from omnyshell.tui.panels.filter import Fields, Saved
from omnyshell.tui.suggestions import Suggestion, Suggestions

MOST: Final = 200
"""Values of one field that are looked at."""

LONGEST: Final = 60
"""Characters of a value that is offered."""

_LAST: Final = re.compile(r'(?:^|\s)-?((?:[A-Za-z_]+:)?(?:"[^"]*"?|[^\s"]*))$')
_MOMENTS: Final = ("5m", "1h", "1d")

Values = Callable[[FilterField[Any]], Iterable[Any]]
"""Returns what the rows have for a field."""


def suggest(text: str, fields: Fields, saved: Saved, values: Values) -> Suggestions:
    """Return what the last term may become: what begins as it does, upper and lower case the same."""
    match = _LAST.search(text)
    if match is None:
        return Suggestions(len(text), ())
    typed = match[1]
    name, colon, _ = typed.partition(":")
    offered = _values(name, fields, values) if colon else _names(fields, saved)
    wanted = typed.casefold().replace('"', "")
    found = [one for one in offered if one.text.casefold().replace('"', "").startswith(wanted)]
    return Suggestions(match.start(1), found)


def _names(fields: Fields, saved: Saved) -> Iterator[Suggestion]:
    for name, field in fields.items():
        yield Suggestion(f"{name}:", getattr(field, "about", "how long ago, a time of day or a date"))
    for name, text in saved.items():
        yield Suggestion(f"@{name}", text)


def _values(name: str, fields: Fields, values: Values) -> Iterator[Suggestion]:
    field = fields.get(name.lower())
    if isinstance(field, Moment):
        yield from (Suggestion(f"{name}:{moment}") for moment in _MOMENTS)
    elif isinstance(field, Labels):
        pairs = {pair for labels in values(field) for pair in labels.items()}
        yield from _offered(name, (f"{key}={value}" for key, value in pairs))
    elif isinstance(field, Text):
        yield from _offered(name, values(field))
    elif isinstance(field, Number):
        yield from (Suggestion(f"{name}:{sign}") for sign in ("<", ">"))


def _offered(name: str, texts: Iterable[str]) -> Iterator[Suggestion]:
    """Values as a filter has them; what cannot be typed is left out, as it is what peers say."""
    known = {text for text in texts if 0 < len(text) <= LONGEST and text.isprintable() and '"' not in text}
    for text in sorted(known, key=natural)[:MOST]:
        yield Suggestion(f'{name}:"{text}"' if " " in text else f"{name}:{text}")
