"""Which terminals are on screen: tabs, the panes of each, the one with the keyboard. Without widgets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from omnyshell.tui.terminal import splits
from omnyshell.tui.terminal.arrangements import next_arrangement
from omnyshell.tui.terminal.splits import Axis, Border, Direction, Leaf, Rect, Tree

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Tab(Generic[T]):
    """A tab and its panes, of which `active` gets the keys."""

    tree: Tree[T]
    active: T
    name: str = ""
    """The name that the user gave it."""

    zoomed: bool = False
    """Whether only the active pane is shown."""

    all_keys: bool = False
    """Whether keys go to all panes."""

    recent: list[T] = field(default_factory=list)
    """The panes that were active, the last one last."""

    arrangement: int = -1
    """The number of the arrangement that it was brought into last."""

    @property
    def panes(self) -> list[T]:
        """All panes, from the left and from the top."""
        return splits.items(self.tree)

    def activate(self, pane: T) -> None:
        """Give a pane the keyboard. What is zoomed stays so: it is that pane then."""
        self.active = pane
        if pane in self.recent:
            self.recent.remove(pane)
        self.recent.append(pane)

    def room(self, place: Rect) -> Rect:
        """The place that changes of the panes are worked out for; they need not fit into the real one."""
        return splits.roomy(self.tree, place)

    def shown(self, place: Rect) -> dict[T, Rect]:
        """Return the panes on screen and their places: the active one alone where it is zoomed, or not all fit."""
        if self.zoomed or not splits.fits(self.tree, place):
            return {self.active: place}
        return splits.areas(self.tree, place)


class Layout(Generic[T]):
    """The tabs in order, of which one is shown in `place`."""

    def __init__(self) -> None:
        self.tabs: list[Tab[T]] = []
        self.tab: Tab[T] | None = None
        """The tab that is shown."""

        self.place = Rect(0, 0, 80, 23)

    @property
    def active(self) -> T | None:
        """The pane with the keyboard."""
        return self.tab.active if self.tab is not None else None

    @property
    def panes(self) -> list[T]:
        """The panes of all tabs."""
        return [pane for tab in self.tabs for pane in tab.panes]

    @property
    def places(self) -> dict[T, Rect]:
        """The panes on screen, and where they are."""
        return self.tab.shown(self.place) if self.tab is not None else {}

    @property
    def shown(self) -> Sequence[T]:
        """The panes on screen."""
        return list(self.places)

    def tab_of(self, pane: T) -> Tab[T] | None:
        """The tab that a pane is in."""
        return next((tab for tab in self.tabs if pane in tab.panes), None)

    # Tabs

    def add(self, pane: T) -> Tab[T]:
        """Add a tab behind the one that is shown, and show it."""
        tab = Tab(Leaf(pane), pane, recent=[pane])
        at = self.tabs.index(self.tab) + 1 if self.tab is not None else len(self.tabs)
        self.tabs.insert(at, tab)
        self.tab = tab
        return tab

    def put_first(self, tabs: Sequence[Tab[T]], shown: Tab[T] | None) -> None:
        """Add tabs before those that there are, and show one of them where none is shown."""
        self.tabs[:0] = tabs
        self.tab = self.tab or shown

    def places_of(self, tab: Tab[T]) -> dict[T, Rect]:
        """The places that all panes of a tab have where it is shown and not zoomed."""
        return splits.areas(tab.tree, tab.room(self.place))

    def activate(self, pane: T) -> None:
        """Give a pane the keyboard, and show its tab."""
        tab = self.tab_of(pane)
        if tab is not None:
            self.tab = tab
            tab.activate(pane)

    def go(self, step: int) -> None:
        """Show the next tab, or with -1 the one before."""
        if self.tab is not None:
            self.tab = self.tabs[(self.tabs.index(self.tab) + step) % len(self.tabs)]

    def remove(self, pane: T) -> None:
        """Take a pane away; the one that was active before it is so again. A tab without panes is closed."""
        tab = self.tab_of(pane)
        if tab is None:
            return
        if not _without(tab, pane, self.place):
            self._close(tab)

    def _close(self, tab: Tab[T]) -> None:
        at = self.tabs.index(tab)
        self.tabs.remove(tab)
        if tab is self.tab:
            others = self.tabs[at : at + 1] or self.tabs[-1:]
            self.tab = others[0] if others else None

    # Panes

    def split(self, pane: T, axis: Axis | None = None) -> bool:
        """Put a new pane behind the active one, which it shares the room with; None for the longer side.

        Returns whether there was room; without it nothing is changed.
        """
        tab = self.tab
        if tab is None:
            return False
        for way in [axis] if axis is not None else self._ways(tab):
            tree = splits.split(tab.tree, tab.room(self.place), tab.active, pane, way)
            if splits.fits(tree, self.place):
                tab.tree, tab.zoomed = tree, False
                tab.activate(pane)
                return True
        return False

    def _ways(self, tab: Tab[T]) -> list[Axis]:
        # A cell is about twice as high as wide.
        _, _, width, height = splits.areas(tab.tree, tab.room(self.place))[tab.active]
        return [Axis.BESIDE, Axis.BELOW] if width >= 2 * height else [Axis.BELOW, Axis.BESIDE]

    def bring(self, pane: T) -> bool:
        """Bring a pane of another tab into this one, beside the active pane. Returns whether there was room."""
        before = self.tab_of(pane)
        if before is None or before is self.tab or not self.split(pane):
            return False
        if not _without(before, pane, self.place):
            self.tabs.remove(before)
        return True

    def break_out(self) -> bool:
        """Give the active pane a tab of its own; returns False where it has one."""
        tab = self.tab
        if tab is None or isinstance(tab.tree, Leaf):
            return False
        pane = tab.active
        self.remove(pane)
        self.add(pane)
        return True

    def focus(self, direction: Direction) -> bool:
        """Give the keyboard to the pane at a side; returns whether there is one."""
        tab = self.tab
        if tab is None:
            return False
        pane = splits.neighbour(tab.tree, tab.room(self.place), tab.active, direction, tab.recent)
        if pane is not None:
            tab.activate(pane)
        return pane is not None

    def focus_next(self, step: int = 1) -> None:
        """Give the keyboard to the next pane of the tab."""
        if self.tab is not None:
            self.tab.activate(self._beside(self.tab, step))

    def swap(self, step: int) -> None:
        """Let the active pane and the next one change places."""
        if self.tab is not None:
            other = self._beside(self.tab, step)
            self.tab.tree = splits.swapped(self.tab.tree, self.tab.active, other)

    def _beside(self, tab: Tab[T], step: int) -> T:
        panes = tab.panes
        return panes[(panes.index(tab.active) + step) % len(panes)]

    def rotate(self) -> None:
        """Move all panes on by one place."""
        if self.tab is not None:
            self.tab.tree = splits.rotated(self.tab.tree, 1)

    def resize(self, direction: Direction, by: int) -> bool:
        """Move a border of the active pane by cells; returns whether it moved."""
        tab = self.tab
        if tab is None:
            return False
        border = splits.border_to_move(tab.tree, tab.room(self.place), tab.active, direction.axis)
        return border is not None and self.move(border, by * direction.step)

    def move(self, border: Border, by: int) -> bool:
        """Move a border; returns whether it moved."""
        tab = self.tab
        if tab is None or tab.zoomed or not splits.fits(tab.tree, self.place):
            return False
        before = splits.areas(tab.tree, self.place)
        tab.tree = splits.moved(tab.tree, self.place, border, by)
        return splits.areas(tab.tree, self.place) != before

    def borders(self) -> list[Border]:
        """The borders on screen."""
        tab = self.tab
        if tab is None or tab.zoomed or not splits.fits(tab.tree, self.place):
            return []
        return list(splits.borders(tab.tree, self.place))

    def even(self) -> None:
        """Make the panes that share a row or column equal."""
        if self.tab is not None:
            self.tab.tree = splits.evened(self.tab.tree)

    def arrange_next(self) -> bool:
        """Bring the panes into the next arrangement that fits; returns whether there is one."""
        tab = self.tab
        found = next_arrangement(tab.tree, self.place, tab.arrangement) if tab is not None else None
        if tab is None or found is None:
            return False
        tab.tree, tab.arrangement = found
        tab.zoomed = False
        return True

    def zoom(self) -> None:
        """Show the active pane alone, or all again."""
        if self.tab is not None:
            self.tab.zoomed = not self.tab.zoomed and not isinstance(self.tab.tree, Leaf)

    def all_keys(self) -> bool:
        """Have keys go to all panes of the tab, or to the active one alone; returns False where it has only one."""
        if self.tab is None or isinstance(self.tab.tree, Leaf):
            return False
        self.tab.all_keys = not self.tab.all_keys
        return True


def _without(tab: Tab[T], pane: T, place: Rect) -> bool:
    """Take a pane out of its tab; the one that was active before it is so again. Returns False for the last one."""
    tree = splits.close(tab.tree, tab.room(place), pane)
    if tree is None:
        return False
    tab.tree = tree
    tab.recent = [other for other in tab.recent if other != pane]
    if tab.active == pane:
        tab.zoomed = False
        tab.activate(tab.recent[-1] if tab.recent else tab.panes[0])
    if isinstance(tree, Leaf):
        tab.zoomed = tab.all_keys = False
    return True
