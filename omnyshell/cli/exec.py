"""`omnyshell exec`: a remote command as part of a local pipeline."""

import argparse
import asyncio
import sys

from omnyshell.cli.access import access_from
from omnyshell.cli.parsing import parse_pairs
from omnyshell.cli.stdio import InputStream, OutputStream
from omnyshell.model.sessions import PtySpec
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import LinkState

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""


def execute(options: argparse.Namespace) -> int:
    """Run a command on a node; returns its exit code, 128 and the signal's number for a death by signal."""
    return asyncio.run(_execute(options))


async def _execute(options: argparse.Namespace) -> int:
    env = parse_pairs(options.env, "--env")
    pty = terminal_spec() if options.tty else None
    async with OmnyShellClient(ClientConfig(access=access_from(options))) as client:
        session = await client.open_session(options.node, command=options.command, cwd=options.cwd, env=env, pty=pty)
        session.on_state = _tell
        async with session:
            if pty is None:
                session.widen()
            return await stream(session)


def _tell(state: LinkState) -> None:
    texts = {LinkState.RECONNECTING: "the connection is lost; waiting for it", LinkState.RESUMED: "the command goes on"}
    if state in texts:
        print(f"omnyshell: {texts[state]}", file=sys.stderr)


async def stream(session: RemoteSession) -> int:
    """Connect the session to stdin, stdout and stderr until it ends; returns the exit code."""
    outputs = OutputStream(1), OutputStream(2)
    feeding = asyncio.create_task(feed(session))
    try:
        async for chunk in session:
            await outputs[chunk.is_stderr].write(chunk.data)
        return (await session.wait()).shell_code
    except BrokenPipeError:
        return BROKEN_PIPE
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        for output in outputs:
            output.close()


async def feed(session: RemoteSession) -> None:
    """Send stdin to the session, and its end."""
    stdin = InputStream(0)
    while not session.has_ended:
        data = await stdin.read()
        if not data:
            session.eof()
            return
        await session.write(data)


def terminal_spec() -> PtySpec:
    """Return the type and size of the local terminal, or the defaults where there is none."""
    import os

    term = os.environ.get("TERM") or PtySpec().term
    for fd in (0, 1, 2):
        try:
            size = os.get_terminal_size(fd)
        except OSError:
            continue
        if size.columns and size.lines:
            return PtySpec(term=term, cols=size.columns, rows=size.lines)
    return PtySpec(term=term)
