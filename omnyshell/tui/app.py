"""The console as a Textual application: it holds the hub and the screens, and turns messages into calls."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from omnyshell.errors import OmnyShellException
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.dial import HubAccess
from omnyshell.tui import messages
from omnyshell.tui.driver import ConsoleDriver
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

    def __init__(self, settings: ConsoleSettings, find_hub: FindHub) -> None:
        super().__init__()
        self.settings = settings
        self.hub = HubLink()
        self.terminals = TerminalsScreen(self)
        self._find_hub = find_hub
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = THEMES[settings.theme].name
        self._add_modes()

    @property
    def client(self) -> OmnyShellClient:
        """The connection that sessions are opened on. Raises `TransportException` while no hub is chosen."""
        return self.hub.client

    def get_driver_class(self) -> type[Driver]:
        """Return Textual's driver; on a terminal the one that reads keys as programs in terminals need them."""
        driver = super().get_driver_class()
        return ConsoleDriver if driver is LinuxDriver else driver

    def _add_modes(self) -> None:
        screens: dict[str, Callable[[], Screen[None]]] = {
            "overview": OverviewScreen,
            "terminals": lambda: self.terminals,
            "wall": lambda: WallScreen(self),
        }
        for mode, make in screens.items():
            self.add_mode(mode, make)

    def on_mount(self) -> None:
        """Begin to connect, and leave in order when the system asks for it."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._leave)
        self.run_worker(self._connect(), name="hub", exit_on_error=False)

    async def _connect(self) -> None:
        self.hub.use(await self._find_hub())
        await self.hub.run(self._refused)

    def _refused(self, error: OmnyShellException) -> None:
        self.notify(str(error), title="The hub refused the login", severity="error", markup=False)

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

    def on_open_shell(self, message: messages.OpenShell) -> None:
        """Open a shell on a node, and go to it."""
        self.terminals.open_shell(message.node_id)
        self.switch_mode("terminals")

    def on_attach_session(self, message: messages.AttachSession) -> None:
        """Attach a session, and go to it."""
        self.terminals.attach(message.session.node_id, message.session.session_id)
        self.switch_mode("terminals")

    def on_watch_session(self, message: messages.WatchSession) -> None:
        """Look on at a session."""
        self.terminals.watch_session(message.session.node_id, message.session.session_id)
        self.switch_mode("terminals")

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
