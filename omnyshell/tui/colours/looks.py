"""The themes that an app can have in its depth: those that ship, and those that have files."""

from textual.app import App

from omnyshell.errors import ConfigException
from omnyshell.printable import sentence
from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.files import read_theme
from omnyshell.tui.colours.folder import check_theme, own_themes, theme_file
from omnyshell.tui.colours.shades import PREFIX
from omnyshell.tui.colours.shipped import FAMILIES


class Looks:
    """Gives an app its themes. A file is read anew each time, as its author may have it open beside."""

    def __init__(self, app: App[int], depth: Depth) -> None:
        self._app = app
        self._depth = depth

    def use(self, name: str) -> None:
        """Use a theme by the name that users call it. Raises `ConfigException` if its file is wrong or missing."""
        check_theme(name)
        family = FAMILIES.get(name) or read_theme(theme_file(name))
        self._app.register_theme(family.theme(name, self._depth))
        if self._app.theme == f"{PREFIX}{name}":
            self._app.mutate_reactive(App.theme)
        self._app.theme = f"{PREFIX}{name}"

    def use_or(self, name: str, otherwise: str) -> list[str]:
        """Use a theme, or one that ships if its file is wrong or missing; returns what is."""
        try:
            self.use(name)
        except ConfigException as exc:
            self.use(otherwise)
            return [f"{sentence(str(exc))} {otherwise.capitalize()} is used."]
        return []

    def titles(self) -> tuple[dict[str, str], list[str]]:
        """Return the titles of all themes, by their names, and what is wrong with files."""
        titles, wrong = {name: family.title for name, family in FAMILIES.items()}, []
        for name in own_themes():
            try:
                titles[name] = read_theme(theme_file(name)).title
            except ConfigException as exc:
                wrong.append(str(exc))
        return titles, wrong
