"""The output of a command of one's own, as it comes."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import ModalScreen

from omnyshell.errors import ConfigException
from omnyshell.printable import printable
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.own.running import OUTPUT_LIMIT, run_in_background
from omnyshell.tui.preferences.command import Invocation
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.framed_log import FramedLog


class OutputScreen(ModalScreen[None]):
    """Runs programs one after the other; leaving ends what runs still."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.OUTPUT)
    DEFAULT_CSS = """
    OutputScreen {
        align: center middle;
        background: $veil;
        FramedLog { width: 90%; height: 80%; }
    }
    """

    def __init__(self, title: str, runs: Sequence[tuple[str, Invocation]]) -> None:
        """`runs` are the rows' names, and what to run for each."""
        super().__init__()
        self._title = title
        self._runs = runs
        self._log = FramedLog(title, "running; esc ends it")
        self._rest = b""

    def compose(self) -> ComposeResult:
        """What the programs write."""
        yield self._log

    def on_mount(self) -> None:
        """Begin."""
        self._log.focus()
        start_task(self, self._run(), self._title)

    async def _run(self) -> None:
        ended = [await self._one(name, invocation) for name, invocation in self._runs]
        said = f"exit code {ended[0]}" if len(ended) == 1 else f"{ended.count(0)} of {len(ended)} ended with 0"
        self._log.border_subtitle = Content(f"{said}; esc closes")

    async def _one(self, name: str, invocation: Invocation) -> int:
        if len(self._runs) > 1:
            self._log.write_line(f"── {printable(name)} ──")
        try:
            code, is_cut = await run_in_background(invocation, self._show)
        except ConfigException as exc:
            self._log.write_line(printable(str(exc)))
            return 127
        if self._rest:
            self._show(b"\n")
        if is_cut:
            self._log.write_line(f"[what came after {OUTPUT_LIMIT // 1024} KiB is not shown]")
        if len(self._runs) > 1 and code:
            self._log.write_line(f"[exit code {code}]")
        return code

    def _show(self, data: bytes) -> None:
        """Show whole lines, printable: what a program prints about a row is what others say."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._log.write_line(printable(line.decode(errors="replace").rstrip("\r").expandtabs()))

    def action_close(self) -> None:
        """Leave, and end what runs still."""
        self.dismiss(None)
