"""What is copied now, what waits, and what came of the last ones."""

from textual.content import Content
from textual.widgets import Static

from omnyshell.durations import format_duration
from omnyshell.printable import printable
from omnyshell.tui.files.queue import Copy, CopyState
from omnyshell.tui.formats import meter, size

SHOWN = 4
"""Copies that are shown, a line each."""

_SIGNS = {
    CopyState.WAITING: ("◌", "$muted"),
    CopyState.RUNNING: ("●", "$accent"),
    CopyState.DONE: ("✓", "$success"),
    CopyState.FAILED: ("!", "$error"),
    CopyState.STOPPED: ("○", "$muted"),
}


class CopyStrip(Static):
    """A line for each of the latest copies; none while there are none."""

    DEFAULT_CSS = """
    CopyStrip {
        height: auto;
        max-height: 5;
        padding: 0 1;
        background: $panel;
        color: $bar-text;
        display: none;
        &.-used { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._said: list[tuple[CopyState, str]] = []

    def tell(self, copies: list[Copy]) -> None:
        """Show these."""
        said = [(copy.state, described(copy)) for copy in _chosen(copies)]
        more = sum(not copy.is_over for copy in copies) - sum(not copy.is_over for copy in _chosen(copies))
        if more > 0:
            said.append((CopyState.WAITING, f"{more} more wait"))
        if said == self._said:
            return
        self._said = said
        self.set_class(bool(said), "-used")
        lines = [Content.assemble(_SIGNS[state], " ", text) for state, text in said]
        self.update(Content("\n").join(lines))


def _chosen(copies: list[Copy]) -> list[Copy]:
    """Return those that are shown: what runs or waits comes first where there is no room for all."""
    unfinished = [copy for copy in copies if not copy.is_over][:SHOWN]
    room = SHOWN - len(unfinished)
    return [copy for copy in copies if copy.is_over][-room:] * bool(room) + unfinished


def described(copy: Copy) -> str:
    """Return a copy in a line."""
    parts = [f"{copy.what} → {copy.target}"]
    progress = copy.progress
    if copy.state is CopyState.RUNNING and progress is not None:
        of_all = "" if progress.is_counted else "+"
        if progress.is_counted and progress.bytes_found:
            parts.append(meter(100 * progress.bytes_there / progress.bytes_found))
        parts.append(f"{size(progress.bytes_there)} of {size(progress.bytes_found)}{of_all}")
        if progress.files_found != 1:
            parts.append(f"{progress.files_done} of {progress.files_found}{of_all} files")
        parts.append(f"{size(progress.rate())}/s")
        if (left := progress.time_left()) is not None:
            parts.append(f"{format_duration(round(left))} left")
    elif copy.state is CopyState.WAITING:
        parts.append("waits")
    elif copy.state is CopyState.STOPPED:
        parts.append("stopped: the same copy again goes on from there")
    elif copy.state is CopyState.FAILED:
        parts.append(f"not all: {copy.problems[0]}" if copy.problems else "not all was copied")
    elif progress is not None:
        parts.append(f"{size(progress.moved)} in {copy.seconds:.1f} s")
    return printable("  ".join(parts))
