"""The line of keys at the bottom."""

from typing import Final, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.app import RenderResult
from textual.binding import ActiveBinding
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from omnyshell.tui.keys import KEYS, character_of, name_of

_FIRST: Final = (
    *("show_help", "command_line", "command_palette", "open", "shell", "attach", "fan_out", "watch", "kill", "filter"),
    *("open_tunnel", "close_tunnels", "copy_over", "other_pane", "edit", "rename", "delete"),
)
"""What is needed most, in the order in which it gets room; all else comes behind."""
_GAP: Final = 2

_WORTH_A_PLACE: Final = {(key.action, key.text) for key in KEYS if not key.is_plain}
"""The console's own keys: widgets have others, which people know from everywhere."""


class _Face(NamedTuple):
    """How a key is shown, and what pressing it there does."""

    key: str
    label: str
    text: str
    more: str
    enabled: bool

    @property
    def width(self) -> int:
        return cell_len(self.label) + 1 + cell_len(self.text)


class KeyFooter(Widget):
    """Shows the keys that act, as many whole ones as have room: first those that lead to all others."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyFooter {
        dock: bottom;
        height: 1;
        padding: 0 1;
        color: $footer-foreground;
        background: $footer-background;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._faces: list[_Face] = []

    def on_mount(self) -> None:
        """Follow the screen's keys."""
        self.screen.bindings_updated_signal.subscribe(self, self._keys_changed)
        self._keys_changed(self.screen)

    def _keys_changed(self, screen: Screen[object]) -> None:
        faces = _faces(screen)
        if faces != self._faces:
            self._faces = faces
            self.refresh()

    def render(self) -> RenderResult:
        """The keys in a row."""
        parts: list[str | tuple[str, str]] = []
        for face in self._fitting():
            dim = "" if face.enabled else " dim"
            parts += [" " * _GAP if parts else "", (face.label, f"bold $footer-key-foreground{dim}")]
            parts += [(f" {face.text}", f"$footer-description-foreground{dim}")]
        return Content.assemble(*parts)

    def _fitting(self) -> list[_Face]:
        room, found = self.content_size.width + _GAP, []
        for face in self._faces:
            room -= face.width + _GAP
            if room < 0:
                break
            found.append(face)
        return found

    def _face_at(self, x: int) -> _Face | None:
        for face in self._fitting():
            if 0 <= x < face.width:
                return face
            x -= face.width + _GAP
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Say what the key under the pointer does."""
        face = self._face_at(event.x - self.styles.padding.left)
        self.tooltip = face.more or None if face is not None else None

    def on_click(self, event: events.Click) -> None:
        """Press the key; one that is dimmed says why."""
        face = self._face_at(event.x - self.styles.padding.left)
        if face is not None:
            self.app.simulate_key(face.key)


def _faces(screen: Screen[object]) -> list[_Face]:
    """The screen's keys in the order in which they get their room, each of several for one thing once."""
    found: dict[str, _Face] = {}
    for key, (_, binding, enabled, tooltip) in sorted(screen.active_bindings.items(), key=_rank):
        is_ours = binding.show or (binding.action, binding.description) in _WORTH_A_PLACE
        if is_ours and binding.action not in found and not _is_typed(screen, key):
            # Where the key that is usually named types a character, the one is named that acts.
            label = binding.key_display or name_of(key)
            label = name_of(key) if _is_typed(screen, label) else label
            found[binding.action] = _Face(key, label, binding.description, tooltip or binding.tooltip, enabled)
    return list(found.values())


def _is_typed(screen: Screen[object], key: str) -> bool:
    """Whether what has the focus takes the key as a character."""
    return screen.focused is not None and screen.focused.check_consume_key(key, character_of(key))


def _rank(entry: tuple[str, ActiveBinding]) -> tuple[int, bool]:
    binding = entry[1].binding
    action = binding.action.rpartition(".")[2]
    return (_FIRST.index(action) if action in _FIRST else len(_FIRST)), not binding.show
