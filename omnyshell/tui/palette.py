"""The command palette: what can be done on the present screen, and nodes and sessions by name."""

from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.types import IgnoreReturnCallbackType

from omnyshell.model.sessions import SessionMode
from omnyshell.printable import printable
from omnyshell.services.client.live.state import HubState
from omnyshell.tui import messages
from omnyshell.tui.keys import Context, Key, keys_of

SOURCES: Final = 500
"""The most nodes and sessions that are offered; the panels' filters find the rest."""


class Command(NamedTuple):
    """One line of the palette."""

    title: str
    help: str
    run: IgnoreReturnCallbackType


class ConsolePalette(Provider):
    """Offers the table of keys, and shells and sessions by name."""

    async def discover(self) -> Hits:
        """Offer the actions, before anything is typed."""
        for command in self._actions():
            yield DiscoveryHit(Content(command.title), command.run, command.title, command.help)

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for command in [*self._actions(), *self._places()]:
            score = matcher.match(command.title)
            if score:
                shown = Content(command.title)
                yield Hit(score, shown, command.run, command.title, command.help)

    def _actions(self) -> Iterable[Command]:
        """The actions of the keys that hold where the palette was opened."""
        # Several contexts have the same key for actions of the same name: text and explanation distinguish them.
        active = {
            (bound.binding.key, bound.binding.action, bound.binding.description, bound.binding.tooltip): bound.node
            for bound in self.screen.active_bindings.values()
            if bound.enabled
        }
        for key in keys_of(*Context):
            places = ((name, key.action, key.text, key.more) for name in key.keys.split(","))
            node = next((active[place] for place in places if place in active), None)
            if node is not None and key.listed and key.action not in _MOVES and not key.action.startswith("cursor"):
                yield Command(key.text, _help(key), partial(self.app.run_action, key.action, node))

    def _places(self) -> Iterable[Command]:
        state: HubState | None = getattr(getattr(self.app, "hub", None), "state", None)
        if state is None:
            return
        for node in list(state.nodes.values())[:SOURCES]:
            if node.is_online:
                opening = messages.OpenShell(node.node_id)
                yield Command(
                    printable(f"Shell: {node.node_id}"), "Open a shell", partial(self.app.post_message, opening)
                )
        for session in list(state.sessions.values())[:SOURCES]:
            if session.mode is SessionMode.SHELL:
                ref = messages.SessionRef(session.node_id, session.session_id)
                what = f" {session.command}" if session.command else ""
                title = f"Attach: {session.short_id} on {session.node_id}{what} ({session.principal})"
                attaching = partial(self.app.post_message, messages.AttachSession(ref))
                # Textual reads the help as markup, so it must not contain text chosen by others.
                yield Command(printable(title), "One attached elsewhere is taken over", attaching)


_MOVES: Final = frozenset(("next_panel", "previous_panel", "command_palette"))


def _help(key: Key) -> str:
    return f"{key.more or key.text}   {key.label}"
