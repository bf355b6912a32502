"""The hubs that a peer was told of, for its next start (docs/extensions.md#hubs)."""

from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.model.hubs import OtherHub
from omnyshell.security.files import changing, read_private, write_private

MOST_HOMES = 64
"""Of how many hubs the others are remembered."""


class KnownHubs:
    """A file with the other hubs of each one that was configured. Without a file, memory alone remembers them."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, tuple[OtherHub, ...]] | None = None

    def beside(self, home: str) -> tuple[OtherHub, ...]:
        """Return the other hubs of one. A file that cannot be read or trusted says nothing."""
        return self._all().get(home, ())

    def note(self, home: str, others: tuple[OtherHub, ...]) -> None:
        """Remember the other hubs of one; forget it where there are none. A file that cannot be written is no error."""
        if self.beside(home) == others:
            return
        if self._path is None:
            self._known = _with(self._all(), home, others)
            return
        try:
            with changing(self._path):
                # Read again: another process may have written meanwhile.
                self._known = _with(self._read(), home, others)
                write_private(self._path, _encode(self._known))
        except ConfigException:
            self._known = _with(self._all(), home, others)

    def _all(self) -> dict[str, tuple[OtherHub, ...]]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> dict[str, tuple[OtherHub, ...]]:
        try:
            data = read_private(self._path) if self._path is not None else None
            return {} if data is None else msgspec.json.decode(data, type=dict[str, tuple[OtherHub, ...]])
        except (ConfigException, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}


def _with(
    known: dict[str, tuple[OtherHub, ...]], home: str, others: tuple[OtherHub, ...]
) -> dict[str, tuple[OtherHub, ...]]:
    rest = {name: those for name, those in known.items() if name != home}
    if others:
        rest[home] = others
    return dict(list(rest.items())[-MOST_HOMES:])


def _encode(known: dict[str, tuple[OtherHub, ...]]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(known)) + b"\n"
