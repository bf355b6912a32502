"""Which terminals are on screen: tabs, two side by side, one zoomed. Without widgets."""

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Layout(Generic[T]):
    """The tabs in order. `active` has the keyboard; `beside`, where there is one, is shown with it."""

    def __init__(self) -> None:
        self._tabs: list[T] = []
        self.active: T | None = None
        self.beside: T | None = None
        self.stacked = False
        """Whether the two are one above the other."""

        self.zoomed = False

    @property
    def tabs(self) -> Sequence[T]:
        """All, in order."""
        return self._tabs

    @property
    def shown(self) -> list[T]:
        """Those on screen, in the order of the tabs."""
        if self.active is None:
            return []
        seen = [self.active] if self.zoomed or self.beside is None else [self.active, self.beside]
        return [tab for tab in self._tabs if tab in seen]

    def add(self, tab: T) -> None:
        """Add a tab behind the active one, and make it active; two that were side by side are kept in mind no more."""
        at = self._tabs.index(self.active) + 1 if self.active is not None else len(self._tabs)
        self._tabs.insert(at, tab)
        self.activate(tab)

    def add_beside(self, tab: T) -> None:
        """Add a tab and show it beside the one that was active."""
        before = self.active
        self.add(tab)
        self.beside, self.zoomed = before, False

    def remove(self, tab: T) -> None:
        """Take a tab away; its neighbour, or the one beside it, becomes active."""
        at = self._tabs.index(tab)
        self._tabs.remove(tab)
        if tab == self.beside:
            self.beside = None
        elif tab == self.active:
            others = self._tabs[at : at + 1] or self._tabs[-1:]
            self.active = self.beside or (others[0] if others else None)
            self.beside = None
        if self.beside is None:
            self.zoomed = False

    def activate(self, tab: T) -> None:
        """Give a tab the keyboard; one that is not on screen takes the place of what is."""
        if tab == self.beside:
            self.active, self.beside = tab, self.active
        elif tab != self.active:
            self.active, self.beside, self.zoomed = tab, None, False

    def go(self, step: int) -> None:
        """Give the keyboard to the next tab, or with -1 to the one before."""
        if self.active is not None:
            at = self._tabs.index(self.active)
            self.activate(self._tabs[(at + step) % len(self._tabs)])

    def split(self, *, stacked: bool) -> bool:
        """Show the tab after the active one beside it, or one alone again; returns False where there is no other."""
        if self.beside is not None and stacked == self.stacked:
            self.beside, self.zoomed = None, False
            return True
        self.stacked, self.zoomed = stacked, False
        if self.beside is None and self.active is not None and len(self._tabs) > 1:
            at = self._tabs.index(self.active)
            self.beside = self._tabs[(at + 1) % len(self._tabs)]
        return self.beside is not None

    def zoom(self) -> None:
        """Show the active one alone, or again with the one beside it."""
        self.zoomed = not self.zoomed and self.beside is not None
