"""Runs a command on many nodes, some at a time."""

import asyncio
from collections.abc import Callable, Sequence

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.tui.fan_out.runs import Run

AT_ONCE = 32


async def run_all(
    client: OmnyShellClient, command: str, runs: Sequence[Run], clock: Clock, changed: Callable[[], None]
) -> None:
    """Run the command for each of `runs`, telling of each change. Cancelled, it ends what runs still."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run) -> None:
        async with gate:
            run.begin(clock.monotonic())
            changed()
            try:
                await _run(client, command, run, clock, changed)
            except OmnyShellException as exc:
                run.end(clock.monotonic(), error=str(exc) or type(exc).__name__)
            changed()

    try:
        async with asyncio.TaskGroup() as tasks:
            for run in runs:
                tasks.create_task(one(run))
    finally:
        for run in runs:
            run.end(clock.monotonic(), cancelled=True)
        changed()


async def _run(client: OmnyShellClient, command: str, run: Run, clock: Clock, changed: Callable[[], None]) -> None:
    async with await client.open_session(run.node_id, command=command) as session:
        session.eof()
        async for chunk in session:
            run.add(chunk.data, is_stderr=chunk.is_stderr)
            changed()
        run.end(clock.monotonic(), exit_code=(await session.wait()).shell_code)
