"""Copies between this machine and nodes, one after the other, whatever screen is shown."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from omnyshell.errors import OmnyShellException
from omnyshell.services.client.files.copying import Manner
from omnyshell.services.client.files.local import LocalFiles
from omnyshell.services.client.files.ports import Entry
from omnyshell.services.client.files.problems import FULL, shown
from omnyshell.services.client.files.progress import Progress
from omnyshell.services.client.files.removing import joined
from omnyshell.services.client.files.transfer import Report, Transfer, Wanted
from omnyshell.tui.advice import advice
from omnyshell.tui.files.machines import NodeFiles

KEPT = 20
"""Copies that are over and still shown."""

MOST_PROBLEMS = 50
"""Files that could not be copied, of which it is kept why."""


class CopyState(Enum):
    """How far a copy is."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    STOPPED = auto()


@dataclass(eq=False, slots=True)
class Copy:
    """Some of a directory of one machine, into one of another; it keeps permissions and times."""

    place: str
    """The node, or `USER@NODE`."""

    is_upload: bool
    folder: bytes
    entries: Sequence[Entry]
    into: bytes
    state: CopyState = CopyState.WAITING
    transfer: Transfer | None = None
    seconds: float = 0.0
    """How long it took, once it is over."""

    problems: list[str] = field(default_factory=list)

    @property
    def what(self) -> str:
        """What is copied, in a few words."""
        count = len(self.entries)
        return shown(self.entries[0].name) if count == 1 else f"{count} entries"

    @property
    def target(self) -> str:
        """Where it goes."""
        return f"{self.place}:{shown(self.into)}" if self.is_upload else shown(self.into)

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before it has begun."""
        return self.transfer.progress if self.transfer is not None else None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state not in (CopyState.WAITING, CopyState.RUNNING)

    def note(self, report: Report) -> None:
        """Keep why something was not copied, but for what ends the copy, which its end says."""
        if report.error is not None and report.error.code not in FULL and len(self.problems) < MOST_PROBLEMS:
            self.problems.append(report.error.message)


class CopyQueue:
    """What waits, runs and is over. `told` is called with each copy as it ends."""

    def __init__(self, machines: NodeFiles, told: Callable[[Copy], None]) -> None:
        self._machines = machines
        self._told = told
        self.copies: list[Copy] = []
        self._work: asyncio.Task[CopyState] | None = None

    @property
    def unfinished(self) -> list[Copy]:
        """Those that run or wait."""
        return [copy for copy in self.copies if not copy.is_over]

    def add(self, copy: Copy) -> bool:
        """Put a copy at the end; return whether nothing runs, so that `run` is to be called."""
        is_idle = not self.unfinished
        over = [each for each in self.copies if each.is_over]
        for each in over[: max(0, len(over) - KEPT + 1)]:
            self.copies.remove(each)
        self.copies.append(copy)
        return is_idle

    def stop(self) -> None:
        """End what runs, and what waits. What was copied in part is gone on with when it is copied again."""
        for copy in self.unfinished:
            if copy.transfer is not None:
                copy.transfer.cancel()
                continue
            if copy.state is CopyState.RUNNING and self._work is not None:
                self._work.cancel()
            copy.state = CopyState.STOPPED

    async def run(self) -> None:
        """Copy until nothing waits any more."""
        while unfinished := self.unfinished:
            copy = unfinished[0]
            copy.state = CopyState.RUNNING
            self._work = asyncio.create_task(self._copied(copy))
            try:
                copy.state = await self._work
            except OmnyShellException as exc:
                copy.problems.append(advice(exc))
                copy.state = CopyState.FAILED
            except asyncio.CancelledError:
                if not copy.is_over:
                    raise
            copy.seconds = copy.progress.seconds if copy.progress is not None else 0.0
            self._told(copy)

    async def _copied(self, copy: Copy) -> CopyState:
        async with self._machines.of(copy.place) as theirs:
            ours = LocalFiles()
            source, target = (ours, theirs) if copy.is_upload else (theirs, ours)
            wanted = [Wanted(source, joined(copy.folder, each.name), each, each.name) for each in copy.entries]
            how, tell = Manner(preserve=True), self._machines.tell
            copy.transfer = Transfer(wanted, target, copy.into, manner=how, report=copy.note, tell=tell)
            done = await copy.transfer.run()
        if copy.transfer.is_cancelled:
            return CopyState.STOPPED
        return CopyState.FAILED if done.failed or done.left_out else CopyState.DONE
