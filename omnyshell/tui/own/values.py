"""What a row says, for the places in commands of one's own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from omnyshell.tui.panels.fields import Labels, Number, Text
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.preferences.command import Values

LABEL: Final = "label."
"""What comes before the key of a label."""


def values_of(panel: Panel[Any], item: Any, now: datetime, every_row: Mapping[str, str]) -> Values:
    """Return what reads the row's fields; `every_row` are those that do not depend on the row."""
    labels = next((field for field in panel.rows.known.values() if isinstance(field, Labels)), None)

    def value(name: str) -> str:
        if name in every_row:
            return every_row[name]
        if name.startswith(LABEL):
            found = labels.read(item, now) if labels is not None else {}
            return found.get(name.removeprefix(LABEL), "")
        field = panel.rows.known[name]
        if isinstance(field, Text):
            return field.read(item, now)
        number = field.read(item, now) if isinstance(field, Number) else None
        return "" if number is None else str(round(number))

    return value
