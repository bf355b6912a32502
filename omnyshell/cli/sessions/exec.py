"""`omnyshell exec`: a remote command as part of a local pipeline."""

import argparse
import asyncio
import os
from contextlib import suppress

from omnyshell.cli.ground.access import access_from, split_user
from omnyshell.cli.ground.loop import run_until_signal
from omnyshell.cli.ground.output import BROKEN_PIPE, fail
from omnyshell.cli.sessions.forwarded_agent import with_agent
from omnyshell.cli.terminal.streams import InputStream, OutputStream, tell, terminal_spec
from omnyshell.durations import format_duration, parse_duration
from omnyshell.options.values import parse_pairs
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.session import RemoteSession


def execute(options: argparse.Namespace) -> int:
    """Run a command on a node; returns its exit code, 128 and the signal's number for a death by signal."""
    return run_until_signal(_execute(options))


async def _execute(options: argparse.Namespace) -> int:
    split_user(options)
    if options.n:
        _leave_stdin()
    env = parse_pairs(options.env, "--env")
    pty = terminal_spec() if options.tty else None
    limit = parse_duration(options.timeout, "--timeout") if options.timeout is not None else None
    user, has_agent = options.user or "", options.forward_agent
    async with OmnyShellClient(ClientConfig(access=access_from(options))) as client:
        try:
            async with (
                asyncio.timeout(limit) as timeout,
                with_agent(client, options.node, user, wanted=has_agent) as of_agent,
            ):
                session = await client.open_session(
                    options.node,
                    command=None if options.argv else " ".join(options.rest),
                    args=options.rest if options.argv else (),
                    cwd=options.cwd,
                    env=env | of_agent,
                    pty=pty,
                    leader_only=options.leader_only,
                    user=user,
                )
                session.on_state = lambda state: tell(session, state)
                async with session:
                    if pty is None:
                        session.widen()
                        _yield_to_others()
                    return await stream(session)
        except TimeoutError:
            if not timeout.expired():
                raise
            return fail(f"the command did not end within {format_duration(limit or 0)}: it was ended")


def _leave_stdin() -> None:
    """Read nothing in place of stdin, which stays to whoever else has it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _yield_to_others() -> None:
    """Ask the scheduler not to preempt other processes for each piece of output. Larger pieces come then, 7 % faster.

    A scheduling policy that was set on purpose is kept.
    """
    with suppress(AttributeError, OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


async def stream(session: RemoteSession) -> int:
    """Connect the session to stdin, stdout and stderr until it ends; returns the exit code."""
    outputs = OutputStream(1), OutputStream(2)
    session.take_at_once = lambda stream, data: outputs[stream is DataOpcode.STDERR].write_at_once(data)
    feeder = Feeder(session)
    try:
        async for chunk in session:
            await outputs[chunk.is_stderr].write(chunk.data)
        return feeder.stdin.judge((await session.wait()).shell_code)
    except BrokenPipeError:
        return BROKEN_PIPE
    finally:
        await feeder.close()
        for output in outputs:
            output.close()


class Feeder:
    """Sends stdin and its end to a session, no faster than the node reads."""

    def __init__(self, session: RemoteSession) -> None:
        self._session = session
        self.stdin = InputStream(0, self._send)
        self._waiting: asyncio.Task[None] | None = None
        self.stdin.resume()

    async def close(self) -> None:
        """Stop reading."""
        self.stdin.pause()
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)

    def _send(self, data: bytes) -> None:
        session = self._session
        if session.has_ended:
            self.stdin.pause()
        elif not data:
            session.eof()
        else:
            session.send(data)
            if session.is_stuck:
                self.stdin.pause()
                self._waiting = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        await self._session.drain()
        self.stdin.resume()
