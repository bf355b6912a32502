"""The line at the top: the hub, its state, and its traffic."""

from collections import deque

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from omnyshell.clock import Clock
from omnyshell.durations import format_duration
from omnyshell.model.live import Part
from omnyshell.printable import printable
from omnyshell.services.client.live.state import HubState, Link
from omnyshell.tui.formats import LEVELS, RATE_FLOOR, milliseconds, size, spark
from omnyshell.tui.forwards import sessions_of


class History:
    """The newest figures of a series, as many as a sparkline shows."""

    def __init__(self, length: int) -> None:
        self._values: deque[float] = deque(maxlen=length)
        self._length = length

    def add(self, value: float) -> None:
        """Note the next figure."""
        self._values.append(max(0.0, value))

    @property
    def last(self) -> float:
        """The newest figure."""
        return self._values[-1] if self._values else 0.0

    def bars(self) -> str:
        """The figures as bars, the newest at the right; a rate that means nothing is a flat line."""
        return spark(self._values, RATE_FLOOR).rjust(self._length, LEVELS[0])


SPARKS = 16

MOST_ROLES = 24
"""Characters of roles beside the user's name."""


class HubHeader(Widget):
    """Shows a state and the name of its hub; `tell` it whenever something may have changed."""

    DEFAULT_CSS = """
    HubHeader {
        height: 1;
        padding: 0 1;
        background: $panel;
        color: $bar-text;
    }
    """

    def __init__(self, state: HubState, clock: Clock) -> None:
        super().__init__()
        self._state = state
        self._clock = clock
        self._hub = ""
        self._who = ""
        self._relayed = History(SPARKS)
        self._metrics_version = 0
        self._said: tuple[tuple[str, str], ...] = ()

    def name_hub(self, hub: str, who: str) -> None:
        """Say which hub it is, and as whom we are there."""
        self._hub, self._who = printable(hub), printable(who)
        self.tell()

    def twin(self) -> "HubHeader":
        """Return another line of the same hub, for another screen."""
        made = HubHeader(self._state, self._clock)
        made._hub, made._who = self._hub, self._who
        made._relayed, made._metrics_version = self._relayed, self._metrics_version
        return made

    def name_principal(self, who: str) -> None:
        """Say as whom we are there."""
        self.name_hub(self._hub, who)

    def tell(self) -> None:
        """Draw the line again if it has changed."""
        version = self._state.version(Part.METRICS)
        metrics = self._state.metrics
        if metrics is not None and version != self._metrics_version:
            self._metrics_version = version
            self._relayed.add(metrics.relay_rate)
        said = tuple(self._words())
        if said != self._said:
            self._said = said
            self.refresh()

    def _words(self) -> list[tuple[str, str]]:
        state = self._state
        words = [("OmnyShell", "bold $bar-primary"), (self._link(), self._link_style())]
        if state.metrics is not None and state.metrics.audit_broken:
            words.append(("✗ audit broken", "bold $bar-error"))
        if self._hub:
            words.append((printable(state.elsewhere) or self._hub, "bold"))
        if self._who:
            words.append((f"{self._who}{self._roles()}", ""))
        if state.link is Link.UP and state.round_trip is not None:
            words.append((f"rtt {milliseconds(state.round_trip)}", "$bar-muted"))
        if state.metrics is not None:
            words.append((f"{self._relayed.bars()} {size(self._relayed.last)}/s", "$bar-accent"))
        online = sum(node.is_online for node in state.nodes.values())
        sessions = sum(1 for _ in sessions_of(state))
        counts = ((online, "node"), (sessions, "session"), (len(state.tunnels), "tunnel"))
        words.append((" ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts), "$bar-muted"))
        return words

    def _roles(self) -> str:
        """The user's roles, where the hub says them and they are short."""
        roles = ", ".join(self._state.own.roles) if self._state.own is not None else ""
        return f" ({printable(roles)})" if 0 < len(roles) <= MOST_ROLES else ""

    def _link(self) -> str:
        state = self._state
        if state.link is Link.UP:
            return "● connected"
        if state.link is Link.REFUSED:
            return "✗ refused"
        age = state.age(Part.NODES)
        lost_for = f" {format_duration(age)}" if age is not None else ""
        return f"✗ lost{lost_for}, reconnecting" if state.link is Link.LOST else "◌ connecting"

    def _link_style(self) -> str:
        styles = {Link.UP: "$bar-success", Link.CONNECTING: "$bar-muted", Link.LOST: "bold $bar-warning"}
        return styles.get(self._state.link, "bold $bar-error")

    def render(self) -> RenderResult:
        """As much of the text as fits."""
        room = self.content_size.width
        shown: list[str | tuple[str, str]] = []
        for number, (text, style) in enumerate(self._said):
            needed = cell_len(text) + (2 if number else 0)
            if needed > room:
                continue
            room -= needed
            shown += ["  "] if number else []
            shown.append((text, style) if style else text)
        return Content.assemble(*shown)
