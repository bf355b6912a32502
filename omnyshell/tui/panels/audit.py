"""The tail of the audit trail."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import ClassVar

from textual.binding import BindingType

from omnyshell.ids import short_id
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord, RecordOfHub
from omnyshell.model.live import Part
from omnyshell.tui import messages
from omnyshell.tui.formats import Cell, Tone, elapsed, exposer_name
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column, hub_column
from omnyshell.tui.panels.fields import Number, Quantity, Text
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.rights import is_admin
from omnyshell.tui.tasks import refuse

LOOKED_BACK = timedelta(days=1)
"""How far back other hubs are asked at most."""

ALONE = "There is no other hub that could be asked: this one is alone, or does not tell of others."

_OUTCOMES = {
    "ok": Cell("✓ ok", Tone.GOOD),
    "denied": Cell("✗ denied", Tone.WARN),
    "error": Cell("! error", Tone.BAD),
}


def _outcome(record: AuditRecord, _now: datetime) -> Cell:
    return _OUTCOMES.get(record.outcome) or Cell(f"? {record.outcome}", Tone.WARN)


def _why(record: AuditRecord) -> str:
    return " ".join(filter(None, (record.reason, record.detail, record.command)))


def _hub(record: AuditRecord) -> str:
    return record.hub if isinstance(record, RecordOfHub) else ""


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
        hub_column(_hub, keep=85),
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

    _of_others: Sequence[RecordOfHub] = ()
    _missing: Sequence[str] = ()
    _asked_at: datetime | None = None
    """When the other hubs were asked for what is shown of theirs; None while this hub's records are shown alone."""

    def key_of(self, item: AuditRecord) -> str:
        """What identifies an item."""
        return f"{item.at.timestamp()} {item.action} {item.principal} {item.session_id} {item.node_id} {_hub(item)}"

    def items(self) -> Iterable[AuditRecord]:
        """What there is now, with what other hubs had when they were asked."""
        if self._asked_at is None:
            return self.state.audit
        own = next((hub.hub for hub in self.state.hubs.values() if hub.own), "")
        here = (_at_hub(record, own) for record in self.state.audit)
        # What was asked of a hub that this console has come to since is among its own records.
        there = (record for record in self._of_others if record.hub != own)
        return heapq.merge(here, there, key=lambda record: record.at)

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
        """Whose records are shown, and whether it follows or is paused."""
        waiting = self.state.version(self.PART) - self._version
        whose = ["yours alone"] if self._is_own else self._which_hubs()
        return [*whose, f"‖ paused, {waiting} new"] if self.is_paused else whose

    def _which_hubs(self) -> list[str]:
        if self._asked_at is None:
            return []
        less = f", not all of {', '.join(self._missing)}" if self._missing else ""
        return [f"all hubs{less}, others as of {self._asked_at.astimezone():%H:%M:%S}"]

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

    def action_all_hubs(self) -> None:
        """Show what the other hubs recorded too; or this hub's records alone."""
        if self._asked_at is not None:
            self._show_with((), (), None)
            return
        others = sorted(hub.hub for hub in self.state.hubs.values() if not hub.own)
        if not others:
            refuse(self, ALONE)
            return
        now = self._clock.now()
        self.post_message(
            messages.AskTrails(
                others, now - LOOKED_BACK, lambda records, missing: self._show_with(records, missing, now)
            )
        )

    def _show_with(self, of_others: Sequence[RecordOfHub], missing: Sequence[str], asked_at: datetime | None) -> None:
        self._of_others, self._missing, self._asked_at = of_others, missing, asked_at
        with self._following():
            # Also while it is paused, as it was asked for.
            self._version = -1
            super().take()

    def action_pause(self) -> None:
        """Pause; or resume, and go to the newest record."""
        self.is_paused = not self.is_paused
        self.take()
        if not self.is_paused:
            self.table.move("last")


def _at_hub(record: AuditRecord, hub: str) -> RecordOfHub:
    return RecordOfHub(at=record.at, **{name: getattr(record, name) for name in TEXT_FIELDS}, hub=hub)
