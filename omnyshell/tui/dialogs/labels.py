"""The form for the labels that the hub sets for a node."""

import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import NodeLabelsSet
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, field
from omnyshell.tui.dialogs.reading import Reading
from omnyshell.tui.dialogs.session import pairs

NOTE = "A node's own labels may say no more than these where both set one. Sessions that are no longer allowed end."


class LabelsDialog(Dialog[NodeLabelsSet]):
    """The labels that the hub sets for a node; an empty text removes them."""

    TITLE = "Labels of the hub"
    ACTION = "Set"

    def __init__(
        self, node_id: str, labels: Mapping[str, str], act: Callable[[NodeLabelsSet], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(act)
        self._node_id = node_id
        self._labels = labels

    def form(self) -> Iterable[Widget]:
        """The node, and its labels."""
        now = shlex.join(f"{name}={value}" for name, value in sorted(self._labels.items()))
        yield row("Node", Static(Content(printable(self._node_id)), markup=False))
        yield row("Labels", field("labels", printable(now), "env=prod role=web; empty for none"))
        yield Static(NOTE, classes="text", markup=False)

    def on_mount(self) -> None:
        """Begin with the labels."""
        self.query_one("#labels").focus()

    def read(self, reading: Reading) -> NodeLabelsSet:
        """The labels to set."""
        labels = reading.take("labels", pairs, dict[str, str]())
        return NodeLabelsSet(request_id="", node_id=self._node_id, labels=labels)
