"""The tail of the audit trail."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from omnyshell.ids import short_id
from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import Part
from omnyshell.tui import messages
from omnyshell.tui.formats import Cell, Tone, elapsed, exposer_name
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.fields import Number, Quantity, Text
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.rights import is_admin

_OUTCOMES = {
    "ok": Cell("✓ ok", Tone.GOOD),
    "denied": Cell("✗ denied", Tone.WARN),
    "error": Cell("! error", Tone.BAD),
}


def _outcome(record: AuditRecord, _now: datetime) -> Cell:
    return _OUTCOMES.get(record.outcome) or Cell(f"? {record.outcome}", Tone.WARN)


def _why(record: AuditRecord) -> str:
    return " ".join(filter(None, (record.reason, record.detail, record.command)))


def _named(record: AuditRecord) -> Iterable[tuple[str, str]]:
    """What a record is about, the narrowest first."""
    return (("SESSION", record.session_id), ("NODE", record.node_id), ("WHO", record.principal))


class AuditPanel(Panel[AuditRecord]):
    """The audit records. It follows the newest record until it is paused, or the cursor leaves the last row."""

    PART = Part.AUDIT
    NAME = "Audit"
    NUMBER = 4
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.AUDIT, Context.TABLE)
    COLUMNS = (
        Column(
            "TIME",
            8,
            lambda record, _: Cell(f"{record.at.astimezone():%H:%M:%S}", Tone.DIM),
            Number(
                "age",
                "how long ago it was",
                lambda record, now: elapsed(record.at, now),
                Quantity.TIME,
                dates=True,
            ),
            keep=80,
            sort=lambda record: record.at,
        ),
        Column(
            "OUTCOME",
            8,
            _outcome,
            Text("outcome", "ok, denied or error", lambda record, _: record.outcome),
            keep=95,
        ),
        Column(
            "ACTION",
            16,
            lambda record, _: Cell(record.action, Tone.STRONG),
            Text("action", "what was done", lambda record, _: record.action),
            most=22,
            keep=100,
        ),
        Column(
            "WHO",
            8,
            lambda record, _: Cell(record.principal),
            Text("principal", "who did it", lambda record, _: record.principal),
            most=20,
            keep=90,
        ),
        Column(
            "NODE",
            8,
            lambda record, _: Cell(exposer_name(record.node_id)),
            Text("node", "the node that it was about", lambda record, _: exposer_name(record.node_id)),
            most=24,
            keep=70,
        ),
        Column(
            "SESSION",
            8,
            lambda record, _: Cell(short_id(record.session_id)),
            Text("session", "the session's id, shown by its beginning", lambda record, _: record.session_id),
            keep=40,
        ),
        Column(
            "FROM",
            10,
            lambda record, _: Cell(record.address),
            Text("from", "the address that it came from", lambda record, _: record.address),
            most=24,
            keep=30,
        ),
        Column(
            "WHY",
            10,
            lambda record, _: Cell(_why(record)),
            Text("why", "reason, details and command", lambda record, _: _why(record)),
            most=80,
            keep=60,
        ),
    )
    SORTED_BY = None

    is_paused = False

    def key_of(self, item: AuditRecord) -> str:
        """What identifies an item."""
        return f"{item.at.timestamp()} {item.action} {item.principal} {item.session_id} {item.node_id}"

    def items(self) -> Iterable[AuditRecord]:
        """What there is now."""
        return self.state.audit

    def empty_text(self) -> str:
        """What there would be."""
        if self._is_own:
            return "No records of yours yet. Those of others are shown to admins alone."
        return "No records yet. Logins, sessions and tunnels show here as they come."

    def unknown_text(self) -> str:
        """Why there is nothing."""
        return "This hub shows its audit trail to admins alone."

    def describe(self, item: AuditRecord) -> details.Details:
        """All that a record says."""
        return details.of_record(item)

    def take(self) -> None:
        """Add new records, unless paused; a cursor on the last one moves to the newest."""
        if self.is_paused:
            self.show()
            return
        with self._following():
            super().take()

    def _apply(self, text: str, *, is_typed: bool = False) -> None:
        """Filter; who followed the newest record goes on with the newest one that is shown."""
        with self._following():
            super()._apply(text, is_typed=is_typed)

    @contextmanager
    def _following(self) -> Iterator[None]:
        """Move the cursor to the last row if it was there before."""
        was_last = self.rows.cursor >= len(self.rows.shown) - 1
        yield
        if was_last and self.rows.cursor < len(self.rows.shown) - 1:
            self.table.move("last")

    def extra(self) -> list[str]:
        """Whether it follows or is paused."""
        waiting = self.state.version(self.PART) - self._version
        whose = ["yours alone"] if self._is_own else []
        return [*whose, f"‖ paused, {waiting} new"] if self.is_paused else whose

    @property
    def _is_own(self) -> bool:
        """Whether the hub shows the user's own records, and says that there are others."""
        return self.state.own is not None and not is_admin(self.state)

    def identify(self, item: AuditRecord) -> tuple[str, str]:
        """What one copies first."""
        return next((pair for pair in _named(item) if pair[1]), ("ACTION", item.action))

    def open(self, item: AuditRecord) -> None:
        """Go to what the record names."""
        self.post_message(messages.GoTo(item))

    def action_revoke(self) -> None:
        """Revoke the principal that the record names."""
        if self.rows.current is not None and self.rows.current.principal:
            self.post_message(messages.Revoke(principal=self.rows.current.principal))

    def action_acknowledge(self) -> None:
        """Acknowledge the gaps in the trail."""
        self.post_message(messages.AcknowledgeAudit())

    def action_pause(self) -> None:
        """Pause; or resume, and go to the newest record."""
        self.is_paused = not self.is_paused
        self.take()
        if not self.is_paused:
            self.table.move("last")
