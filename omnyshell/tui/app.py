"""The console as a Textual application: it has the hub and the screens, and turns messages into calls."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from textual import events
from textual.app import SystemCommand
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen
from textual.widget import AwaitMount

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.printable import printable
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.live.state import Link
from omnyshell.services.dial import HubAccess
from omnyshell.tui import messages, notices
from omnyshell.tui.actions import leaving
from omnyshell.tui.active_keys import Active, active_keys, do_key
from omnyshell.tui.administration import AdministeringApp
from omnyshell.tui.advice import advice
from omnyshell.tui.colours import sheet
from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.looks import Looks
from omnyshell.tui.colours.reduction import Reduction, keep_colours
from omnyshell.tui.colours.shipped import VARIABLES
from omnyshell.tui.dialogs.session import SessionDialog
from omnyshell.tui.files.work import FileWork
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.hub_places import Place, local_place
from omnyshell.tui.inside import own_driver
from omnyshell.tui.key_order import KeyOrder
from omnyshell.tui.keys import Context, bindings, name_of
from omnyshell.tui.palette import ConsolePalette
from omnyshell.tui.previews.watch import WatchView
from omnyshell.tui.screens.help import Entry, HelpScreen
from omnyshell.tui.screens.login import LoginScreen
from omnyshell.tui.screens.overview import OverviewScreen
from omnyshell.tui.screens.settings import SettingsScreen
from omnyshell.tui.screens.terminals import TerminalsScreen
from omnyshell.tui.screens.wall import WallScreen
from omnyshell.tui.settings import KEPT, USUAL_THEME, ConsoleSettings
from omnyshell.tui.tasks import start_task
from omnyshell.tui.terminal.commands import leader_name
from omnyshell.tui.terminal.opening import OpenSpec

START_PAUSE = 3.0
"""Seconds until a hub is started again that could not start."""

REVIVE_PERIOD = 1.0
"""Seconds between checks whether this console has to start a lost hub or node again."""

SCREENS = ("overview", "terminals", "wall")
"""Between which one goes to and fro."""

NODE_PAGE, FILES_PAGE = "node-page", "files-page"
"""The ids of a node's page, and of its files."""

PAGES = {NODE_PAGE: Context.NODE, FILES_PAGE: Context.FILES}
"""What lies above the overview, with its keys."""

LEAVE_TIMEOUT = 5.0
"""Seconds that detaching and closing may take before the console ends anyway."""


class ConsoleApp(AdministeringApp):
    """The console for one hub, or for none yet: `place` is None until one is chosen.

    `wanted` are given parts of a login, with which the login form is filled: see `LoginScreen`. `needs_passphrase` says
    that only the passphrase of its key is missing, `wrong` what is told at the start. After the run,
    `farewell` has lines for the user, and `next_place` is another hub that was chosen, or None.
    """

    TITLE = "OmnyShell"
    CSS = sheet.CSS + notices.CSS
    BINDINGS = bindings(Context.EVERYWHERE)
    DEFAULT_MODE = "overview"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f24"
    """A key that no keyboard has; the console's own key is in the table of keys."""

    COMMANDS = {ConsolePalette}

    def __init__(
        self,
        settings: ConsoleSettings,
        place: Place | None,
        *,
        wanted: Mapping[str, str] | None = None,
        client_only: bool = False,
        needs_passphrase: bool = False,
        wrong: Sequence[str] = (),
        depth: Depth = Depth.TRUE,
        clock: Clock | None = None,
    ) -> None:
        keep_colours()
        self._reduction = Reduction(depth)
        super().__init__()
        self.set_class(depth is Depth.NONE, "-plain")
        self.settings = settings
        self.place = place
        self.next_place: Place | None = None
        self.farewell: list[str] = []
        self.clock = clock or SystemClock()
        self.hub = HubLink(self.clock)
        self.overview = OverviewScreen(self.hub.state, self.clock, self)
        self.terminals = TerminalsScreen(self)
        self._wanted = wanted or {}
        self._client_only = client_only
        self._needs_passphrase = needs_passphrase
        self.file_work = FileWork(self.hub)
        self._came_from = self.DEFAULT_MODE
        self._keys = KeyOrder(self, super().on_event, self._stays, self.terminals.arrive)
        self.looks = Looks(self, depth)
        self._wrong = [*wrong, *self.use_theme(settings.theme)]
        self._add_modes()

    @property
    def client(self) -> OmnyShellClient:
        """The connection that sessions are opened on. Raises `TransportException` while no hub is chosen."""
        return self.hub.client

    def get_driver_class(self) -> type[Driver]:
        """Return a driver that reads keys as terminal programs need them, in place of Textual's."""
        return own_driver(super().get_driver_class())

    def _add_modes(self) -> None:
        screens: tuple[Callable[[], Screen[None]], ...] = (
            lambda: self.overview,
            lambda: self.terminals,
            lambda: WallScreen(self, self.clock),
        )
        for mode, make in zip(SCREENS, screens, strict=True):
            self.add_mode(mode, make)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The variables that the console's themes define in addition to Textual's."""
        return VARIABLES

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return Textual's filters, and the reduction to the terminal's colours in place of those that it replaces."""
        return self._reduction.among(super().get_line_filters())

    def use_theme(self, name: str) -> list[str]:
        """Use a theme by the name that users call it, or the usual one; returns what is wrong with its file."""
        return self.looks.use_or(name, USUAL_THEME)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002
        """Return none: the console's commands come from the table of keys."""
        return ()

    # From start to end

    def on_load(self) -> None:
        """Handle signals to end in order, from before the terminal is changed."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._leave)

    def on_mount(self) -> None:
        """Connect, or ask for a hub."""
        self.set_interval(REVIVE_PERIOD, self._revive)
        for text in self._wrong:
            self.tell_in_turn(printable(text), severity="warning")
        if self.place is not None:
            self._begin(self.place)
        else:
            self._ask_for_hub("", asks_at_once=self._needs_passphrase)

    def _begin(self, place: Place) -> None:
        start_task(self, self._learn_name(), "Logging in")
        start_task(self, self._connect(place), "Connecting")

    async def _connect(self, place: Place) -> None:
        access = await self._access(place)
        access.waiting.show = lambda text: self.notify(printable(text), severity="warning", markup=False)
        self.hub.use(access)
        if place.trouble:
            self.tell_in_turn(f"Others do not reach this hub: {printable(place.trouble)}", severity="warning")
        url = str(access.address)
        self.overview.header.name_hub(url if place.label == url else f"{place.label} {url}", "")
        await self.hub.run()
        if self.hub.state.link is Link.REFUSED:
            self._ask_for_hub(f"{place.label}: {self.hub.state.link_error}")

    async def _access(self, place: Place) -> HubAccess:
        """Wait for the hub; what keeps it from starting is shown for as long as it does."""
        while True:
            try:
                return await place.access()
            except OmnyShellException as exc:
                self.hub.state.set_link(Link.LOST, advice(exc))
                await asyncio.sleep(START_PAUSE)

    def _revive(self) -> None:
        if self.place is None:
            return
        if self.hub.state.link is Link.LOST:
            self.place.revive()
        if told := self.place.tend():
            self.tell_in_turn(printable(told), severity="warning")

    async def _learn_name(self) -> None:
        await self.hub.connected.wait()
        self.overview.header.name_principal(self.hub.principal)
        if self.place is not None:
            await self._remember(self.place.label)

    async def _remember(self, hub: str) -> None:
        """Show the terminals as they were left, at once if they were in front; else say how one comes to them."""
        try:
            kept = await self.terminals.remember(hub, self.hub.principal, is_wanted=self.settings.layout == KEPT)
        except ConfigException as exc:
            self.tell_in_turn(f"Tabs and panes are not kept as you left them: {exc}", severity="warning")
            return
        if kept is not None and kept.in_front and self.screen is self.overview:
            self.switch_mode("terminals")
        elif kept is not None:
            count = len(kept.panes)
            self.tell_in_turn(f"{count} terminals are as you left them: f3" if count > 1 else "A terminal waits: f3")

    def _ask_for_hub(self, why: str, *, asks_at_once: bool = False) -> None:
        screen = LoginScreen(self._wanted, why, offers_local=not self._client_only, asks_at_once=asks_at_once)
        self.push_screen(screen, self._hub_chosen)

    def _hub_chosen(self, place: Place | None) -> None:
        if place is None:
            if self.place is None:
                self._leave()
        elif self.place is None:
            self.place = place
            self._begin(place)
        else:
            # All present state belongs to the old hub, so the application is left and started again.
            self._leave_if_meant(place)

    def _leave_if_meant(self, next_place: Place | None = None) -> None:
        """Leave, after asking where somebody loses something."""
        own_node = self.place.own_node if self.place is not None else ""
        from omnyshell.tui.fan_out.asking import running_in

        running, copies = running_in(self.screen_stack), len(self.file_work.unfinished)
        ends = leaving.what_leaving_ends(own_node, self.hub.state, self.terminals.live_terminals, running, copies)

        def leave(is_meant: bool | None) -> None:
            if is_meant:
                self.next_place = next_place
                self._leave()

        if ends.is_nothing:
            leave(True)
        elif not isinstance(self.screen, leaving.LeavingQuestion):
            self.push_screen(leaving.question_about(ends, is_hub=bool(own_node)), leave)

    def _leave(self) -> None:
        start_task(self, self._detach_and_exit(), "Leaving", group="leave")

    async def _detach_and_exit(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                detached = await self.terminals.detach_all()
                own_node = self.place.own_node if self.place is not None else ""
                self.farewell = [_detached(detached)] if detached else []
                self.farewell += leaving.nodes_that_wait(own_node, self.hub.state)
                await self.hub.close()
        finally:
            self._keys.close()
            self.exit(0)

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """Pass keys on in their order."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            if not self._stays(event):
                self.drop_seen_notice()
            await self._keys.take(event)
        else:
            await super().on_event(event)

    def _stays(self, event: events.Event) -> bool:
        """Whether the key goes to a program that will have the focus afterwards too."""
        is_for_program = getattr(self.focused, "takes_all_keys", False) and not self.terminals.is_asking
        return isinstance(event, events.Key) and is_for_program and event.key != leader_name(self.settings.leader)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable priority bindings while a terminal has the focus."""
        if action in ("quit_console", "command_palette"):
            return not getattr(self.focused, "takes_all_keys", False)
        return super().check_action(action, parameters)

    def action_command_line(self) -> None:
        """Have a command entered, and do it."""
        self.open_line("")

    def open_line(self, begun: str) -> None:
        """Have a command entered that is begun so, and do it."""
        # Loaded once it is asked for.
        from omnyshell.tui.command_line.opening import CommandLine, Prepared, command_line, do

        def entered(prepared: Prepared | None) -> None:
            if prepared is not None:
                start_task(self, do(prepared), "The command")

        if not isinstance(self.screen, CommandLine):
            self.push_screen(command_line(self, begun), entered)

    def do_line(self, line: str) -> None:
        """Do what the `:` line would do."""
        from omnyshell.tui.command_line.opening import do_line

        start_task(self, do_line(self, line), "The command")

    def action_show_overview(self) -> None:
        """Go to the overview."""
        self.switch_mode("overview")
        while self.screen.id in PAGES:
            self.pop_screen()

    def action_show_terminals(self) -> None:
        """Go to the terminals."""
        self.switch_mode("terminals")

    def action_show_wall(self) -> None:
        """Go to the wall of previews."""
        self.switch_mode("wall")

    def action_show_help(self) -> None:
        """Show the keys."""
        if not isinstance(self.screen, HelpScreen):
            screen = HelpScreen(self._keys_here, self.settings.leader)
            self.push_screen(screen, partial(self._chosen_in_help, active_keys(self.screen)))

    @property
    def _keys_here(self) -> Context:
        """The keys that are nearest."""
        if self.current_mode == "overview" and self.screen.id in PAGES:
            return PAGES[self.screen.id]
        if self.current_mode == "wall":
            return Context.WALL
        if self.current_mode == "terminals":
            return Context.WATCH if isinstance(self.focused, WatchView) else Context.TERMINAL
        return Context(self.overview.panel.NAME)

    def _chosen_in_help(self, active: Active, entry: Entry | None) -> None:
        """Do what was chosen, or say where it would be done."""
        if entry is None:
            return
        if entry.key is not None and entry.key in active:
            self.call_later(do_key, entry.key, active[entry.key])
        else:
            text = f"{entry.label} does nothing here. It belongs to: {entry.title}"
            self.notify(text, severity="warning", markup=False)

    def action_show_settings(self) -> None:
        """Show the settings."""
        if not isinstance(self.screen, SettingsScreen):
            self.push_screen(SettingsScreen(self.settings, self.looks), self._settings_left)

    def action_choose_hub(self) -> None:
        """Go to another hub."""
        if not isinstance(self.screen, LoginScreen):
            self._ask_for_hub("")

    def go_to_hub(self, name: str) -> None:
        """Go to another hub, by URL or the name of its login; `local` is this machine's."""
        if name == "local" and not self._client_only:
            self._hub_chosen(local_place())
        else:
            screen = LoginScreen({"hub": name}, "", offers_local=not self._client_only, asks_at_once=True)
            self.push_screen(screen, self._hub_chosen)

    def _settings_left(self, settings: ConsoleSettings | None) -> None:
        if settings is not None:
            self.settings = settings
        self.use_theme(self.settings.theme)

    def action_quit_console(self) -> None:
        """Detach live sessions, and quit, after asking where more than that ends."""
        self._leave_if_meant()

    def action_help_quit(self) -> None:
        """Say how to leave, to who presses what leaves other programs."""
        active = self.screen.active_bindings.items()
        leaving = next((name_of(key) for key, bound in active if bound.binding.action == "quit_console"), "")
        if leaving:
            self.notify(f"{leaving} leaves the console; it asks where that ends something.", markup=False)

    # Messages

    def on_open_node(self, message: messages.OpenNode) -> None:
        """Open the page of a node."""
        # Imported when it is first opened: the console's start does not need it.
        from omnyshell.tui.screens.node import NodeScreen

        own = self.settings.own
        self.push_screen(NodeScreen(message.node_id, self.hub, self.overview, self.clock, own, id=NODE_PAGE))

    def on_open_files(self, message: messages.OpenFiles) -> None:
        """Show a node's files."""
        self.file_work.open(self, message, FILES_PAGE)

    def on_go_to(self, message: messages.GoTo) -> None:
        """Go where a record leads that was shown elsewhere than in the overview."""
        self.overview.on_go_to(message)

    def on_open_shell(self, message: messages.OpenShell) -> None:
        """Open a shell on a node, and go to it."""
        self.terminals.open_shell(message.node_id, message.user)
        self.switch_mode("terminals")

    def on_attach_session(self, message: messages.AttachSession) -> None:
        """Attach a session, and go to it; who would take it from another person is asked first."""
        session = message.session

        def attach(is_meant: bool | None) -> None:
            if not is_meant:
                return
            self.terminals.attach(session.node_id, session.session_id, session.owner)
            self.switch_mode("terminals")
            if message.then is not None:
                message.then()

        self.ask_to_take_over(session, attach)

    def on_watch_session(self, message: messages.WatchSession) -> None:
        """Watch a session."""
        session = message.session
        self.terminals.watch_session(session.node_id, session.session_id, session.owner)
        self.switch_mode("terminals")

    def on_open_command(self, message: messages.OpenCommand) -> None:
        """Ask what to open on a node, and go to it."""
        self.push_screen(SessionDialog(message.node_id), self._open_session)

    def _open_session(self, spec: OpenSpec | None) -> None:
        if spec is not None:
            self.terminals.open(spec)
            self.switch_mode("terminals")

    def switch_mode(self, mode: str) -> AwaitMount:
        """Go to one of the screens, and note from which."""
        if mode != self.current_mode and self.current_mode in SCREENS:
            self._came_from = self.current_mode
        return super().switch_mode(mode)

    def on_go_back(self, _message: messages.GoBack) -> None:
        """Go to the screen from which one came; terminals that are left without any lead on to the overview."""
        is_of_use = self._came_from != "terminals" or self.terminals.has_tabs
        self.switch_mode(self._came_from if is_of_use else "overview")

    def on_look_at_vitals(self, message: messages.LookAtVitals) -> None:
        """Ask for nodes' vitals while they are shown."""
        self.hub.look(looks=message.looks)

    def on_show_overview(self, _message: messages.ShowOverview) -> None:
        """Go to the overview."""
        self.action_show_overview()

    def on_show_terminals(self, _message: messages.ShowTerminals) -> None:
        """Go to the terminals."""
        self.switch_mode("terminals")

    def on_show_wall(self, _message: messages.ShowWall) -> None:
        """Go to the wall of previews."""
        self.switch_mode("wall")


def _detached(count: int) -> str:
    if count == 1:
        return "1 session was detached and goes on."
    return f"{count} sessions were detached and go on."
