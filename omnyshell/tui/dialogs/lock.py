"""Locking a principal, a node or a role."""

from collections.abc import Awaitable, Callable, Iterable

from textual.widget import Widget

from omnyshell.model.admin import LockKind
from omnyshell.protocol.messages.admin import LockAdd
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, choice, field
from omnyshell.tui.dialogs.reading import Reading, filled

KINDS = (("a principal", LockKind.PRINCIPAL), ("a node", LockKind.NODE), ("a role", LockKind.ROLE))
SPANS = (("until it is removed", ""), ("2 hours", "7200"), ("1 day", "86400"), ("7 days", "604800"))


class LockDialog(Dialog[LockAdd]):
    """What to lock, for how long, and why."""

    TITLE = "Lock"
    ACTION = "Lock"
    IS_DANGEROUS = True

    def __init__(self, act: Callable[[LockAdd], Awaitable[None]], kind: LockKind, name: str) -> None:
        super().__init__(act)
        self._kind = kind
        self._locked = name

    def form(self) -> Iterable[Widget]:
        """What it is called, and the terms."""
        yield row("Lock", choice("kind", KINDS, self._kind))
        yield row("Name", field("name", self._locked, hint="name of the principal or role, id of the node"))
        yield row("For", choice("span", SPANS, ""))
        yield row("Why", field("why", hint="is told to whoever asks"))

    def on_mount(self) -> None:
        """Why is what is missing, where it is known what."""
        self.query_one("#why" if self._locked else "#name").focus()

    def read(self, reading: Reading) -> LockAdd:
        """The lock to make."""
        return LockAdd(
            request_id="",
            kind=LockKind(self.value("kind")),
            name=reading.take("name", filled("What is locked?"), ""),
            why=self.value("why").strip(),
            ttl_seconds=int(self.value("span") or 0) or None,
        )
