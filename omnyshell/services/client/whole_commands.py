"""Runs commands as a whole: all input at once, all output as one result."""

import asyncio
from collections.abc import Awaitable

import msgspec

from omnyshell.errors import OmnyShellTimeoutException
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import ExitStatus


class ExecResult(msgspec.Struct, frozen=True):
    """A command's output, and how it ended."""

    status: ExitStatus
    stdout: bytes
    stderr: bytes


async def whole(
    opening: Awaitable[RemoteSession],
    stdin: bytes,
    timeout: float | None,  # noqa: ASYNC109
) -> ExecResult:
    """See `OmnyShellClient.execute`."""
    try:
        async with asyncio.timeout(timeout):
            async with await opening as session:
                return await collect(session, stdin)
    except TimeoutError as exc:
        raise OmnyShellTimeoutException(f"the command did not end within {timeout:g} s") from exc


async def collect(session: RemoteSession, stdin: bytes) -> ExecResult:
    """Send a command its input, and return all its output. Raises as iterating over a `RemoteSession` does."""
    stdout: list[bytes] = []
    stderr: list[bytes] = []
    session.widen()
    if stdin:
        session.send(stdin)
    session.eof()
    async for chunk in session:
        (stderr if chunk.is_stderr else stdout).append(chunk.data)
    status = await session.wait()
    return ExecResult(status, b"".join(stdout), b"".join(stderr))
