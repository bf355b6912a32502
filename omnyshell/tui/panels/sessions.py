"""The sessions that the hub relays, or that are detached on its nodes."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar

from textual.binding import BindingType

from omnyshell.clock import Clock
from omnyshell.model.live import LiveSession, Part
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.printable import printable
from omnyshell.services.client.live.state import HubState, Link
from omnyshell.tui import messages
from omnyshell.tui.first_steps import towards_shell
from omnyshell.tui.formats import (
    NOTHING,
    RATE_FLOOR,
    Cell,
    Tone,
    duration,
    left,
    remaining,
    size,
    state_word,
)
from omnyshell.tui.forwards import sessions_of
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column, age_column, hub_column, rate_column, trend_column
from omnyshell.tui.panels.fields import Number, Quantity, Text, natural
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.rights import Need, ref_of, why_nowhere

ANSWER_TIME = 1.5
"""Seconds in which an online node reports its detached sessions to the hub."""

_STATES = {
    SessionState.OPENING: Cell("◌ opening", Tone.ACCENT),
    SessionState.OPEN: Cell("● attached", Tone.GOOD),
    SessionState.ATTACHED: Cell("● attached", Tone.GOOD),
    SessionState.DETACHED: Cell("◐ detached", Tone.WARN),
    SessionState.CLOSING: Cell("○ closing", Tone.DIM),
    SessionState.CLOSED: Cell("○ closed", Tone.DIM),
}


_AWAY = Cell("◌ away", Tone.DIM)

_SEEN = "◉"
"""In place of the sign of a state: somebody else looks at the session, or has it."""


def _state(session: LiveSession, _now: datetime) -> Cell:
    state = _AWAY if session.away else _STATES[session.state]
    return Cell(_SEEN + state.text[1:], Tone.WARN) if session.watched_by or session.taken_by else state


def _text(text: str) -> Cell:
    return Cell(text) if text else Cell(NOTHING, Tone.DIM)


def _known(count: int | None, shown: Callable[[int], str]) -> Cell:
    return Cell(NOTHING, Tone.DIM) if count is None else Cell(shown(count))


def _processor_time(session: LiveSession) -> float | None:
    """Return seconds."""
    return None if session.cpu_millis is None else session.cpu_millis / 1000


def _rate(session: LiveSession) -> int:
    return session.rate_in + session.rate_out


class SessionsPanel(Panel[LiveSession]):
    """The sessions: what runs, where, and for whom."""

    PART = Part.SESSIONS
    NAME = "Sessions"
    NUMBER = 2
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.SESSIONS, Context.TABLE)
    COLUMNS = (
        Column(
            "STATE",
            10,
            _state,
            Text(
                "state",
                "opening, attached, detached, away (detached on a node that is offline), closing or closed",
                lambda session, now: state_word(_state(session, now)),
            ),
            keep=90,
        ),
        Column(
            "SESSION",
            8,
            lambda session, _: Cell(session.short_id, Tone.STRONG),
            Text("session", "its id, shown by its beginning", lambda session, _: session.session_id),
            keep=85,
        ),
        Column(
            "NODE",
            10,
            lambda session, _: Cell(session.node_id),
            Text("node", "where it runs", lambda session, _: session.node_id),
            most=28,
            keep=100,
            sort=lambda session: (natural(session.node_id), session.created_at),
        ),
        hub_column(lambda session: session.hub, keep=48),
        Column(
            "OWNER",
            8,
            lambda session, _: Cell(session.principal),
            Text("principal", "whose it is", lambda session, _: session.principal),
            most=20,
            keep=70,
        ),
        Column(
            "USER",
            6,
            lambda session, _: _text(session.user),
            Text("user", "the user of the node's machine as whom it runs", lambda session, _: session.user),
            most=16,
            keep=45,
        ),
        Column(
            "MODE",
            5,
            lambda session, _: Cell(session.mode.value),
            Text("mode", "shell or exec", lambda session, _: session.mode.value),
            keep=30,
        ),
        Column(
            "COMMAND",
            12,
            lambda session, _: _text(session.command),
            Text("command", "what runs, in a shell in its foreground", lambda session, _: session.command),
            most=48,
            keep=80,
        ),
        Column(
            "DIRECTORY",
            10,
            lambda session, _: _text(session.cwd),
            Text("dir", "its directory", lambda session, _: session.cwd),
            most=36,
            keep=40,
            keep_end=True,
        ),
        age_column(lambda session: session.created_at, keep=60),
        Column(
            "ENDS",
            4,
            lambda session, now: left(session.expires_at, now),
            Number(
                "ends",
                "until it ends by itself",
                lambda session, now: remaining(session.expires_at, now),
                Quantity.TIME,
            ),
            keep=35,
            right=True,
        ),
        rate_column("input and output in a second", _rate, keep=50),
        Column(
            "MEMORY",
            6,
            lambda session, _: _known(session.memory, size),
            Number("memory", "memory that its processes take", lambda session, _: session.memory, Quantity.SIZE),
            keep=18,
            right=True,
            falls=True,
        ),
        Column(
            "CPU",
            4,
            lambda session, _: duration(_processor_time(session)),
            Number(
                "cpu",
                "processor time that they have taken",
                lambda session, _: _processor_time(session),
                Quantity.TIME,
            ),
            keep=17,
            right=True,
            falls=True,
        ),
        Column(
            "PROCS",
            5,
            lambda session, _: _known(session.processes, str),
            Number("processes", "how many they are", lambda session, _: session.processes),
            keep=16,
            right=True,
            falls=True,
        ),
        trend_column("how its rate was in the last seconds, ten to forty", _rate, lambda _: RATE_FLOOR, keep=20),
    )
    FIELDS = (
        Number(
            "bytes",
            "input and output since it was opened or resumed",
            lambda session, _: session.bytes_in + session.bytes_out,
            Quantity.SIZE,
        ),
    )
    SORTED_BY = 2
    SEVERAL = frozenset({"detach", "kill"})

    def __init__(self, state: HubState, clock: Clock, **settings: Any) -> None:
        super().__init__(state, clock, **settings)
        self._online_since: dict[str, float] = {}
        """When each online node was first seen online, on the monotonic clock."""

    def take(self) -> None:
        """Note since when nodes are online, and load the present state."""
        now = self._clock.monotonic()
        is_up = self.state.link is Link.UP
        online = [node.node_id for node in self.state.nodes.values() if is_up and node.is_online]
        self._online_since = {node_id: self._online_since.get(node_id, now) for node_id in online}
        super().take()

    def key_of(self, item: LiveSession) -> str:
        """What identifies an item."""
        return item.key

    def items(self) -> Iterable[LiveSession]:
        """What there is now."""
        return sessions_of(self.state)

    def sample(self) -> None:
        """Note all rates."""
        now = {session.key: session for session in self.items()}
        for key, session in now.items():
            self.trends.note_or_drop(key, _rate(session))
        self.trends.keep(now)

    def empty_text(self) -> str:
        """What to do if there is no session. Detached ones are shown once their nodes have answered."""
        if why := why_nowhere(Need.WATCH, self.state):
            return f"Sessions are not shown to you. {why}"
        now = self._clock.monotonic()
        if any(now - since < ANSWER_TIME for since in self._online_since.values()):
            return "Looking for sessions…"
        return f"No sessions. {towards_shell(self.state)}"

    def describe(self, item: LiveSession) -> details.Details:
        """All that is known of a session."""
        return details.of_session(item, self._clock.now())

    def identify(self, item: LiveSession) -> tuple[str, str]:
        """What one copies first."""
        return "SESSION", item.session_id

    def open(self, item: LiveSession) -> None:
        """Attach it here."""
        if item.mode is not SessionMode.SHELL:
            text = f"{printable(item.short_id)} runs a command and has no terminal; only shells attach"
            self.notify(text, severity="warning", markup=False)
            return
        self.post_message(messages.AttachSession(ref_of(item, self.state)))

    def action_watch(self) -> None:
        """Watch without attaching."""
        if self.rows.current is not None:
            self.post_message(messages.WatchSession(ref_of(self.rows.current, self.state)))

    def action_detach(self) -> None:
        """Detach all selected sessions from their clients."""
        self.post_message(messages.DetachSessions(self._refs("detach")))

    def action_kill(self) -> None:
        """End all selected sessions."""
        self.post_message(messages.KillSessions(self._refs("kill")))

    def _refs(self, action: str) -> tuple[SessionRef, ...]:
        """What requests name the chosen sessions by, as far as an action may be done to them."""
        return tuple(ref_of(session, self.state) for session in self.allowed(action))
