"""The end of the shared log as this hub has applied it: what tells whether a stream is still the same one."""

from typing import NamedTuple

from omnyshell.services.hub.ground.state_file import StateFile, blob, number, text

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shared_log (
    generation TEXT PRIMARY KEY,
    created    TEXT NOT NULL,
    digest     BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unknown_changes (
    generation TEXT PRIMARY KEY,
    seq        INTEGER NOT NULL
) WITHOUT ROWID;
"""


class EndOfLog(NamedTuple):
    """The stream, by when it was made, and the digest of its last record that was applied."""

    created: str
    digest: bytes


def forget_ends(file: StateFile) -> None:
    """Forget all; from then on the file's tables may be those of a hub alone. Raises `ConfigException`."""
    file.run("DROP TABLE IF EXISTS shared_log")
    file.run("DROP TABLE IF EXISTS unknown_changes")


def unknown_change(file: StateFile, generation: str) -> int | None:
    """Return the number of the record that a hub, which may run, met and did not know; None if it met none.

    Raises `ConfigException` if the file cannot be used.
    """
    if not file.run("SELECT 1 FROM sqlite_master WHERE name = 'unknown_changes'"):
        return None
    query = "SELECT seq FROM unknown_changes WHERE generation = ?"
    return next(iter(file.read("the unknown change", number, query, generation)), None)


class EndsOfLogs:
    """The table, a row a generation. All methods raise `ConfigException` if the file cannot be used."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        file.create(_SCHEMA)

    def read(self, generation: str) -> EndOfLog | None:
        """Return the end that was noted; None if nothing was applied yet, or the row is damaged."""
        query = "SELECT created, digest FROM shared_log WHERE generation = ?"
        found = self._file.read("the end of the shared log", _end, query, generation)
        return found[0] if found else None

    def note_unknown(self, generation: str, seq: int) -> None:
        """Note a record with changes that this version does not know. It counts until one of that number is applied."""
        self._file.run("INSERT OR REPLACE INTO unknown_changes VALUES (?, ?)", generation, seq)

    def note(self, generation: str, end: EndOfLog) -> None:
        """Note an end; call it in the transaction that applies the record."""
        self._file.run("INSERT OR REPLACE INTO shared_log VALUES (?, ?, ?)", generation, *end)


def _end(created: object, digest: object) -> EndOfLog:
    return EndOfLog(text(created), blob(digest))
