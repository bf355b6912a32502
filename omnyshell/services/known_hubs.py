"""The hubs that a peer was told of, and which of them did not answer, for its next start (docs/extensions.md#hubs)."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.model.hubs import MOST_HUBS, OtherHub
from omnyshell.security.files import changing, read_private, write_private

MOST_HOMES = 64
"""Of how many hubs the others are remembered."""

SILENT_FOR = 300.0
"""Seconds for which a hub that did not answer is tried behind the others."""


class Known(msgspec.Struct, frozen=True):
    """What is remembered."""

    homes: Mapping[str, tuple[OtherHub, ...]] = {}
    """The other hubs of each one that was configured."""

    silent: Mapping[str, float] = {}
    """When hubs did not answer, in seconds since the epoch."""

    def with_others(self, home: str, others: tuple[OtherHub, ...]) -> "Known":
        """Return the same with the other hubs of one; without it where there are none."""
        homes = {name: those for name, those in self.homes.items() if name != home}
        if others:
            homes[home] = others
        return Known(dict(list(homes.items())[-MOST_HOMES:]), self.silent)

    def with_silent(self, hub: str, since: float | None) -> "Known":
        """Return the same with a hub that did not answer at a time; without it if that is None."""
        silent = {name: at for name, at in self.silent.items() if name != hub}
        if since is not None:
            silent[hub] = since
        return Known(self.homes, dict(list(silent.items())[-MOST_HUBS:]))


class KnownHubs:
    """A file with what is known. Without a file, or where it cannot be written, memory alone remembers."""

    def __init__(self, path: Path | None = None, now: Callable[[], float] = time.time) -> None:
        """`now` tells the time in seconds since the epoch, as the file outlives this process."""
        self._path = path
        self._now = now
        self._known: Known | None = None

    def beside(self, home: str) -> tuple[OtherHub, ...]:
        """Return the other hubs of one. A file that cannot be read or trusted says nothing."""
        return self._all().homes.get(home, ())

    def note(self, home: str, others: tuple[OtherHub, ...]) -> None:
        """Remember the other hubs of one; forget it where there are none. A file that cannot be written is no error."""
        if self.beside(home) != others:
            self._change(lambda known: known.with_others(home, others))

    def is_silent(self, hub: str) -> bool:
        """Whether a hub did not answer lately."""
        since = self._all().silent.get(hub)
        return since is not None and 0 <= self._now() - since < SILENT_FOR

    def note_silent(self, hub: str) -> None:
        """Remember that a hub does not answer."""
        self._change(lambda known: known.with_silent(hub, self._now()))

    def note_answer(self, hub: str) -> None:
        """Forget that a hub did not answer."""
        if hub in self._all().silent:
            self._change(lambda known: known.with_silent(hub, None))

    def _change(self, change: Callable[[Known], Known]) -> None:
        if self._path is None:
            self._known = change(self._all())
            return
        try:
            with changing(self._path):
                # Read again: another process may have written meanwhile.
                self._known = change(self._read())
                write_private(self._path, msgspec.json.format(msgspec.json.encode(self._known)) + b"\n")
        except ConfigException:
            self._known = change(self._all())

    def _all(self) -> Known:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> Known:
        try:
            data = read_private(self._path) if self._path is not None else None
            return Known() if data is None else msgspec.json.decode(data, type=Known)
        except (ConfigException, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Known()
