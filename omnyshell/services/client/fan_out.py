"""Runs a command on many nodes, some at a time, over one connection."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from omnyshell.durations import format_duration
from omnyshell.errors import OmnyShellException, OmnyShellTimeoutException
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.output import OutputChunk
from omnyshell.services.client.states import ExitStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCommand:
    """What is run on each node; see `OmnyShellClient.open_session`."""

    command: str
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    user: str = ""
    seconds: float | None = None
    """The time limit on each node, after which the command is ended; None for none."""


class Outcome(NamedTuple):
    """What became of the command on one node: how it ended, or why that is not known."""

    node_id: str
    status: ExitStatus | None
    error: OmnyShellException | None = None
    is_late: bool = False
    """Whether it was ended as it took too long."""


class FleetListener(Protocol):
    """Hears of the command on each node. What awaits here holds up the output of this node alone."""

    def started(self, node_id: str) -> None:
        """It is being opened on this node."""

    async def output(self, node_id: str, chunk: OutputChunk) -> None:
        """Take a chunk of its output."""

    async def ended(self, outcome: Outcome) -> None:
        """It ended on this node, after all output, or failed."""


async def run_on_nodes(
    client: OmnyShellClient, node_ids: Iterable[str], command: FleetCommand, listener: FleetListener, *, at_once: int
) -> None:
    """Run the command on each node, on `at_once` of them at a time; a failure of one keeps no other from running it.

    If this is cancelled, or the listener raises, all running commands are ended; what it raised first is raised.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(node_id: str) -> None:
        async with gate:
            listener.started(node_id)
            try:
                async with asyncio.timeout(command.seconds):
                    outcome = Outcome(node_id, await _run(client, node_id, command, listener))
            except TimeoutError:
                text = f"ended: it took longer than {format_duration(command.seconds or 0)}"
                outcome = Outcome(node_id, None, OmnyShellTimeoutException(text), is_late=True)
            except OmnyShellException as exc:
                outcome = Outcome(node_id, None, exc)
            await listener.ended(outcome)

    try:
        async with asyncio.TaskGroup() as tasks:
            for node_id in node_ids:
                tasks.create_task(one(node_id))
    except ExceptionGroup as group:
        raise group.exceptions[0] from group


async def _run(client: OmnyShellClient, node_id: str, command: FleetCommand, listener: FleetListener) -> ExitStatus:
    opening = client.open_session(node_id, command=command.command, cwd=command.cwd, env=command.env, user=command.user)
    async with await opening as session:
        if command.stdin:
            session.send(command.stdin)
        session.eof()
        async for chunk in session:
            await listener.output(node_id, chunk)
        return await session.wait()
