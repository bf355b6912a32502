"""The screen for a command on many nodes: the progress and output of each."""

import contextlib
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.coordinate import Coordinate
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import DataTable, Static
from textual.worker import Worker

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable
from omnyshell.tui.advice import advice
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.fan_out.runner import run_all
from omnyshell.tui.fan_out.runs import Group, Job, Run, RunState, grouped, runs_on, summary, ungrouped
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.footer import KeyFooter

PERIOD = 0.1
"""Seconds between redraws of runs that change all the time."""

TICK = 1.0
SHOWN_BYTES = 32 * 1024
SHOWN_LINES = 300
"""How many lines at the end of an output are shown: laying out more each time would slow everything else down."""

LEFT_OUT = "[what came before is not shown]"

_NAMES_SHOWN = 6


class FanOutScreen(ModalScreen[None]):
    """Runs the command as soon as it is shown; leaving it ends running commands."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FAN_OUT)
    DEFAULT_CSS = """
    FanOutScreen {
        background: $background;
        #title { height: 1; background: $panel; color: $bar-text; padding: 0 1; text-style: bold; }
        DataTable { height: 1fr; background: $surface; scrollbar-size-vertical: 1; }
        #output { height: 1fr; border-top: solid $primary; padding: 0 1; scrollbar-size-vertical: 1; }
    }
    """

    def __init__(self, hub: HubLink, job: Job, node_ids: Sequence[str], clock: Clock) -> None:
        super().__init__()
        self.runs = runs_on(node_ids)
        self._hub = hub
        self._job = job
        self._clock = clock
        self._is_grouped = False
        self._groups: list[Group] = ungrouped(self.runs)
        self._worker: Worker[None] | None = None
        self._next_look: Timer | None = None
        self._shown: list[str] | None = None
        self._drawn: list[tuple[Text, ...]] = []
        # Kept as attributes, not queried: a run may end while the screen is being removed.
        self._title = Static(id="title", markup=False)
        self._table: DataTable[Text] = DataTable(cursor_type="row", zebra_stripes=False)
        self._output = Static(id="text", markup=False)

    def compose(self) -> ComposeResult:
        """Title, table, output."""
        yield self._title
        yield self._table
        with VerticalScroll(id="output"):
            yield self._output
        yield KeyFooter()

    def on_mount(self) -> None:
        """Run."""
        table = self._table
        table.add_column("STATE", width=16)
        table.add_column("TIME", width=7)
        table.add_column("NODES")
        self._show()
        table.focus()
        self.set_interval(TICK, self._tick)
        self._worker = start_task(self, self._run(), "Running on nodes")

    def action_cancel(self) -> None:
        """End running commands."""
        if self._worker is not None:
            self._worker.cancel()

    def action_group(self) -> None:
        """Put nodes with equal output together, or each by itself."""
        self._is_grouped = not self._is_grouped
        self._show()

    def action_close(self) -> None:
        """Leave, and end running commands, after asking."""
        running = [run.node_id for run in self.runs if not run.is_over]
        if not running:
            self.dismiss(None)
            return

        def leave(is_meant: bool | None) -> None:
            if is_meant:
                self.action_cancel()
                self.dismiss(None)

        self.app.push_screen(Question("Leave while it runs?", "End it", running, "The command is ended there."), leave)

    def on_data_table_row_highlighted(self) -> None:
        """Show the output of the row."""
        self._show_output()

    async def _run(self) -> None:
        try:
            await run_all(self._hub.client, self._job, self.runs, self._clock, self._changed)
        except OmnyShellException as exc:
            for run in self.runs:
                run.end(self._clock.monotonic(), error=advice(exc))
            self._changed()
        errors = {run.error for run in self.runs}
        if len(errors) == 1 and "" not in errors:
            self.notify(printable(errors.pop()), title="It ran nowhere", severity="error", markup=False)

    def _changed(self) -> None:
        if self._next_look is None and self.is_attached:
            self._next_look = self.set_timer(PERIOD, self._look)

    def _look(self) -> None:
        self._next_look = None
        self._show()

    def _tick(self) -> None:
        if any(run.state is RunState.RUNNING for run in self.runs):
            self._show()

    def _show(self) -> None:
        self._groups = grouped(self.runs) if self._is_grouped else ungrouped(self.runs)
        self._title.update(Text(printable(f"{self._job.command}   {summary(self.runs)}")))
        self._draw([(_state(group.first), self._time(group), _names(group)) for group in self._groups])
        self._show_output()

    def _draw(self, rows: list[tuple[Text, ...]]) -> None:
        """Update changed rows of the table only: of many nodes, few change at a time."""
        table = self._table
        if len(rows) == len(self._drawn):
            for number, (old, new) in enumerate(zip(self._drawn, rows, strict=True)):
                for column, cell in enumerate(new):
                    if cell != old[column]:
                        table.update_cell_at(Coordinate(number, column), cell)
        else:
            cursor = table.cursor_row
            table.clear()
            for row in rows:
                table.add_row(*row)
            with contextlib.suppress(IndexError):
                table.move_cursor(row=min(cursor, len(rows) - 1), animate=False)
        self._drawn = rows

    def _show_output(self) -> None:
        row = self._table.cursor_row
        if not 0 <= row < len(self._groups):
            return
        run = self._groups[row].first
        lines = shown_lines(run.error.encode() if run.error else run.output)
        if lines != self._shown:
            self._shown = lines
            self._output.update(Text("\n".join(lines)))

    def _time(self, group: Group) -> Text:
        seconds = group.first.seconds(self._clock.monotonic())
        return Text() if seconds is None or len(group.runs) > 1 else Text(f"{seconds:.1f} s")


def shown_lines(output: bytes) -> list[str]:
    """Return the last lines of an output, after a note if there are more."""
    end = output[-SHOWN_BYTES:]
    lines = end.decode("utf-8", "replace").splitlines()[-SHOWN_LINES - 1 :]
    is_cut = len(end) < len(output) or len(lines) > SHOWN_LINES
    return [LEFT_OUT] * is_cut + [printable(line.expandtabs(), SHOWN_BYTES) for line in lines[-SHOWN_LINES:]]


def _state(run: Run) -> Text:
    if run.state is RunState.DONE:
        return Text("✓ exit 0", "green") if run.exit_code == 0 else Text(f"✗ exit {run.exit_code}", "yellow")
    texts = {
        RunState.WAITING: ("◌ waiting", "dim"),
        RunState.RUNNING: ("● running", "cyan"),
        RunState.FAILED: ("! failed", "red"),
        RunState.CANCELLED: ("○ cancelled", "dim"),
    }
    return Text(*texts[run.state])


def _names(group: Group) -> Text:
    names = ", ".join(run.node_id for run in group.runs[:_NAMES_SHOWN])
    more = f" and {len(group.runs) - _NAMES_SHOWN} more" if len(group.runs) > _NAMES_SHOWN else ""
    count = f"{len(group.runs)} nodes: " if len(group.runs) > 1 else ""
    return Text(printable(f"{count}{names}{more}"))
