"""Reads what sessions take of this machine, while somebody asks (docs/extensions.md#session-usage)."""

from collections.abc import Callable, Mapping

from omnyshell.services.node.backend import GroupingBackend, ShellBackend
from omnyshell.services.node.keeper.usage import Usage, usage_of
from omnyshell.services.node.vitals.apart import apart

MOST_AT_ONCE = 8
"""The most readings at a time, a thread each."""

Finish = Callable[[Mapping[str, Usage]], None]


class UsageReader:
    """Reads of the control groups that a backend has for its sessions, each time in a thread."""

    def __init__(self, backend: ShellBackend) -> None:
        self._backend = backend if isinstance(backend, GroupingBackend) else None
        self._reading = 0

    def read(self, finish: Finish) -> None:
        """Call `finish` with what sessions take, by their ids: now where nothing is known, or there is no room."""
        if self._backend is None or self._reading >= MOST_AT_ONCE:
            finish({})
            return
        self._reading += 1

        def done(usage: Mapping[str, Usage]) -> None:
            self._reading -= 1
            finish(usage)

        def found(groups: Mapping[str, str], keeper: int) -> None:
            none: Mapping[str, Usage] = {}
            if groups:
                apart(lambda: usage_of(groups, keeper), done, none)
            else:
                done(none)

        self._backend.groups(found)
