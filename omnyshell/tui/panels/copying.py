"""The fields of a row, as they are copied."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omnyshell.tui.panels.fields import FilterField, Labels, Text

if TYPE_CHECKING:
    from omnyshell.tui.panels.panel import Panel


def fields_of(panel: "Panel[Any]", item: Any, now: datetime) -> Iterator[tuple[str, str]]:
    """Return titles and texts: what identifies the row, what its columns have, and what else is known of it."""
    titles = {column.name: column.title for column in panel.COLUMNS}
    found = [panel.identify(item)]
    for name, field in panel.rows.fields.items():
        found += [(titles.get(name, name.upper()), text) for text in _texts(field, item, now)]
    named = {title for title, _ in found}
    details = ((name.upper(), text) for name, text in panel.describe(item).lines)
    found += [(title, text) for title, text in details if title not in named]
    seen: set[str] = set()
    for title, text in found:
        if text and text not in seen:
            seen.add(text)
            yield title, text


def _texts(field: FilterField[Any], item: Any, now: datetime) -> list[str]:
    if isinstance(field, Text):
        return [field.read(item, now)]
    if isinstance(field, Labels):
        return [f"{key}={value}" for key, value in field.read(item, now).items()]
    return []
