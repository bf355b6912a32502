"""Whether the stream is still the one that this hub has read, and has what it applied last."""

import time
from collections.abc import Callable
from functools import partial

from omnyshell.errors import OmnyShellException
from omnyshell.services.hub.cluster.members.signing import digest
from omnyshell.services.hub.cluster.order.order import Origin, Stored, UncertainException
from omnyshell.services.hub.cluster.shared.end_of_log import EndOfLog, EndsOfLogs

CERTAIN = 3.0
"""Seconds for which it has to seem another one: a server that led before may say for a moment what it knew."""


class OtherStreamException(OmnyShellException):
    """The stream went back, or was made anew: what it says is not what was acknowledged before."""


class SameStream:
    """The end of the log as it was applied, which the stream is compared with. Problems are told once."""

    def __init__(self, ends: EndsOfLogs, generation: str, told: Callable[[str], None]) -> None:
        """`told` is told why the stream is another one. Raises `ConfigException` if the file cannot be used."""
        self._ends, self._generation, self._told = ends, generation, told
        self._end = ends.read(generation)
        self._created = ""
        self._seems_since: float | None = None
        self._is_compared = False
        self.is_other = False
        """Whether it is another one, for certain."""

    @property
    def digest(self) -> bytes:
        """The digest of the record that was applied last; empty where none was."""
        return self._end.digest if self._end is not None else b""

    def begin(self, origin: Origin, applied: int) -> None:
        """Compare the stream with what was read of it. Raises `OtherStreamException` and `UncertainException`."""
        if self._end is not None and origin.created != self._end.created:
            raise self.is_another("was made anew")
        if origin.last < applied:
            raise self.seems_another(f"went back to {origin.last}, and {applied} was applied")
        self._created, self._is_compared = origin.created, False

    def compare(self, stored: Stored) -> None:
        """Compare the record that was applied last with what the stream has now. Raises as `begin`."""
        if self._end is None:
            self._end = EndOfLog(self._created, digest(stored.data))
        elif digest(stored.data) != self._end.digest:
            raise self.seems_another(f"has another record {stored.seq}")
        self._is_compared = True

    def check_compared(self) -> None:
        """Have the record that was applied last be compared first. Raises `UncertainException` where it was not."""
        if self._end is not None and not self._is_compared:
            raise UncertainException("a hub has written behind another record than was applied here")

    def end_with(self, stored: Stored) -> Callable[[], None]:
        """Return what notes that record as the last one; call it in the transaction that applies the record."""
        return partial(self._ends.note, self._generation, EndOfLog(self._created, digest(stored.data)))

    def applied(self, stored: Stored) -> None:
        """A record was applied, and noted as the last one."""
        self._end, self._is_compared = EndOfLog(self._created, digest(stored.data)), False
        self.is_right()

    def is_right(self) -> None:
        """The stream was read, and is the right one."""
        self._seems_since, self.is_other = None, False

    def seems_another(self, problem: str) -> OmnyShellException:
        """Return what is raised where it seems another one, which is told of when it has done so for a while."""
        now = time.monotonic()
        self._seems_since = now if self._seems_since is None else self._seems_since
        if self.is_other or now - self._seems_since >= CERTAIN:
            return self.is_another(problem)
        return UncertainException(f"it {problem}")

    def is_another(self, problem: str) -> OtherStreamException:
        """Return what is raised where it is another one, and tell of it once."""
        if not self.is_other:
            self.is_other = True
            self._told(f"the engine's stream {problem}")
        return OtherStreamException(f"the stream of generation {self._generation} {problem}")


class Receding:
    """Tells whether a stream of which nothing is on disk has gone back.

    A server that was started a moment ago says less than it had for as long as it reads that: who forgot all for it
    would serve nobody for seconds.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def is_certain(self, last: int, read: int) -> bool:
        """Whether it has gone back from `read` to `last`. Raises `UncertainException` while it may only seem so."""
        now = time.monotonic()
        if last >= read:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        if now - self._since < CERTAIN:
            raise UncertainException(f"it went back to {last}, and {read} was read")
        self._since = None
        return True
