"""Columns that the type checker has to refuse: `make lint` reports an ignore here that is not needed."""

from omnyshell.model.live import LiveNode
from omnyshell.tui.formats import Cell
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.fields import Labels, Number, Text
from omnyshell.tui.panels.panel import Panel


class WrongPanel(Panel[LiveNode]):
    """Each line has one mistake; what is declared says nothing of types by itself, as in the panels."""

    COLUMNS = (
        Column("A", 1, lambda node, _: Cell(node.node)),  # type: ignore[attr-defined]
        Column("B", 1, lambda node, _: node.node_id),  # type: ignore[arg-type, return-value]
        Column("C", 1, lambda _node, _: Cell(""), sort=lambda node: node.age),  # type: ignore[attr-defined]
        Column("D", 1, lambda _node, _: Cell(""), Text("d", "", lambda node, _: node.sessions)),  # type: ignore[arg-type, return-value]
        Column("E", 1, lambda _node, _: Cell(""), Number("e", "", lambda node, _: node.last_heard_at)),  # type: ignore[arg-type, return-value]
        Column("F", 1, lambda _node, _: Cell(""), Labels("f", "", lambda node, _: node.node_id)),  # type: ignore[arg-type, return-value]
        Column("G", 1, lambda _node, _: Cell(""), lambda node: node.node_id),  # type: ignore[arg-type]
    )
    FIELDS = (
        Text("h", "", lambda node, _: node.connected_at),  # type: ignore[arg-type, return-value]
        Number("i", "", lambda node, _: node.hostname),  # type: ignore[attr-defined]
        Number("j", "", lambda node, _: node.node_id),  # type: ignore[arg-type, return-value]
    )
