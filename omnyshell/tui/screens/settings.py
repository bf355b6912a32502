"""The settings, as a form; what is saved is in `console.toml`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from omnyshell.errors import ConfigException
from omnyshell.options.option import Option
from omnyshell.printable import printable
from omnyshell.tui.colours.looks import Looks
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.settings import SETTINGS, USUAL_THEME, ConsoleSettings, settings_file
from omnyshell.tui.widgets.field import Field

_TITLES = {
    "auto": "As the terminal says",
    "true": "True colours",
    "256": "256 colours",
    "16": "The terminal's 16",
    "none": "None",
    "kept": "Kept for the next start",
    "forgotten": "Forgotten",
}


class SettingsScreen(ModalScreen[ConsoleSettings | None]):
    """Returns the settings that were saved, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    AUTO_FOCUS = "#theme"
    DEFAULT_CSS = """
    SettingsScreen {
        align: center middle;
        background: $veil;
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
        Input { width: 1fr; background: $panel; color: $bar-text; }
        Select { width: 1fr; background: $panel; }
        #error { color: $error; height: auto; }
        .buttons { height: auto; align-horizontal: right; }
        Button { margin-left: 2; }
    }
    """

    def __init__(self, settings: ConsoleSettings, looks: Looks) -> None:
        super().__init__()
        self._looks = looks
        self._settings = settings

    def compose(self) -> ComposeResult:
        """One row for each setting."""
        themes, wrong = self._looks.titles()
        with VerticalScroll(id="form") as form:
            form.border_title = "Settings"
            form.border_subtitle = "esc closes"
            for option in SETTINGS:
                with Horizontal(classes="row"):
                    yield Label(option.title)
                    yield _entry(option, getattr(self._settings, option.key), themes)
            yield Static("\n".join(map(printable, wrong)), id="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Save", id="save", variant="primary", compact=True)

    def on_select_changed(self, event: Select.Changed) -> None:
        """Show the theme at once."""
        if event.select.id == "theme":
            self._try_theme(str(event.value))

    def _try_theme(self, name: str) -> None:
        try:
            self._looks.use(name)
        except ConfigException as exc:
            self.query_one("#error", Static).update(printable(str(exc)))

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
        """Close without saving."""
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
        """Return the settings in the form. Raises `ConfigException`."""
        return replace(self._settings, **{option.key: self._value(option) for option in SETTINGS})

    def _value(self, option: Option) -> Any:
        entry = self.query_one(f"#{option.key}")
        if isinstance(entry, Select):
            return str(entry.value)
        text = self.query_one(f"#{option.key}", Input).value.strip()
        if option.kind != "int":
            return text
        if not (text.isascii() and text.isdigit()):
            raise ConfigException(f"{option.name}: a whole number, not {text or 'nothing'}")
        return int(text)


def _entry(option: Option, value: object, themes: Mapping[str, str]) -> Widget:
    titles = themes if option.key == "theme" else {name: _TITLES.get(name, name) for name in option.choices}
    if titles:
        chosen = value if value in titles else USUAL_THEME
        choices = [(title, name) for name, title in titles.items()]
        return Select(choices, value=str(chosen), allow_blank=False, id=option.key, compact=True)
    placeholder = "never" if option.key == "paste_asks_for" else ""
    return Field(str(value), placeholder=placeholder, id=option.key, compact=True)
