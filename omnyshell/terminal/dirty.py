"""Which lines changed since someone last looked."""

from collections.abc import Callable, Iterator, Set as AbstractSet

from omnyshell.terminal.rows import Row


class DirtyLines(AbstractSet[int]):
    """The numbers of the lines that changed since `clear`, found by comparison, so that drawing does not pay for it."""

    def __init__(self, rows: Callable[[], list[Row]]) -> None:
        self._rows = rows
        self._seen: list[tuple[Row, int]] = []

    def clear(self) -> None:
        """Take the screen as it is for seen."""
        self._seen = [(row, row.revision) for row in self._rows()]

    def mark_all(self) -> None:
        """Take nothing for seen, as after a change that shows on every line."""
        self._seen = []

    def __contains__(self, y: object) -> bool:
        rows = self._rows()
        return isinstance(y, int) and 0 <= y < len(rows) and self._changed(y, rows[y])

    def __iter__(self) -> Iterator[int]:
        return iter([y for y, row in enumerate(self._rows()) if self._changed(y, row)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _changed(self, y: int, row: Row) -> bool:
        if y >= len(self._seen):
            return True
        seen, revision = self._seen[y]
        return seen is not row or revision != row.revision
