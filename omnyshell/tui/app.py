"""The console as a Textual application: it holds the hub and the screens, and turns messages into calls."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from textual.app import App
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from omnyshell.clock import Clock, SystemClock
from omnyshell.services.dial import HubAccess
from omnyshell.tui import messages
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.screens.overview import OverviewScreen
from omnyshell.tui.screens.terminals import TerminalsScreen
from omnyshell.tui.screens.wall import WallScreen
from omnyshell.tui.settings import ConsoleSettings
from omnyshell.tui.themes import THEMES

FindHub = Callable[[], Awaitable[HubAccess]]


class ConsoleApp(App[int]):
    """The console."""

    TITLE = "OmnyShell"
    BINDINGS = bindings(Context.EVERYWHERE)
    DEFAULT_MODE = "overview"

    def __init__(self, settings: ConsoleSettings, find_hub: FindHub, clock: Clock | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.clock = clock or SystemClock()
        self.hub = HubLink(self.clock)
        self.overview = OverviewScreen(self.hub.state, self.clock)
        self.terminals = TerminalsScreen()
        self._find_hub = find_hub
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = THEMES[settings.theme].name
        self._add_modes()

    def _add_modes(self) -> None:
        screens: dict[str, Callable[[], Screen[None]]] = {
            "overview": lambda: self.overview,
            "terminals": lambda: self.terminals,
            "wall": WallScreen,
        }
        for mode, make in screens.items():
            self.add_mode(mode, make)

    def on_mount(self) -> None:
        """Begin to connect, and leave in order when the system asks for it."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._leave)
        self.run_worker(self._connect(), name="hub", exit_on_error=False)

    async def _connect(self) -> None:
        access = await self._find_hub()
        self.hub.use(access)
        self.overview.header.name_hub(str(access.address), "")
        await self.hub.run()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keep the keys that come before all others from a terminal that has the keyboard."""
        if action in ("quit_console", "command_palette"):
            return not getattr(self.focused, "takes_all_keys", False)
        return super().check_action(action, parameters)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say that a task has failed; the console goes on."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.notify(str(error) or type(error).__name__, title="Something failed", severity="error", markup=False)

    def on_show_overview(self, _message: messages.ShowOverview) -> None:
        """Go to the overview."""
        self.switch_mode("overview")

    def action_show_overview(self) -> None:
        """Go to the overview."""
        self.switch_mode("overview")

    def action_show_terminals(self) -> None:
        """Go to the terminals."""
        self.switch_mode("terminals")

    def action_show_wall(self) -> None:
        """Go to the wall of previews."""
        self.switch_mode("wall")

    def action_quit_console(self) -> None:
        """Detach what is live, and leave."""
        self._leave()

    def _leave(self) -> None:
        self.run_worker(self._detach_and_exit(), name="leave", exclusive=True, exit_on_error=False)

    async def _detach_and_exit(self) -> None:
        try:
            await self.terminals.detach_all()
            await self.hub.close()
        finally:
            self.exit(0)
