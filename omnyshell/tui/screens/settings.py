"""The settings, as a form; what is saved is in `console.toml`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from textual.widget import Widget
from textual.widgets import Select, Static

from omnyshell.errors import ConfigException
from omnyshell.options.option import Option
from omnyshell.printable import printable, sentence
from omnyshell.tui.colours.looks import Looks
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, choice, field
from omnyshell.tui.dialogs.reading import Reading
from omnyshell.tui.settings import SETTINGS, USUAL_THEME, ConsoleSettings, check, settings_file

_TITLES = {
    "auto": "As the terminal says",
    "true": "True colours",
    "256": "256 colours",
    "16": "The terminal's 16",
    "none": "None",
    "kept": "Kept for the next start",
    "forgotten": "Forgotten",
}


class SettingsScreen(Dialog[ConsoleSettings]):
    """Returns the settings that were saved, or None."""

    TITLE = "Settings"
    ACTION = "Save"
    WAITING = "Saving…"
    AUTO_FOCUS = "#theme"
    DEFAULT_CSS = """
    SettingsScreen {
        .row { grid-columns: 25 1fr; }
        .problem { padding-left: 25; }
        Label { width: 25; }
        #unread { color: $error; }
    }
    """

    def __init__(self, settings: ConsoleSettings, looks: Looks) -> None:
        super().__init__(self._save)
        self._looks = looks
        self._settings = settings
        self._shown = settings.theme
        self._titles, self._wrong = looks.titles()

    def form(self) -> Iterable[Widget]:
        """One row for each setting, and which themes cannot be had."""
        for option in SETTINGS:
            yield row(option.title, _entry(option, getattr(self._settings, option.key), self._titles))
        if self._wrong:
            yield Static("\n".join(map(printable, self._wrong)), id="unread", classes="text", markup=False)

    def on_select_changed(self, event: Select.Changed) -> None:
        """Show the theme at once."""
        if event.select.id == "theme" and event.value != self._shown:
            self._shown = str(event.value)
            self._try_theme(self._shown)

    def _try_theme(self, name: str) -> None:
        try:
            self._looks.use(name)
        except ConfigException as exc:
            self.point_out({"theme": str(exc)})
        else:
            self.point_out({})

    def read(self, reading: Reading) -> ConsoleSettings:
        """The settings in the form."""
        now = self._settings
        values = {one.key: reading.take(one.key, partial(_read, one), getattr(now, one.key)) for one in SETTINGS}
        return replace(now, **values)

    async def _save(self, settings: ConsoleSettings) -> None:
        settings.save(settings_file())


def _read(option: Option, text: str) -> str | int:
    """Read a setting. Raises `ValueError` that says what is wrong."""
    if option.kind == "int" and not (text.isascii() and text.isdigit()):
        raise ValueError("A whole number.")
    value = int(text) if option.kind == "int" else text
    try:
        check(option, value)
    except ConfigException as exc:
        raise ValueError(sentence(str(exc)[:1].upper() + str(exc)[1:])) from exc
    return value


def _entry(option: Option, value: object, themes: Mapping[str, str]) -> Widget:
    titles = themes if option.key == "theme" else {name: _TITLES.get(name, name) for name in option.choices}
    if titles:
        chosen = value if value in titles else USUAL_THEME
        choices = [(title, name) for name, title in titles.items()]
        return choice(option.key, choices, str(chosen))
    placeholder = "never" if option.key == "paste_asks_for" else ""
    return field(option.key, str(value), placeholder)
