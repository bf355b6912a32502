"""What a node says of its machine while somebody looks (docs/extensions.md#vitals)."""

from typing import Annotated, NamedTuple

from omnyshell.model.grammars import COUNT, FACT, NODE_ID, SESSION_ID
from omnyshell.model.schema import FREE, OMIT, WireObject

LOAD_UNIT = 100
"""Loads travel as hundredths."""


class MachineVitals(WireObject, kw_only=True):
    """How a node's machine is; what the node cannot know is missing."""

    os: Annotated[str, OMIT, FACT] = ""
    """Its operating system, with the version."""

    kernel: Annotated[str, OMIT, FACT] = ""
    """The release of its kernel."""

    uptime_seconds: Annotated[int | None, OMIT, COUNT] = None
    """For how long it has been running."""

    cpus: Annotated[int | None, OMIT, COUNT] = None
    """How many processors it has."""

    load1: Annotated[int | None, OMIT, COUNT] = None
    """Its load over one minute, in hundredths."""

    load5: Annotated[int | None, OMIT, COUNT] = None
    """Its load over five minutes, in hundredths."""

    load15: Annotated[int | None, OMIT, COUNT] = None
    """Its load over fifteen minutes, in hundredths."""

    memory_total: Annotated[int | None, OMIT, COUNT] = None
    """Bytes of memory."""

    memory_used: Annotated[int | None, OMIT, COUNT] = None
    """How many of them cannot be had without swapping."""

    disk_total: Annotated[int | None, OMIT, COUNT] = None
    """Bytes of the file system with the home directory of the node's user."""

    disk_used: Annotated[int | None, OMIT, COUNT] = None
    """How many of them are taken."""

    @property
    def load(self) -> float | None:
        """Its load over the last minute."""
        return self.load1 / LOAD_UNIT if self.load1 is not None else None

    @property
    def loads(self) -> tuple[float, ...]:
        """Its load over 1, 5 and 15 minutes, as far as it is known."""
        return tuple(load / LOAD_UNIT for load in (self.load1, self.load5, self.load15) if load is not None)

    @property
    def memory_share(self) -> float | None:
        """The share of its memory that is used, in percent."""
        return _share(self.memory_used, self.memory_total)

    @property
    def disk_share(self) -> float | None:
        """The share of its disk that is used, in percent."""
        return _share(self.disk_used, self.disk_total)


class NodeVitals(WireObject, kw_only=True):
    """A node's vitals, which take the place of those that its item had."""

    node_id: Annotated[str, NODE_ID]
    """The node."""

    vitals: MachineVitals
    """How its machine is."""

    @property
    def key(self) -> str:
        """The key of the node."""
        return self.node_id

    @property
    def counters(self) -> dict[str, MachineVitals]:
        """The vitals, by the name that they have in the item."""
        return {"vitals": self.vitals}


class SessionProcess(WireObject, kw_only=True):
    """A process of a session."""

    session_id: Annotated[str, SESSION_ID]
    """The session."""

    pid: Annotated[int, COUNT]
    """Its id."""

    parent: Annotated[int, OMIT, COUNT] = 0
    """The id of its parent."""

    user: Annotated[str, OMIT, FACT] = ""
    """Who runs it."""

    command: Annotated[str, OMIT, FREE] = ""
    """Its command line; its name in brackets where it has none. Likely secrets are hidden."""

    cpu_millis: Annotated[int, OMIT, COUNT] = 0
    """Milliseconds of processor time that it has taken."""

    memory: Annotated[int, OMIT, COUNT] = 0
    """Bytes of memory that it takes."""


class NodeProcesses(NamedTuple):
    """Processes of sessions on a node; `left_out` counts those that had no place."""

    found: tuple[SessionProcess, ...]
    left_out: int = 0


def _share(used: int | None, total: int | None) -> float | None:
    """Return a share in percent, never more than 100: both numbers are a peer's."""
    return min(100.0, 100 * used / total) if used is not None and total else None
