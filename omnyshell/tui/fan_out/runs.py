"""The state of a command on each of many nodes. No I/O."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

OUTPUT_LIMIT: Final = 1024 * 1024
"""Bytes of output that are kept of a node, at most."""

TOTAL_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of output that are kept of all nodes together."""

CUT: Final = b"\n[more was not kept]\n"


class RunState(Enum):
    """The state of the run on one node."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()


@dataclass(frozen=True, slots=True)
class Job:
    """The command to run. `seconds` is the time limit on each node, after which it is ended."""

    command: str
    cwd: str = ""
    seconds: float = 600.0


@dataclass(slots=True)
class Run:
    """The command on one node. Times in seconds, on a monotonic clock."""

    node_id: str
    limit: int = OUTPUT_LIMIT
    """Bytes of output that are kept."""

    state: RunState = RunState.WAITING
    exit_code: int | None = None
    error: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    _outputs: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _hashes: tuple["hashlib._Hash", "hashlib._Hash"] = field(
        default_factory=lambda: (hashlib.sha256(), hashlib.sha256())
    )
    _is_cut: bool = False

    @property
    def output(self) -> bytes:
        """The output of the command, stdout and then stderr; cut if it was too long."""
        return b"".join(self._outputs) + (CUT if self._is_cut else b"")

    @property
    def digest(self) -> tuple[bytes, bytes]:
        """Equal for equal output, including output that was not kept.

        Both streams are hashed separately, as the order in which they arrive is random.
        """
        return self._hashes[0].digest(), self._hashes[1].digest()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.state not in (RunState.WAITING, RunState.RUNNING)

    @property
    def is_well(self) -> bool:
        """Whether the command ended with 0."""
        return self.state is RunState.DONE and self.exit_code == 0

    def begin(self, now: float) -> None:
        """Note that the command is being started."""
        self.state = RunState.RUNNING
        self.started_at = now

    def add(self, data: bytes, *, is_stderr: bool = False) -> None:
        """Add output, which is kept up to the limit."""
        self._hashes[is_stderr].update(data)
        room = self.limit - sum(map(len, self._outputs))
        self._outputs[is_stderr].extend(data[:room])
        self._is_cut = self._is_cut or len(data) > room

    def end(self, now: float, *, exit_code: int | None = None, error: str = "", cancelled: bool = False) -> None:
        """Note that the command ended, failed to run, or was cancelled. Only the first end counts."""
        if self.is_over:
            return
        self.ended_at = now
        self.exit_code, self.error = exit_code, error
        if cancelled:
            self.state = RunState.CANCELLED
        else:
            self.state = RunState.FAILED if error else RunState.DONE

    def seconds(self, now: float) -> float | None:
        """How long it has run; None before it began."""
        if self.started_at is None:
            return None
        return (self.ended_at if self.ended_at is not None else now) - self.started_at


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes with the same outcome and output."""

    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        """One of the runs, which stands for the group."""
        return self.runs[0]


def runs_on(node_ids: Sequence[str]) -> list[Run]:
    """Return a run for each node; together they keep no more than `TOTAL_LIMIT`."""
    limit = min(OUTPUT_LIMIT, TOTAL_LIMIT // max(1, len(node_ids)))
    return [Run(node_id, limit) for node_id in node_ids]


def ungrouped(runs: Iterable[Run]) -> list[Group]:
    """Return each node as a group of its own."""
    return [Group((run,)) for run in runs]


def grouped(runs: Iterable[Run]) -> list[Group]:
    """Group nodes with equal outcome and output, the largest group first; unfinished ones by state."""
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        same = (run.state, run.exit_code, run.error, run.digest) if run.is_over else (run.state,)
        found.setdefault(same, []).append(run)
    return sorted((Group(tuple(same)) for same in found.values()), key=lambda group: -len(group.runs))


def summary(runs: Sequence[Run]) -> str:
    """Describe the progress of all runs."""
    over = sum(run.is_over for run in runs)
    wrong = sum(run.is_over and not run.is_well for run in runs)
    text = f"{over} of {len(runs)} done"
    return f"{text}, {wrong} not well" if wrong else text
