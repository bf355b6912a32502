"""What each command does. A command is prepared first, so that what is wrong with it is said where it is typed."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from textual.dom import DOMNode
from textual.message import Message

from omnyshell.errors import ConfigException
from omnyshell.ids import matches_ref
from omnyshell.model.admin import LockKind
from omnyshell.model.grammars import is_login
from omnyshell.model.live import LiveNode, LiveSession
from omnyshell.model.tunnels import TunnelProtocol
from omnyshell.options.toml_values import instead_of
from omnyshell.printable import printable, sentence
from omnyshell.tui import messages
from omnyshell.tui.active_keys import Active, do_key
from omnyshell.tui.advice import offline
from omnyshell.tui.colours.folder import check_theme
from omnyshell.tui.command_line.console import Console
from omnyshell.tui.commands import OTHER_NAMES, Command, places
from omnyshell.tui.dialogs.tunnel import TunnelSpec, port_number, target_host, target_port
from omnyshell.tui.forwards import forwards_of
from omnyshell.tui.keys import Key
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.own.reading import columns_of
from omnyshell.tui.own.saving import forget_filter, save_columns, save_filter
from omnyshell.tui.panels.filter import FilterError
from omnyshell.tui.panels.openings import Opening, opening_id
from omnyshell.tui.settings import settings_file
from omnyshell.tui.terminal.opening import OpenSpec

T = TypeVar("T")

Prepared = Callable[[], Awaitable[None] | None]
"""Does it. Raises `OmnyShellException`."""


TUNNEL_OPTIONS = frozenset(("http", "tls"))


class CommandError(ValueError):
    """A command that is none, or that cannot be done; the text says what could be."""


class Doing:
    """Prepares commands; `active` are the keys that had an effect where the line was opened."""

    def __init__(self, console: Console, commands: Mapping[str, Command], active: Active) -> None:
        self._console = console
        self._active = active
        present = console.overview.panel.NAME.lower()
        # Panels may have commands of one name: that of the present one is meant.
        by_panel = sorted(console.settings.own.commands, key=lambda command: command.panel == present)
        self._own = {command.name: command for command in by_panel}
        self.commands = {**commands, **{name: Command(name, one.about) for name, one in self._own.items()}}

    @property
    def usable(self) -> list[str]:
        """The names of the commands that do something here."""
        return [name for name, command in self.commands.items() if command.is_declared or self._key(command)]

    def explain(self, line: str) -> str:
        """Return how the command of a line is written, and what it does; "" where there is none yet."""
        name = line.strip().partition(" ")[0]
        command = self.commands.get(OTHER_NAMES.get(name, name))
        return f":{command.name} {command.usage}".rstrip() + f"   {command.about}" if command is not None else ""

    def prepare(self, line: str) -> Prepared:
        """Return what does it. Raises `CommandError`."""
        name, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if name in self._own and not rest:
            return partial(self._console.overview.panels[self._own[name].panel].action_own, name)
        command = self.commands.get(OTHER_NAMES.get(name, name))
        if command is None:
            raise CommandError(f"There is no command '{name}'{_instead(name, self.commands)}")
        if command.is_declared and name not in self._own and (rest or not command.needs):
            return self._declared(command, rest)
        if rest:
            raise CommandError(f":{command.name} takes nothing after it")
        return self._by_key(command)

    def _declared(self, command: Command, rest: str) -> Prepared:
        if len(rest.split()) < command.needs or (rest and not command.takes):
            raise CommandError(f"Write it as :{command.name} {command.usage}".rstrip())
        made: Prepared = getattr(self, command.method)(rest)
        return made

    def _by_key(self, command: Command) -> Prepared:
        found = self._key(command)
        if found is not None:
            return partial(do_key, *found)
        if command.needs:
            raise CommandError(f"Write it as :{command.name} {command.usage}")
        raise CommandError(f":{command.name} is of {' and '.join(places(command))}: go there first")

    def _key(self, command: Command) -> tuple[Key, DOMNode] | None:
        return next(((key, self._active[key]) for key in command.keys if key in self._active), None)

    # Panels

    def do_nodes(self, rest: str) -> Prepared:
        """Go to the nodes."""
        return self._panel("nodes", rest)

    def do_sessions(self, rest: str) -> Prepared:
        """Go to the sessions."""
        return self._panel("sessions", rest)

    def do_tunnels(self, rest: str) -> Prepared:
        """Go to the tunnels."""
        return self._panel("tunnels", rest)

    def do_audit(self, rest: str) -> Prepared:
        """Go to the audit trail."""
        return self._panel("audit", rest)

    def _panel(self, name: str, text: str) -> Prepared:
        overview = self._console.overview
        panel = overview.panels[name]
        if text:
            _right(lambda: panel.check_filter(text))

        def go() -> None:
            self._console.switch_mode("overview")
            if text:
                panel.set_filter(text)
            overview.action_show_panel(name)

        return go

    def do_filter(self, rest: str) -> Prepared:
        """Filter the present panel."""
        panel = self._console.overview.panel
        _right(lambda: panel.check_filter(rest))

        def do() -> None:
            panel.set_filter(rest)
            self._console.switch_mode("overview")

        return do

    def do_save(self, rest: str) -> Prepared:
        """Keep the present filter."""
        panel = self._console.overview.panel
        text = panel.look.filter.strip()
        if not text:
            raise CommandError("No filter is set: set one with / or :filter, and save it then")

        def do() -> None:
            save_filter(settings_file(), self._console.settings.own, rest, text)
            panel.notify(f"@{rest} is {text}", title="Saved", markup=False)

        return do

    def do_forget(self, rest: str) -> Prepared:
        """Drop a saved filter."""
        own = self._console.settings.own
        if rest not in own.filters:
            raise CommandError(f"There is no saved filter '{rest}'{_instead(rest, own.filters)}")
        return lambda: forget_filter(settings_file(), own, rest)

    def do_columns(self, rest: str) -> Prepared:
        """Choose the columns of the present panel."""
        panel = self._console.overview.panel
        name = panel.NAME.lower()
        if not rest:
            return panel.action_columns
        names = () if rest == "all" else _right(lambda: columns_of(name, rest.replace(",", " ").split()))

        def do() -> None:
            save_columns(settings_file(), self._console.settings.own, name, names)
            panel.use(self._console.settings.own)
            empty = [column for column in panel.columns if column.name in names and panel.why_nothing(column)]
            if empty:
                panel.notify(panel.why_nothing(empty[0]), title=", ".join(column.title for column in empty))

        return do

    def do_sort(self, rest: str) -> Prepared:
        """Order the rows of the present panel."""
        panel = self._console.overview.panel
        (wanted,) = _right(lambda: columns_of(panel.NAME.lower(), [rest.removeprefix("-")]))
        return lambda: panel.sort_by(wanted, is_reversed=rest.startswith("-"))

    # Nodes

    def do_node(self, rest: str) -> Prepared:
        """Go to a node."""
        node = self._node(rest)

        def go() -> None:
            self._console.switch_mode("overview")
            self._console.overview.go_to("nodes", node.key)

        return go

    def do_shell(self, rest: str) -> Prepared:
        """Open a shell."""
        user, node_id = self._placed(rest)
        return self._asking(messages.OpenShell(node_id, user))

    def do_files(self, rest: str) -> Prepared:
        """Show files."""
        user, node_id = self._placed(rest)
        return self._asking(messages.OpenFiles(node_id, user))

    def do_exec(self, rest: str) -> Prepared:
        """Run a command in a terminal."""
        name, _, command = rest.partition(" ")
        user, node_id = self._placed(name)
        spec = OpenSpec(node_id=node_id, user=user, command=command.strip())

        def do() -> None:
            self._console.terminals.open(spec)
            self._console.switch_mode("terminals")

        return do

    def do_run(self, rest: str) -> Prepared:
        """Run a command on several nodes."""
        return self._asking(messages.FanOut(self._meant(), rest))

    def _meant(self) -> tuple[str, ...]:
        """The selected nodes, or else those that the filter shows, or else the one under the cursor."""
        panel = self._console.overview.nodes
        rows = panel.rows
        if rows.selected or not panel.look.filter.strip():
            nodes = rows.chosen()
        else:
            nodes = [node for node in rows.shown if node.is_online]
        if not nodes:
            raise CommandError("On which nodes? No node that is online is shown: change the filter of the nodes")
        return tuple(node.node_id for node in nodes)

    def do_lock(self, rest: str) -> Prepared:
        """Lock a node."""
        return self._asking(messages.Lock(LockKind.NODE, self._node(rest).node_id))

    def do_labels(self, rest: str) -> Prepared:
        """Set the hub's labels of a node."""
        return self._asking(messages.SetLabels(self._node(rest).node_id))

    def do_invite(self, _rest: str) -> Prepared:
        """Invite."""
        return self._asking(messages.AskForInvite())

    def do_users(self, _rest: str) -> Prepared:
        """Show who may use the hub."""
        return self._asking(messages.ShowAccess())

    def do_hubs(self, _rest: str) -> Prepared:
        """Show the hubs."""
        return self._asking(messages.ShowHubs())

    def do_revoke(self, rest: str) -> Prepared:
        """Revoke a principal."""
        return self._asking(messages.Revoke(principal=rest))

    def _placed(self, place: str) -> tuple[str, str]:
        """Return user and node of `USER@NODE`, or of a node alone. Raises `CommandError`."""
        user, at, name = place.rpartition("@")
        if at and not is_login(user):
            raise CommandError(f"'{printable(user)}' is no user's name")
        return user, self._online(name).node_id

    def _online(self, name: str) -> LiveNode:
        node = self._node(name)
        if not node.is_online:
            raise CommandError(offline(name))
        return node

    def _node(self, name: str) -> LiveNode:
        known = {node.node_id: node for node in self._console.hub.state.nodes.values()}
        if name not in known:
            raise CommandError(f"There is no node '{printable(name)}'{_instead(name, known)}")
        return known[name]

    # Sessions and tunnels

    def do_attach(self, rest: str) -> Prepared:
        """Attach a session."""
        return self._asking(messages.AttachSession(_ref(self._session(rest))))

    def do_watch(self, rest: str) -> Prepared:
        """Watch a session."""
        return self._asking(messages.WatchSession(_ref(self._session(rest))))

    def do_kill(self, rest: str) -> Prepared:
        """End sessions, after asking."""
        return self._asking(messages.KillSessions(tuple(_ref(self._session(word)) for word in rest.split())))

    def do_close(self, rest: str) -> Prepared:
        """Close tunnels and forwards, after asking."""
        return self._asking(messages.CloseTunnels(tuple(opening_id(self._opening(word)) for word in rest.split())))

    def do_tunnel(self, rest: str) -> Prepared:
        """Open a tunnel, or ask where to."""
        words = rest.split()
        if len(words) < 2:
            return self._asking(messages.AskForTunnel(self._node(rest).node_id if rest else ""))
        options = TUNNEL_OPTIONS.intersection(words[2:])
        node, *places = [*words[:2], *(word for word in words[2:] if word not in options)]
        if len(places) > 2:
            raise CommandError(f"Write it as :tunnel {self.commands['tunnel'].usage}")
        spec = _right(lambda: _tunnel_spec(options, self._online(node).node_id, *places))
        return lambda: self._console.open_tunnel(spec)

    def _session(self, ref: str) -> LiveSession:
        known = self._console.hub.state.sessions.values()
        found = [one for one in known if matches_ref(one.session_id, ref)]
        return _the_one(found, f"session '{printable(ref)}'", _instead(ref, [one.short_id for one in known]))

    def _opening(self, ref: str) -> Opening:
        hub_state = self._console.hub.state
        tunnels = {str(one.public_port): one for one in hub_state.tunnels.values()}
        known: list[Opening] = [*tunnels.values(), *forwards_of(hub_state)]
        found = [tunnels[ref]] if ref in tunnels else [one for one in known if matches_ref(opening_id(one), ref)]
        return _the_one(found, f"tunnel or forward '{printable(ref)}'", _instead(ref, tunnels))

    # The console

    def do_hub(self, rest: str) -> Prepared:
        """Go to another hub."""
        return lambda: self._console.go_to_hub(rest)

    def do_theme(self, rest: str) -> Prepared:
        """Use a theme."""
        _right(lambda: check_theme(rest))

        def do() -> None:
            settings = replace(self._console.settings, theme=rest)
            if wrong := self._console.use_theme(rest):
                raise ConfigException("; ".join(wrong))
            settings.save(settings_file())
            self._console.settings = settings

        return do

    def _asking(self, message: Message) -> Prepared:
        def do() -> None:
            self._console.post_message(message)

        return do


def _ref(session: LiveSession) -> SessionRef:
    return SessionRef(session.node_id, session.session_id)


def _the_one(found: Sequence[T], what: str, advice: str) -> T:
    if not found:
        raise CommandError(f"There is no {what}{advice}")
    if len(found) > 1:
        raise CommandError(f"More than one may be meant by {what}: write more of its id")
    return found[0]


def _tunnel_spec(options: Collection[str], node_id: str, target: str, public: str = "") -> TunnelSpec:
    host, _, port = target.rpartition(":")
    number = target_port(port)
    host = target_host(host.removeprefix("[").removesuffix("]") or "localhost")
    protocol = TunnelProtocol.HTTP if "http" in options else TunnelProtocol.TCP
    return TunnelSpec(node_id, host, number, port_number(public), protocol, secure="tls" in options)


def _instead(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Advice for a word that is not known: what is like it; nothing where little is known or all of it is too much."""
    advice = instead_of(word, known) if known else ""
    return sentence(printable(advice)) if "did you mean" in advice or len(known) <= 12 else ""


def _right(read: Callable[[], T]) -> T:
    """Return what is read. Raises `CommandError` for what is wrong with it."""
    try:
        return read()
    except (FilterError, ConfigException, ValueError) as exc:
        raise CommandError(str(exc)) from exc
