"""What the console does about columns, fields and commands of the user's own."""

import sys
from collections.abc import Sequence
from typing import Any

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException
from omnyshell.printable import printable
from omnyshell.tui import messages
from omnyshell.tui.dialogs.columns import ColumnsDialog
from omnyshell.tui.dialogs.copying import CopyDialog
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.notices import TellingApp
from omnyshell.tui.own.output import OutputScreen
from omnyshell.tui.own.running import run_in_terminal
from omnyshell.tui.own.saving import save_columns
from omnyshell.tui.own.values import values_of
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.preferences.command import Invocation, OwnCommand
from omnyshell.tui.preferences.plain import FieldException
from omnyshell.tui.settings import ConsoleSettings, settings_file
from omnyshell.tui.tasks import start_task, tell
from omnyshell.tui.terminal.clipboard import copy_out


class OwnApp(TellingApp):
    """The part of the application that is about what is the user's own."""

    settings: ConsoleSettings
    hub: HubLink
    clock: Clock

    def on_panel_columns_wanted(self, event: Panel.ColumnsWanted) -> None:
        """Ask for a panel's columns, and save them."""
        event.stop()
        panel = event.panel
        name = panel.NAME.lower()

        def save(names: list[str] | None) -> None:
            if names is not None:
                try:
                    save_columns(settings_file(), self.settings.own, name, names)
                except ConfigException as exc:
                    tell(self, "Not saved", str(exc))

        self.push_screen(ColumnsDialog(panel), save)

    def on_panel_own_wanted(self, event: Panel.OwnWanted) -> None:
        """Run a command of the user's own, after asking where it says so."""
        event.stop()
        command, panel = event.command, event.panel
        try:
            runs = self._runs(panel, command, event.items)
        except FieldException as exc:
            tell(self, f"{command.name} was not run", str(exc))
            return

        def run(is_meant: bool | None) -> None:
            if is_meant:
                self._run_own(command, runs)

        if command.confirm:
            lines = [printable(" ".join(invocation.argv)) for _, invocation in runs]
            self.push_screen(Question(f"Run {command.name}?", "Run", lines, "It runs on this machine, as you."), run)
        else:
            run(is_meant=True)

    def _runs(self, panel: Panel[Any], command: OwnCommand, items: Sequence[Any]) -> list[tuple[str, Invocation]]:
        """What to run for each row, all or nothing. Raises `FieldException` that names the row."""
        now, every_row = self.clock.now(), {"hub": self.hub.url, "me": self.hub.principal}
        runs = []
        for item in items:
            name = panel.identify(item)[1]
            try:
                runs.append((name, command.on(values_of(panel, item, now, every_row))))
            except FieldException as exc:
                raise FieldException(f"{printable(name, 60)}: {exc}") from exc
        return runs

    def _run_own(self, command: OwnCommand, runs: list[tuple[str, Invocation]]) -> None:
        if command.in_terminal:
            start_task(self, run_in_terminal(self, [one for _, one in runs], sys.stdin.readline), command.name)
        else:
            self.push_screen(OutputScreen(command.name, runs))

    def on_copy_field(self, message: messages.CopyField) -> None:
        """Ask which field is meant, and copy it."""

        def copy(text: str | None) -> None:
            if text is not None:
                self.notify(copy_out(self, text), markup=False)

        if message.fields:
            self.push_screen(CopyDialog(message.fields), copy)
