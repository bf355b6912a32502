"""The settings, as a form; what is saved is in `console.toml`."""

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from omnyshell.errors import ConfigException
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.settings import THEME_NAMES, ConsoleSettings, settings_file
from omnyshell.tui.themes import THEMES
from omnyshell.tui.widgets.field import Field

THEME_TITLES = {"dark": "Dark", "light": "Light", "contrast": "High contrast"}


class SettingsScreen(ModalScreen[ConsoleSettings | None]):
    """Returns the settings that were saved, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    AUTO_FOCUS = "#theme"
    DEFAULT_CSS = """
    SettingsScreen {
        align: center middle;
        background: $background 60%;
        #form {
            width: 72;
            max-width: 100%;
            height: auto;
            max-height: 95%;
            border: round $primary;
            border-title-color: $primary;
            border-subtitle-color: $muted;
            background: $surface;
            padding: 1 2;
            scrollbar-size-vertical: 1;
        }
        .row { height: auto; margin-bottom: 1; }
        Label { width: 25; height: 1; }
        Input, Select { width: 1fr; background: $panel; }
        #error { color: $error; height: auto; }
        .buttons { height: auto; align-horizontal: right; }
        Button { margin-left: 2; }
    }
    """

    def __init__(self, settings: ConsoleSettings) -> None:
        super().__init__()
        self._settings = settings

    def compose(self) -> ComposeResult:
        """One row for each setting."""
        now = self._settings
        with VerticalScroll(id="form") as form:
            form.border_title = "Settings"
            form.border_subtitle = "esc closes"
            with Horizontal(classes="row"):
                yield Label("Theme")
                yield Select(
                    [(THEME_TITLES[name], name) for name in THEME_NAMES],
                    value=now.theme,
                    allow_blank=False,
                    id="theme",
                    compact=True,
                )
            yield from _row("Leader key in terminals", "leader", now.leader)
            yield from _row("Lines of scrollback", "scrollback", str(now.scrollback))
            yield from _row("Paste asks at label", "paste_asks_for", now.paste_asks_for, "never")
            yield from _row("Clipboard limit, bytes", "copy_limit", str(now.copy_limit))
            yield Static(id="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Save", id="save", variant="primary", compact=True)

    def on_select_changed(self, event: Select.Changed) -> None:
        """Show the theme at once."""
        if isinstance(event.value, str) and event.value in THEMES:
            self.app.theme = THEMES[event.value].name

    def on_input_submitted(self) -> None:
        """Enter saves."""
        self._save()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Save, or not."""
        if event.button.id == "save":
            self._save()
        else:
            self.dismiss(None)

    def action_close(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)

    def _save(self) -> None:
        try:
            settings = self._entered()
            settings.save(settings_file())
        except ConfigException as exc:
            self.query_one("#error", Static).update(str(exc))
            return
        self.dismiss(settings)

    def _entered(self) -> ConsoleSettings:
        """Return what the form says. Raises `ConfigException`."""
        return replace(
            self._settings,
            theme=str(self.query_one("#theme", Select).value),
            leader=self._text("leader"),
            scrollback=self._number("scrollback"),
            paste_asks_for=self._text("paste_asks_for"),
            copy_limit=self._number("copy_limit"),
        )

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _number(self, name: str) -> int:
        text = self._text(name)
        if not (text.isascii() and text.isdigit()):
            raise ConfigException(f"{name}: a whole number, not {text or 'nothing'}")
        return int(text)


def _row(title: str, name: str, value: str, placeholder: str = "") -> ComposeResult:
    with Horizontal(classes="row"):
        yield Label(title)
        yield Field(value, placeholder=placeholder, id=name, compact=True)
