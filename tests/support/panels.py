"""The console's panels with rows that are made up, without a screen, and their tables for the documents."""

from collections.abc import Iterable
from typing import Any

from support.console import StillClock, a_day_at_work, session

from omnyshell.model.vitals import SessionProcess
from omnyshell.tui.forwards import is_forward
from omnyshell.tui.panels.audit import AuditPanel
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.fields import FilterField, Number, Text
from omnyshell.tui.panels.filter import LANGUAGE
from omnyshell.tui.panels.nodes import NodesPanel
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.process_tree import ProcessRow
from omnyshell.tui.panels.processes import ProcessesPanel
from omnyshell.tui.panels.rows import Rows
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.tunnels import TunnelsPanel

PANELS: dict[str, type[Panel[Any]]] = {
    panel.NAME: panel for panel in (NodesPanel, SessionsPanel, TunnelsPanel, AuditPanel, ProcessesPanel)
}
PROCESSES = [
    ProcessRow(SessionProcess(session_id=session(1).session_id, user="ann", **values), branch, cpu)
    for values, branch, cpu in (
        ({"pid": 4100, "command": "-bash", "memory": 6_000_000}, "", 0.0),
        ({"pid": 4188, "parent": 4100, "command": "vim deploy.yaml", "memory": 21_000_000}, "└─ ", 12.5),
        ({"pid": 9, "command": "htop"}, "", None),
    )
]

COLUMNS = [(name, number) for name, panel in PANELS.items() for number in range(len(panel.COLUMNS))]
"""Each column of each panel."""


def column(name: str, number: int) -> Column[Any]:
    return PANELS[name].COLUMNS[number]


def fields(name: str) -> list[FilterField[Any]]:
    panel = PANELS[name]
    return [*(column.field for column in panel.COLUMNS if column.field), *panel.FIELDS]


def items(name: str) -> list[Any]:
    known = a_day_at_work()
    found: dict[str, Iterable[Any]] = {
        "Nodes": known.nodes,
        "Sessions": [each for each in known.sessions if not is_forward(each)],
        "Tunnels": [*known.tunnels, *filter(is_forward, known.sessions)],
        "Audit": known.records,
        "Processes": PROCESSES,
    }
    return list(found[name])


def rows(name: str) -> Rows[Any]:
    """A panel's rows."""
    made: Rows[Any] = Rows(PANELS[name].COLUMNS, repr, StillClock(), PANELS[name].FIELDS)
    made.put(items(name))
    return made


def panel_table(name: str) -> str:
    """A panel's columns and fields, in Markdown."""
    panel = PANELS[name]
    shown = [(f"`{one.title}`", one.field, one.about, one.for_admins) for one in panel.COLUMNS]
    lines = [
        ("column", "field", "is a", "what it is"),
        ("---",) * 4,
        *(
            (title, *_described(*rest))
            for title, *rest in [*shown, *(("", field, "", False) for field in panel.FIELDS)]
        ),
    ]
    return _table(lines)


def filter_table() -> str:
    """The terms of a filter, in Markdown."""
    return _table([("term", "what it shows"), ("---",) * 2, *((f"`{term}`", text) for term, text in LANGUAGE)])


def _described(field: FilterField[Any] | None, about: str, for_admins: bool) -> tuple[str, str, str]:
    if field is None:
        return "", "", about
    kind = field.quantity.value if isinstance(field, Number) else "text" if isinstance(field, Text) else "labels"
    return f"`{field.name}`", kind, f"for admins: {field.about}" if for_admins else field.about


def _table(lines: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
