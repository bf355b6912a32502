"""The console's panels with rows that are made up, without a screen, and their tables for the documents."""

from typing import Any

from support.console import StillClock, a_day_at_work

from omnyshell.tui.panels.audit import AuditPanel
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.fields import FilterField, Number, Text
from omnyshell.tui.panels.filter import LANGUAGE
from omnyshell.tui.panels.nodes import NodesPanel
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.rows import Rows
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.tunnels import TunnelsPanel

PANELS: dict[str, type[Panel[Any]]] = {
    panel.NAME: panel for panel in (NodesPanel, SessionsPanel, TunnelsPanel, AuditPanel)
}
COLUMNS = [(name, number) for name, panel in PANELS.items() for number in range(len(panel.COLUMNS))]
"""Each column of each panel."""


def column(name: str, number: int) -> Column[Any]:
    return PANELS[name].COLUMNS[number]


def fields(name: str) -> list[FilterField[Any]]:
    panel = PANELS[name]
    return [*(column.field for column in panel.COLUMNS if column.field), *panel.FIELDS]


def items(name: str) -> list[Any]:
    known = a_day_at_work()
    found = {"Nodes": known.nodes, "Sessions": known.sessions, "Tunnels": known.tunnels, "Audit": known.records}
    return list(found[name])


def rows(name: str) -> Rows[Any]:
    """A panel's rows."""
    made: Rows[Any] = Rows(PANELS[name].COLUMNS, repr, StillClock(), PANELS[name].FIELDS)
    made.put(items(name))
    return made


def panel_table(name: str) -> str:
    """A panel's columns and fields, in Markdown."""
    panel = PANELS[name]
    shown = [(f"`{one.title}`", one.field) for one in panel.COLUMNS]
    lines = [
        ("column", "field", "is a", "what it is"),
        ("---",) * 4,
        *((title, *_described(field)) for title, field in [*shown, *(("", field) for field in panel.FIELDS)]),
    ]
    return _table(lines)


def filter_table() -> str:
    """The terms of a filter, in Markdown."""
    return _table([("term", "what it shows"), ("---",) * 2, *((f"`{term}`", text) for term, text in LANGUAGE)])


def _described(field: FilterField[Any] | None) -> tuple[str, str, str]:
    if field is None:
        return "", "", ""
    kind = field.quantity.value if isinstance(field, Number) else "text" if isinstance(field, Text) else "labels"
    return f"`{field.name}`", kind, field.about


def _table(lines: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
