"""Writing filters and columns of one's own into `console.toml`, beside what its user wrote there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnyshell.errors import ConfigException
from omnyshell.tui.own.reading import check_filter
from omnyshell.tui.preferences.file import edited
from omnyshell.tui.preferences.own import Own

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def save_filter(path: Path, own: Own, name: str, text: str) -> None:
    """Save a filter under a name that may be taken. Raises `ConfigException`, and then changes nothing."""
    check_filter(name, text)
    with _table(path, "filters") as filters:
        filters[name] = text
    own.filters[name] = text


def forget_filter(path: Path, own: Own, name: str) -> None:
    """Drop a saved filter. Raises `ConfigException`, and then changes nothing."""
    with _table(path, "filters") as filters:
        filters.pop(name, None)
    own.filters.pop(name, None)


def save_columns(path: Path, own: Own, panel: str, names: Sequence[str]) -> None:
    """Save which columns a panel has; without any, it has all. Raises `ConfigException`, and then changes nothing."""
    with _table(path, "columns") as columns:
        if names:
            columns[panel] = list(names)
        else:
            columns.pop(panel, None)
    own.columns[panel] = tuple(names)


@contextmanager
def _table(path: Path, name: str) -> Iterator["MutableMapping[str, Any]"]:
    with edited(path) as edit:
        table = edit.document.setdefault(name, {})
        if not hasattr(table, "pop"):
            raise ConfigException(f"'{name}' in {path} is no table any more; nothing was saved")
        yield table
        if not table:
            edit.document.pop(name)
