"""The command palette: what can be done on the present screen, and nodes and sessions by name."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape
from textual.types import IgnoreReturnCallbackType

from omnyshell.model.sessions import SessionMode
from omnyshell.printable import printable
from omnyshell.services.client.live.state import HubState
from omnyshell.tui import messages
from omnyshell.tui.active_keys import active_keys
from omnyshell.tui.colours.folder import theme_names
from omnyshell.tui.commands import all_commands
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Key
from omnyshell.tui.rights import Need, ref_of, why_not
from omnyshell.tui.settings import ConsoleSettings
from omnyshell.tui.tasks import refuse

SOURCES: Final = 500
"""The most nodes and sessions that are offered; the panels' filters find the rest."""


class Command(NamedTuple):
    """One line of the palette."""

    title: str
    help: str
    run: IgnoreReturnCallbackType
    is_refused: bool = False

    @property
    def shown(self) -> Content:
        """The title, dimmed where it may not be done."""
        return Content.styled(self.title, "dim") if self.is_refused else Content(self.title)


class ConsolePalette(Provider):
    """Offers the table of keys, and shells and sessions by name."""

    async def discover(self) -> Hits:
        """Offer the actions, before anything is typed."""
        for command in self._actions():
            yield DiscoveryHit(command.shown, command.run, command.title, command.help)

    async def search(self, query: str) -> Hits:
        """Offer what matches: all words in title and help, in any order, or else letters of the title."""
        matcher = self.matcher(query)
        for command in [*self._actions(), *self._lines(), *self._places()]:
            score = max(worth(query, command.title, command.help), matcher.match(command.title) / 2)
            if score:
                yield Hit(score, command.shown, command.run, command.title, command.help)

    def _actions(self) -> Iterable[Command]:
        """The actions of the keys that hold where the palette was opened."""
        for key, node in active_keys(self.screen).items():
            if key.listed and key.action not in _MOVES and not key.action.startswith("cursor"):
                why = node.refusal(key.action) if isinstance(node, Judged) else ""
                yield self._unless(why, key.text, _help(key), partial(self.app.run_action, key.action, node))

    def _lines(self) -> Iterable[Command]:
        """What the `:` line does where no key does it, and themes; what takes an argument is begun in the line."""
        do: Callable[[str], None] | None = getattr(self.app, "do_line", None)
        begin: Callable[[str], None] | None = getattr(self.app, "open_line", None)
        if do is None or begin is None:
            return
        active = active_keys(self.screen)
        for command in all_commands().values():
            if command.is_declared and not active.keys() & command.keys:
                doing = partial(begin, f"{command.name} ") if command.needs else partial(do, command.name)
                title = f"{command.name.capitalize()}{' …' if command.needs else ''}"
                yield Command(title, escape(f"{command.about}   :{command.name} {command.usage}".rstrip()), doing)
        settings: ConsoleSettings | None = getattr(self.app, "settings", None)
        for own in settings.own.commands if settings is not None else ():
            yield Command(own.name, f"A command of your own on {own.panel}   :{own.name}", partial(do, own.name))
        for name in theme_names():
            yield Command(f"Theme: {name}", f"Use this theme from now on   :theme {name}", partial(do, f"theme {name}"))

    def _places(self) -> Iterable[Command]:
        state: HubState | None = getattr(getattr(self.app, "hub", None), "state", None)
        if state is None:
            return
        for node in list(state.nodes.values())[:SOURCES]:
            if node.is_online:
                opening = partial(self.app.post_message, messages.OpenShell(node.node_id))
                why = why_not(Need.SHELL, node, state)
                yield self._unless(why, printable(f"Shell: {node.node_id}"), "Open a shell", opening)
        for session in list(state.sessions.values())[:SOURCES]:
            if session.mode is SessionMode.SHELL:
                ref = ref_of(session, state)
                what = f" {session.command}" if session.command else ""
                title = f"Attach: {session.short_id} on {session.node_id}{what} ({session.principal})"
                attaching = partial(self.app.post_message, messages.AttachSession(ref))
                why = why_not(Need.SHELL, session, state)
                yield self._unless(why, printable(title), "One attached elsewhere is taken over", attaching)

    def _unless(self, why: str, title: str, help_: str, run: IgnoreReturnCallbackType) -> Command:
        """Return a command; one that is refused says why instead.

        Textual reads the help as markup, so it must not contain text chosen by others.
        """
        if not why:
            return Command(title, help_, run)
        return Command(title, "Not now: enter says why", partial(refuse, self.app, why), is_refused=True)


def worth(query: str, title: str, about: str) -> float:
    """Return how well words are found: 0 where not all are, 1 where all begin words of the title."""
    found = [_worth(word, title.casefold(), about.casefold()) for word in query.casefold().split()]
    return sum(found) / len(found) if found and all(found) else 0.0


def _worth(word: str, title: str, about: str) -> float:
    for text, most in ((title, 1.0), (about, 0.6)):
        if any(part.startswith(word) for part in _WORD.findall(text)):
            return most
        if word in text:
            return most - 0.2
    return 0.0


_WORD: Final = re.compile(r"[^\s:,;()]+")
_MOVES: Final = frozenset(("next_panel", "previous_panel", "command_palette"))


def _help(key: Key) -> str:
    return f"{key.more}   {key.label}".strip()
