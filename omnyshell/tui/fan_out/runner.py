"""Runs a command on many nodes, some at a time."""

import asyncio
from collections.abc import Callable, Sequence

from omnyshell.clock import Clock
from omnyshell.durations import format_duration
from omnyshell.errors import OmnyShellException
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.tui.advice import advice
from omnyshell.tui.fan_out.runs import Job, Run

AT_ONCE = 32


async def run_all(
    client: OmnyShellClient, job: Job, runs: Sequence[Run], clock: Clock, changed: Callable[[], None]
) -> None:
    """Run the command for each of `runs`, and call `changed` at each change.

    A run that takes too long is ended. If this is cancelled, all running commands are ended.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run) -> None:
        async with gate:
            run.begin(clock.monotonic())
            changed()
            try:
                async with asyncio.timeout(job.seconds):
                    await _run(client, job, run, clock, changed)
            except TimeoutError:
                run.end(clock.monotonic(), error=f"Ended: it took longer than {format_duration(job.seconds)}.")
            except OmnyShellException as exc:
                run.end(clock.monotonic(), error=advice(exc))
            changed()

    try:
        async with asyncio.TaskGroup() as tasks:
            for run in runs:
                tasks.create_task(one(run))
    finally:
        for run in runs:
            run.end(clock.monotonic(), cancelled=True)
        changed()


async def _run(client: OmnyShellClient, job: Job, run: Run, clock: Clock, changed: Callable[[], None]) -> None:
    async with await client.open_session(run.node_id, command=job.command, cwd=job.cwd or None) as session:
        session.eof()
        async for chunk in session:
            run.add(chunk.data, is_stderr=chunk.is_stderr)
            changed()
        run.end(clock.monotonic(), exit_code=(await session.wait()).shell_code)
