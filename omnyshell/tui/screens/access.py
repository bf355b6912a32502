"""Who may use the hub: principals, tokens, keys and invites, as an admin sees and revokes them."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.admin import LockKind
from omnyshell.protocol.messages.admin import (
    InvitesRequest,
    InvitesResponse,
    PrincipalsRequest,
    PrincipalsResponse,
)
from omnyshell.tui import messages
from omnyshell.tui.actions import live
from omnyshell.tui.actions.entries import Entry, EntryKind, consequence, entries, to_revoke
from omnyshell.tui.advice import advice
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.formats import NOTHING, Cell, Tone, age, left
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context, bindings, label_of
from omnyshell.tui.needs import takes_row
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.rows import Rows
from omnyshell.tui.panels.table import LiveTable
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.footer import KeyFooter

LOADING = "Asking the hub…"
_TONES = {EntryKind.PRINCIPAL: Tone.STRONG, EntryKind.INVITE: Tone.ACCENT, EntryKind.LOCK: Tone.BAD}

COLUMNS: Sequence[Column[Entry]] = (
    Column("KIND", 9, lambda entry, _: Cell(entry.kind, _TONES.get(entry.kind, Tone.PLAIN)), keep=90),
    Column("WHO", 12, lambda entry, _: Cell(entry.principal or "(any)"), most=32, keep=100),
    Column("ROLES OR LABEL", 14, lambda entry, _: Cell(entry.what or NOTHING), most=40, keep=80),
    Column("ID", 8, lambda entry, _: Cell(entry.ident or NOTHING, Tone.DIM), most=12, keep=60),
    Column("FROM", 6, lambda entry, _: Cell("hub" if entry.can_be_revoked else "file", Tone.DIM), keep=50),
    Column("AGE", 4, lambda entry, now: age(entry.created_at, now), keep=40, right=True),
    Column("ENDS", 5, lambda entry, now: left(entry.expires_at, now, "ended"), keep=70, right=True),
)


class AccessScreen(Judged, ModalScreen[None]):
    """Asks the hub once it is shown, and again after each change."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.ACCESS)
    DEFAULT_CSS = """
    AccessScreen {
        align: center middle;
        background: $veil;
        #frame {
            width: 100;
            max-width: 100%;
            height: 80%;
            border: round $primary;
            border-title-color: $primary;
            border-subtitle-color: $muted;
            background: $surface;
        }
        LiveTable { height: 1fr; }
        #note { height: auto; padding: 0 1; color: $muted; }
        #note.-wrong { color: $error; }
    }
    """

    def __init__(self, hub: HubLink, clock: Clock) -> None:
        super().__init__()
        self._hub = hub
        self._clock = clock
        self._noted = LOADING
        self.rows: Rows[Entry] = Rows(COLUMNS, lambda entry: entry.key, clock)
        # The rows are not sorted, so that a principal's credentials stay below it.
        self.rows.sort(None)
        self.table: LiveTable[Entry] = LiveTable(COLUMNS, self.rows, clock)

    def compose(self) -> ComposeResult:
        """A table, and a line about its state."""
        with Vertical(id="frame") as frame:
            frame.border_title = "Who may use the hub"
            frame.border_subtitle = "esc closes"
            yield self.table
            yield Static(self._noted, id="note", markup=False)
        yield KeyFooter()

    judged_context = Context.ACCESS

    def refusal(self, action: str) -> str:
        """Return why an action has no row."""
        return self._noted if takes_row(Context.ACCESS, action) and not self.rows.shown else ""

    def on_mount(self) -> None:
        """Ask the hub."""
        self.table.focus()
        self.load()

    def on_screen_resume(self) -> None:
        """Load again: an invite may have been made meanwhile."""
        if self.rows.total:
            self.load()

    def load(self) -> None:
        """Load the entries from the hub, and show them."""
        start_task(self, self._load(), "Asking who may use the hub", group="load")

    async def _load(self) -> None:
        try:
            async with self._hub.admin() as admin:
                # Together, so that the audit has one record of it.
                known, invited, locked = await asyncio.gather(
                    admin.ask(PrincipalsRequest(request_id=""), PrincipalsResponse),
                    admin.ask(InvitesRequest(request_id=""), InvitesResponse),
                    admin.locks(),
                )
        except OmnyShellException as exc:
            self._note(advice(exc), is_wrong=True)
            return
        self.present(entries(known.principals, invited.invites, locked))

    def present(self, found: Sequence[Entry]) -> None:
        """Show these."""
        self.rows.put(found)
        self.table.redraw()
        self._note(f"{len(found)} in all, as of {self._clock.now().astimezone():%H:%M:%S}" if found else nobody())

    def _note(self, text: str, *, is_wrong: bool = False) -> None:
        self._noted = text
        self.judge()
        note = self.query_one("#note", Static)
        note.update(text)
        note.set_class(is_wrong, "-wrong")

    def action_cursor(self, where: str) -> None:
        """Move the cursor; see `LiveTable.move`."""
        self.table.move(where)

    def action_select(self) -> None:
        """Select the row, or not any more, and go on to the next."""
        self.rows.toggle()
        self.table.move("down")
        self.table.show()

    def action_invite(self) -> None:
        """Invite a node or a person."""
        self.app.post_message(messages.AskForInvite())

    def action_copy(self) -> None:
        """Copy a field of the row."""
        entry = self.rows.current
        if entry is not None:
            fields = (("ID", entry.ident), ("WHO", entry.principal), ("ROLES OR LABEL", entry.what))
            self.app.post_message(messages.CopyField(tuple(field for field in fields if field[1])))

    def action_lock(self) -> None:
        """Lock the principal of the row, or the one named in the form."""
        entry = self.rows.current
        is_principal = entry is not None and entry.kind in (EntryKind.PRINCIPAL, EntryKind.TOKEN, EntryKind.KEY)
        name = entry.principal if entry is not None and is_principal else ""
        self.app.post_message(messages.Lock(LockKind.PRINCIPAL, name))

    def action_revoke(self) -> None:
        """Revoke what is selected, after asking."""
        chosen = to_revoke(self.rows.chosen())
        if not chosen:
            return
        fixed = [entry for entry in chosen if not entry.can_be_revoked]
        if fixed:
            text = f"{fixed[0].principal} is granted by the hub's configuration: change it there, and reload the hub."
            self.notify(text, title="Not revoked", severity="warning", markup=False)
            return

        def revoke(is_meant: bool | None) -> None:
            if is_meant:
                start_task(self, self._revoke(chosen), "Revoking")

        title = "Revoke this?" if len(chosen) == 1 else f"Revoke these {len(chosen)}?"
        question = Question(title, "Revoke", [one.name for one in chosen], consequence(chosen, self._hub.principal))
        self.app.push_screen(question, revoke)

    async def _revoke(self, chosen: Sequence[Entry]) -> None:
        try:
            await live.revoke_all(self._hub, chosen)
        finally:
            self.rows.selected.clear()
            self.load()

    async def action_command_line(self) -> None:
        """Open the `:` line."""
        await self.app.run_action("command_line")

    def action_close(self) -> None:
        """Close the list."""
        self.dismiss(None)


def nobody() -> str:
    """Return what is said where the hub knows of nobody."""
    key = label_of(Context.ACCESS, "invite")
    return f"Nobody but those that the hub's configuration grants. Press {key} to invite somebody."
