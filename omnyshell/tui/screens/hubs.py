"""The hubs, where there are several: how each stands among the others, as it changes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Static

from omnyshell.clock import Clock
from omnyshell.model.hub_warnings import (
    AUTHORITY,
    clock_off,
    of_another_authority,
    quiet,
    silent,
    too_old,
    unheard,
    unlinked,
    unproven,
    unreached,
)
from omnyshell.model.live import HubLease, LiveHub, Part
from omnyshell.services.client.live.state import HubState, Source
from omnyshell.tui import messages
from omnyshell.tui.formats import NOTHING, Cell, Tone, age
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.needs import need_of, takes_row
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.rows import Rows
from omnyshell.tui.panels.table import LiveTable
from omnyshell.tui.rights import is_admin, why_not
from omnyshell.tui.tasks import refuse
from omnyshell.tui.widgets.footer import KeyFooter

TICK = 1.0
"""Seconds between redraws of what changes with time alone."""

ALONE = "This hub is alone: docs/cluster.md says how several act as one."
OWN = "This console is connected with that hub: go to another one first (f10), which goes on."
OLDER = "This hub does not tell of others: it is older, or is not reached."

FOR_ADMINS = "SHOWN: how old what the console shows of a hub is. How the hubs stand is told to admins alone."

FILES = "files"
"""The column that has room where files differ."""

_LEASES = {
    HubLease.HELD: Cell("● serves", Tone.GOOD),
    HubLease.ENGINE_AWAY: Cell("◐ engine away", Tone.WARN),
    HubLease.SILENT: Cell("◐ silent", Tone.WARN),
    HubLease.LAPSED: Cell("○ lapsed", Tone.BAD),
    HubLease.STOPPED: Cell("○ stopped", Tone.DIM),
    HubLease.UNKNOWN: Cell(NOTHING, Tone.DIM),
}

_OF_SILENCE = {HubLease.SILENT: quiet, HubLease.LAPSED: silent}

_SERVES = (HubLease.HELD, HubLease.ENGINE_AWAY)


class HubRow(NamedTuple):
    """A hub, and how many changes there are that it may have applied."""

    hub: LiveHub
    newest: int


def _state(row: HubRow, _now: datetime) -> Cell:
    if row.hub.is_handing_over and row.hub.lease in _SERVES:
        return Cell("◑ hands over", Tone.WARN)
    return _LEASES[row.hub.lease]


def _lag(row: HubRow) -> int:
    return row.newest - row.hub.applied


def _lag_cell(row: HubRow, _now: datetime) -> Cell:
    if row.hub.lease is HubLease.UNKNOWN:
        return Cell(NOTHING, Tone.DIM)
    return Cell(str(_lag(row)), Tone.WARN if _lag(row) else Tone.DIM)


def _view(row: HubRow, now: datetime) -> Cell:
    """How old what is shown of the hub's items is."""
    hub = row.hub
    if hub.is_told:
        return Cell("live", Tone.GOOD)
    return Cell(f"{age(hub.known_at, now).text} old", Tone.WARN) if hub.known_at else Cell("not known", Tone.BAD)


def _link(row: HubRow, now: datetime) -> Cell:
    if row.hub.own:
        return Cell("this hub", Tone.DIM)
    if row.hub.lease is HubLease.UNKNOWN and row.hub.link_since is None:
        return Cell(NOTHING, Tone.DIM)
    return age(row.hub.link_since, now) if row.hub.link_since is not None else Cell("none", Tone.BAD)


def _text(text: str, tone: Tone = Tone.PLAIN) -> Cell:
    return Cell(text, tone) if text else Cell(NOTHING, Tone.DIM)


COLUMNS: Sequence[Column[HubRow]] = (
    Column("HUB", 5, lambda row, _: Cell(row.hub.hub, Tone.STRONG), most=20, keep=100),
    Column("STATE", 13, _state, keep=95, for_admins=True),
    Column("SHOWN", 9, _view, keep=90),
    Column("LINK", 8, _link, keep=85),
    Column("HEARD", 5, lambda row, now: age(row.hub.heard_at, now), keep=70, right=True, for_admins=True),
    Column("LAG", 4, _lag_cell, keep=80, right=True, for_admins=True),
    Column("NODES", 5, lambda row, _: _text(str(row.hub.nodes or "")), keep=60, right=True, for_admins=True),
    Column("FILES", 10, lambda row, _: _text(", ".join(row.hub.unlike), Tone.WARN), most=36, keep=75, for_admins=True),
    Column("VERSION", 7, lambda row, _: _text(row.hub.version), most=12, keep=40, for_admins=True),
    Column(
        "WHERE",
        12,
        lambda row, _: _text(row.hub.url or row.hub.place),
        most=32,
        keep=50,
        keep_end=True,
        for_admins=True,
    ),
)


class HubsScreen(Judged, ModalScreen[None]):
    """Shows the hubs until it is closed. It asks nothing: the hub tells of others as of all that is live."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.HUBS)
    DEFAULT_CSS = """
    HubsScreen {
        align: center middle;
        background: $veil;
        #frame {
            width: 118;
            max-width: 100%;
            height: 60%;
            border: round $primary;
            border-title-color: $primary;
            border-subtitle-color: $muted;
            background: $surface;
        }
        LiveTable { height: 1fr; }
        #warnings { height: auto; max-height: 50%; padding: 0 1; color: $warning; }
        #note { height: auto; padding: 0 1; color: $muted; }
    }
    """

    judged_context = Context.HUBS

    def __init__(self, state: HubState, clock: Clock) -> None:
        super().__init__()
        self._state = state
        self._clock = clock
        self.rows: Rows[HubRow] = Rows(COLUMNS, lambda row: row.hub.hub, clock)
        self.rows.sort(0)
        self.table: LiveTable[HubRow] = LiveTable(COLUMNS, self.rows, clock)
        self._unsubscribe: Callable[[], None] = lambda: None
        self._ticker: Timer | None = None

    def compose(self) -> ComposeResult:
        """A table, and a line about what it shows."""
        with Vertical(id="frame") as frame:
            frame.border_title = "Hubs"
            frame.border_subtitle = "esc closes"
            yield self.table
            yield Static(id="warnings", markup=False)
            yield Static(id="note", markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show what is known, and follow it; rights too may change."""
        self.table.focus()
        self._unsubscribe = self._state.subscribe(self._changed)
        self._ticker = self.set_interval(TICK, self._tick)
        self._show()

    def on_unmount(self) -> None:
        """Follow it no more."""
        self._unsubscribe()

    def refusal(self, action: str) -> str:
        """Return why an action has no row, or who may not do it."""
        if takes_row(Context.HUBS, action) and not self.rows.shown:
            return self._note()
        return why_not(need_of(Context.HUBS, action), None, self._state)

    def _changed(self, parts: frozenset[Part]) -> None:
        if Part.HUBS in parts or not parts:
            self._show()
        else:
            self.judge()

    def _show(self) -> None:
        self.rows.put(rows_of(self._state.hubs.values()))
        hidden = {column.name for column in COLUMNS if column.for_admins and self._has_few_rights}
        if not any(hub.unlike for hub in self._state.hubs.values()):
            hidden.add(FILES)
        self.table.withhold(frozenset(hidden))
        self.table.redraw()
        self._warn()
        self.query_one("#note", Static).update(self._note())
        self.judge()

    @property
    def _has_few_rights(self) -> bool:
        return self._state.own is not None and not is_admin(self._state)

    def _tick(self) -> None:
        self.table.redraw()
        self._warn()

    def _warn(self) -> None:
        found = list(warnings_of(self._state.hubs.values(), self._clock.now()))
        shown = self.query_one("#warnings", Static)
        shown.display = bool(found)
        shown.update("\n".join(found))

    def _note(self) -> str:
        if self._state.source(Part.HUBS) is not Source.LIVE:
            return OLDER
        if not self._state.hubs:
            return ALONE
        if self._has_few_rights:
            return FOR_ADMINS
        return "SHOWN: how old what the console shows of a hub is. LAG: changes that it has not applied yet."

    def action_cursor(self, where: str) -> None:
        """Move the cursor; see `LiveTable.move`."""
        self.table.move(where)

    def action_copy(self) -> None:
        """Copy a field of the row."""
        row = self.rows.current
        if row is not None:
            fields = (
                ("HUB", row.hub.hub),
                ("WHERE", row.hub.url),
                ("LINK", row.hub.place),
                ("VERSION", row.hub.version),
            )
            self.app.post_message(messages.CopyField(tuple(field for field in fields if field[1])))

    def action_drain(self) -> None:
        """Have a hub hand its peers over, or take some again."""
        if self.rows.current is not None:
            self.app.post_message(messages.DrainHub(self.rows.current.hub))

    def action_invite(self) -> None:
        """Invite another hub."""
        self.app.post_message(messages.InviteHub())

    def action_remove(self) -> None:
        """Have a hub be no member any more; another one is asked for it than that itself."""
        row = self.rows.current
        if row is not None and row.hub.own:
            refuse(self, OWN)
        elif row is not None:
            self.app.post_message(messages.RemoveHub(row.hub.hub))

    async def action_command_line(self) -> None:
        """Open the `:` line."""
        await self.app.run_action("command_line")

    def action_close(self) -> None:
        """Close the list."""
        self.dismiss(None)


def rows_of(hubs: Iterable[LiveHub]) -> list[HubRow]:
    """Return a row for each hub."""
    known = list(hubs)
    newest = max((hub.applied for hub in known), default=0)
    return [HubRow(hub, newest) for hub in known]


def warnings_of(hubs: Iterable[LiveHub], now: datetime) -> Iterator[str]:
    """Yield what is to be seen to, in the words of `cluster status`."""
    known = list(hubs)
    is_told = any(hub.lease is not HubLease.UNKNOWN for hub in known)
    for hub in known:
        if is_told and hub.lease is HubLease.UNKNOWN and hub.heard_at is None:
            yield unheard(hub.hub)
        if hub.unknown_change:
            yield too_old("" if hub.own else hub.hub, hub.unknown_change)
        if hub.doubted:
            yield unproven(hub.hub, hub.doubted)
        if hub.clock_off:
            yield clock_off(hub.hub, hub.clock_off)
        if hub.heard_at is not None and not hub.own and (say := _OF_SILENCE.get(hub.lease)) is not None:
            yield say(hub.hub, (now - hub.heard_at).total_seconds())
    if apart := [hub.hub for hub in known if hub.lease in _SERVES and not hub.own and hub.link_since is None]:
        yield unlinked(apart)
    if others := [hub.hub for hub in known if AUTHORITY in hub.unlike]:
        yield of_another_authority(others)
    if unreachable := [hub.hub for hub in known if not hub.url and hub.lease in _SERVES]:
        yield unreached(unreachable)
