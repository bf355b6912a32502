"""The place of the panes: lays them out, draws the lines between them, and has the commands that move things."""

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout as WidgetLayout, WidgetPlacement
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.tui.terminal.layout import Layout
from omnyshell.tui.terminal.splits import Axis, Border, Direction, Rect
from omnyshell.tui.terminal.tab import TabPane

LINE = "\N{BOX DRAWINGS LIGHT VERTICAL}"


class _Tiling(WidgetLayout):
    """Gives each pane the place that it has in the layout; one without a place is hidden."""

    name = "tiling"

    def __init__(self, layout: Layout[TabPane]) -> None:
        self._layout = layout

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:  # noqa: ARG002
        """Return where the widgets are."""
        self._layout.place = Rect(0, 0, *size)
        places = self._layout.places
        return [
            WidgetPlacement(Region(*place), NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if (place := self._place(child, places)) is not None
        ]

    def _place(self, child: Widget, places: dict[TabPane, Rect]) -> Rect | None:
        return places.get(child) if isinstance(child, TabPane) else self._layout.place


class Deck(Widget):
    """Shows the panes of a layout. `changed` is called after each command that changed it, and after a resize."""

    DEFAULT_CSS = """
    Deck { width: 100%; height: 1fr; }
    Deck > TabPane { display: none; }
    Deck > TabPane.-shown { display: block; }
    Deck #nothing { width: 100%; height: 100%; content-align: center middle; color: $text-muted; display: none; }
    Deck.-empty #nothing { display: block; }
    Deck .deck--line { color: $muted; }
    Deck .deck--line-active { color: $primary; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"deck--line", "deck--line-active"}
    ALLOW_SELECT = False

    def __init__(self, layout: Layout[TabPane], changed: Callable[[], None], advice: Callable[[], str]) -> None:
        """`advice` says what to do where there is no pane."""
        super().__init__(id="deck")
        self._layout = layout
        self._tiling = _Tiling(layout)
        self.changed = changed
        self._dragged: Border | None = None
        self._advice = advice
        self._waits_for = ""
        self._nothing = Static(id="nothing", markup=False)

    @property
    def layout(self) -> WidgetLayout:
        """The panes' places, whatever the styles say."""
        return self._tiling

    def compose(self) -> ComposeResult:
        """Say what to do where there is no pane."""
        yield self._nothing

    def show(self) -> None:
        """Follow the layout."""
        self.set_class(not self._layout.tabs, "-empty")
        self._advise()
        shown = self._layout.tab.panes if self._layout.tab is not None else []
        for pane in self.query_children(TabPane):
            pane.set_class(pane in shown, "-shown")
        self.refresh()
        # A child's wish has Textual forget where the children were.
        self._nothing.refresh(layout=True, repaint=False)

    def say(self, words: str) -> None:
        """Say what is waited for where there is no pane; "" for what to do."""
        self._waits_for = words
        self._advise()

    def _advise(self) -> None:
        if not self._layout.tabs:
            self._nothing.update(self._waits_for or self._advice())

    def on_resize(self) -> None:
        """Tell which panes are on screen now: they may all fit, or no more."""
        # Textual may take the places from what it remembers of this size.
        self._layout.place = Rect(0, 0, *self.size)
        self.changed()

    def render_line(self, y: int) -> Strip:
        """Return the lines between panes that are side by side."""
        usual, active = (self.get_component_rich_style(f"deck--{name}") for name in ("line", "line-active"))
        here = self._layout.places.get(self._layout.active) if self._layout.active is not None else None
        columns = sorted(
            border.place.x
            for border in self._layout.borders()
            if border.axis is Axis.BESIDE and border.place.y <= y < border.place.bottom
        )
        segments, at = [], 0
        for column in columns:
            is_at_active = here is not None and here.y <= y < here.bottom and column in (here.x - 1, here.right)
            segments += [Segment(" " * (column - at), usual), Segment(LINE, active if is_at_active else usual)]
            at = column + 1
        return Strip([*segments, Segment(" " * (self.size.width - at), usual)], self.size.width)

    # Dragging

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of a border; a click on a pane's title gives it the keyboard."""
        x, y = event.screen_x - self.region.x, event.screen_y - self.region.y
        border = next((one for one in self._layout.borders() if one.place.has(x, y)), None)
        pane = next((pane for pane, place in self._layout.places.items() if place.has(x, y)), None)
        if pane is not None:
            self._layout.activate(pane)
            self.changed()
        if border is not None and event.button == 1:
            event.stop()
            self._dragged = border
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move the border."""
        if self._dragged is None:
            return
        event.stop()
        now = next((one for one in self._layout.borders() if one[:2] == self._dragged[:2]), None)
        if now is None:
            return
        x, y = event.screen_x - self.region.x, event.screen_y - self.region.y
        if self._layout.move(now, x - now.place.x if now.axis is Axis.BESIDE else y - now.place.y):
            self.changed()

    def on_mouse_up(self) -> None:
        """Let go of it."""
        if self._dragged is not None:
            self._dragged = None
            self.release_mouse()

    # Commands

    def action_focus(self, direction: str) -> None:
        """Go to the pane at a side."""
        self._layout.focus(Direction(direction))
        self.changed()

    def action_focus_next(self) -> None:
        """Go to the next pane of the tab."""
        self._layout.focus_next()
        self.changed()

    def action_zoom(self) -> None:
        """Show the pane alone, or all of the tab again."""
        self._layout.zoom()
        self.changed()

    def action_even(self) -> None:
        """Make panes equal."""
        self._layout.even()
        self.changed()

    def action_arrange(self) -> None:
        """Bring the panes into the next arrangement."""
        self._layout.arrange_next()
        self.changed()

    def action_swap(self, step: int) -> None:
        """Have the pane change places with the next one."""
        self._layout.swap(step)
        self.changed()

    def action_rotate(self) -> None:
        """Move all panes of the tab on by one place."""
        self._layout.rotate()
        self.changed()

    def action_break_out(self) -> None:
        """Give the pane a tab of its own."""
        self._layout.break_out()
        self.changed()
