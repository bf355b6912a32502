"""Runs a command on many nodes, some at a time, and keeps what became of it."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from omnyshell.clock import Clock
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.fan_out import FleetCommand, Outcome, run_on_nodes
from omnyshell.services.client.output import OutputChunk
from omnyshell.tui.advice import advice
from omnyshell.tui.fan_out.runs import Job, Run

AT_ONCE = 32


async def run_all(
    client: OmnyShellClient, job: Job, runs: Sequence[Run], clock: Clock, changed: Callable[[], None]
) -> None:
    """Run the command for each of `runs`, and call `changed` at each change.

    A run that takes too long is ended. If this is cancelled, all running commands are ended.
    """
    command = FleetCommand(command=job.command, cwd=job.cwd or None, seconds=job.seconds)
    keeper = _Keeper(runs, clock, changed)
    try:
        await run_on_nodes(client, [run.node_id for run in runs], command, keeper, at_once=AT_ONCE)
    finally:
        for run in runs:
            run.end(clock.monotonic(), cancelled=True)
        changed()


class _Keeper:
    """Notes what becomes of each run."""

    def __init__(self, runs: Sequence[Run], clock: Clock, changed: Callable[[], None]) -> None:
        self._runs: defaultdict[str, list[Run]] = defaultdict(list)
        for run in runs:
            self._runs[run.node_id].append(run)
        self._clock = clock
        self._changed = changed

    def started(self, node_id: str) -> None:
        for run in self._runs[node_id]:
            run.begin(self._clock.monotonic())
        self._changed()

    async def output(self, node_id: str, chunk: OutputChunk) -> None:
        for run in self._runs[node_id]:
            run.add(chunk.data, is_stderr=chunk.is_stderr)
        self._changed()

    async def ended(self, outcome: Outcome) -> None:
        now, status, error = self._clock.monotonic(), outcome.status, outcome.error
        for run in self._runs[outcome.node_id]:
            if status is not None:
                run.end(now, exit_code=status.shell_code)
            elif error is not None:
                run.end(now, error=f"{str(error).capitalize()}." if outcome.is_late else advice(error))
        self._changed()
