"""What a command may go on with, from the table of commands and what there is now."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from omnyshell.errors import ConfigException
from omnyshell.paths import logins_file
from omnyshell.printable import printable
from omnyshell.services.client.login_store import CredentialStore
from omnyshell.tui.colours.folder import theme_names
from omnyshell.tui.command_line.console import Console
from omnyshell.tui.commands import OTHER_NAMES, Command, Takes
from omnyshell.tui.formats import exposer_name
from omnyshell.tui.forwards import forwards_of, sessions_of
from omnyshell.tui.panels.details import labels
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.suggestions import NONE, Suggestion, Suggestions

MOST = 100
"""How many are offered."""

Words = Callable[[], Iterable[Suggestion]]


class Completer:
    """Completes lines: the names in `usable`, and what follows them."""

    def __init__(self, console: Console, commands: Mapping[str, Command], usable: Sequence[str]) -> None:
        self._console = console
        self._commands = commands
        self._usable = usable
        self._words: Mapping[Takes, Words] = {
            Takes.NODE: self._nodes,
            Takes.PLACE: self._places,
            Takes.SESSION: self._sessions,
            Takes.TUNNEL: self._tunnels,
            Takes.PRINCIPAL: self._principals,
            Takes.HUB: _hubs,
            Takes.THEME: lambda: map(Suggestion, theme_names()),
            Takes.COLUMN: self._columns,
            Takes.SAVED: lambda: (Suggestion(*one) for one in console.settings.own.filters.items()),
        }

    def complete(self, line: str) -> Suggestions:
        """Return what the end of the line may become."""
        name, space, rest = line.partition(" ")
        if not space:
            return _beginning(0, name, (_name(self._commands[one]) for one in self._usable))
        command = self._commands.get(OTHER_NAMES.get(name, name))
        if command is None or not command.takes:
            return NONE
        start = len(name) + 1
        if command.takes[0] is Takes.FILTER:
            found = self._panel_of(command).suggest(rest)
            return Suggestions(start + found.start, found.found)
        return self._word(command, rest, start)

    def _word(self, command: Command, rest: str, start: int) -> Suggestions:
        before, _, typed = rest.rpartition(" ")
        at = len(before.split())
        repeats = len(command.takes) == 1
        if at >= len(command.takes) and not repeats:
            return NONE
        kind = command.takes[min(at, len(command.takes) - 1)]
        words = self._words.get(kind)
        minus = "-" if command.name == "sort" and typed.startswith("-") else ""
        user = "".join(typed.rpartition("@")[:2]) if kind is Takes.PLACE else ""
        before_it = minus or user
        begin = start + len(rest) - len(typed) + len(before_it)
        after = " " if at + 1 < len(command.takes) else ""
        found = (one._replace(text=one.text + after) for one in (words() if words is not None else ()))
        return _beginning(begin, typed.removeprefix(before_it), found)

    def _panel_of(self, command: Command) -> Panel[Any]:
        return self._console.overview.panels.get(command.name, self._console.overview.panel)

    def _nodes(self) -> Iterator[Suggestion]:
        nodes = sorted(self._console.hub.state.nodes.values(), key=lambda node: (not node.is_online, node.node_id))
        for node in nodes:
            state = "" if node.is_online else "offline  "
            yield Suggestion(node.node_id, printable(f"{state}{labels(node.labels)}"))

    def _places(self) -> Iterator[Suggestion]:
        """Nodes, and users with nodes on which sessions run as them."""
        yield from self._nodes()
        sessions = self._console.hub.state.sessions.values()
        known = {(session.node_id, session.user) for session in sessions if session.user}
        yield from (Suggestion(f"{user}@{node_id}") for node_id, user in sorted(known))

    def _sessions(self) -> Iterator[Suggestion]:
        for session in sessions_of(self._console.hub.state):
            about = f"{session.node_id}  {session.command}  {session.principal}"
            yield Suggestion(session.short_id, printable(about))

    def _tunnels(self) -> Iterator[Suggestion]:
        for tunnel in self._console.hub.state.tunnels.values():
            about = f"{tunnel.target_host}:{tunnel.target_port} on {exposer_name(tunnel.node_id)}  {tunnel.principal}"
            yield Suggestion(str(tunnel.public_port), printable(about))
        for forward in forwards_of(self._console.hub.state):
            about = f"{forward.command} on {forward.node_id}  {forward.principal}"
            yield Suggestion(forward.short_id, printable(about))

    def _principals(self) -> Iterator[Suggestion]:
        state = self._console.hub.state
        known = {one.principal for one in state.peers.values()} | {one.principal for one in state.sessions.values()}
        yield from map(Suggestion, sorted(known | {one.principal for one in state.nodes.values()}))

    def _columns(self) -> Iterator[Suggestion]:
        for column in self._console.overview.panel.COLUMNS:
            yield Suggestion(column.name, column.title)


def _name(command: Command) -> Suggestion:
    is_begun = command.needs and not command.keys
    return Suggestion(f"{command.name} " if is_begun else command.name, command.about)


def _hubs() -> Iterator[Suggestion]:
    yield Suggestion("local", "this machine's own hub and node")
    try:
        logins = CredentialStore(logins_file()).all()
    except ConfigException:
        return
    for login in logins:
        yield Suggestion(login.name or login.hub, printable(f"{login.hub} as {login.principal}"))


def _beginning(start: int, typed: str, offered: Iterable[Suggestion]) -> Suggestions:
    """What begins as is typed; what peers say is left out where it could not be typed."""
    wanted = typed.casefold()
    found = [one for one in offered if one.text.casefold().startswith(wanted) and _is_one_word(one.text)]
    return Suggestions(start, found[:MOST])


def _is_one_word(text: str) -> bool:
    return bool(text) and text.isprintable() and " " not in text.rstrip(" ")
