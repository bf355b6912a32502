"""A session on the wall: its screen in a frame that says what it is."""

from datetime import UTC, datetime

from textual.content import Content

from omnyshell.ids import short_id
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.tui.formats import age, left
from omnyshell.tui.previews.preview import Preview
from omnyshell.tui.terminal.tab import one_line


class WallTile(Preview):
    """A preview with a border: node and command above, state and age below."""

    DEFAULT_CSS = """
    WallTile {
        border: round $line;
        border-title-color: $foreground;
        border-subtitle-color: $muted;
        &.-selected { border: round $primary; border-title-color: $primary; border-title-style: bold; }
    }
    WallTile > Static { display: none; }
    """

    _info: DetachedSessionInfo | None = None
    _now = datetime.min.replace(tzinfo=UTC)

    def describe(self, info: DetachedSessionInfo, now: datetime) -> None:
        """Say what is known of the session now."""
        self._info, self._now = info, now
        self.tell()

    def tell(self) -> None:
        """Say it in the border."""
        info = self._info
        if info is None or info.session_id != (self.ref.session_id if self.ref is not None else ""):
            return
        what = one_line(info.current_command or "") or self.title() or "shell"
        self.border_title = Content(one_line(f"{info.node_id} · {what}", 200))
        self.border_subtitle = Content(one_line(" · ".join(self._below(info)), 200))

    def _below(self, info: DetachedSessionInfo) -> list[str]:
        now = self._now
        words = [self.condition() or f"◐ detached {age(info.detached_at, now).text}"]
        words += [short_id(info.session_id), f"opened {age(info.created_at, now).text} ago"]
        return words + ([f"ends in {left(info.expires_at, now).text}"] if info.expires_at is not None else [])
