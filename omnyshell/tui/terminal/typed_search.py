"""A search that goes along while its text is typed."""

from omnyshell.tui.terminal.interactive import TerminalWidget
from omnyshell.tui.terminal.lines import Point


class TypedSearch:
    """Looks for each text from where it began; where it is left, all is as it was."""

    def __init__(self, terminal: TerminalWidget) -> None:
        self._terminal = terminal
        self._top = terminal.top if terminal.is_scrolled else None
        self._was_copying = terminal.copy_mode is not None
        self._start: Point | None = None
        self.earlier = terminal.finder.needle
        """What was searched before."""

    def typed(self, needle: str) -> None:
        """Show the first find, or where it began."""
        self._go_back()
        if needle:
            self._terminal.search(needle, is_typed=True)
        else:
            self._terminal.finder.stop()

    def entered(self, needle: str) -> None:
        """Stay at the first find; says where there is none."""
        if needle:
            self._go_back()
            self._terminal.search(needle)

    def left(self) -> None:
        """Have all as it was."""
        if self._start is None:
            return
        self._go_back()
        if not self._was_copying:
            self._terminal.leave_copy_mode()
            self._terminal.show_from(self._top)
        self._terminal.finder.stop()
        self._terminal.finder.needle = self.earlier

    def _go_back(self) -> None:
        """Put the cursor of copy mode where it was at first."""
        if self._terminal.copy_mode is None:
            self._terminal.start_copy_mode()
        mode = self._terminal.copy_mode
        if mode is not None:
            self._start = self._start or mode.cursor
            self._terminal.go_to(mode, self._start)
