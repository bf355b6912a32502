"""`omnyshell forward`: what a node reaches, on this machine."""

import argparse
import asyncio
import math
from contextlib import suppress

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.asking import ask
from omnyshell.cli.ground.loop import run, run_until_signal
from omnyshell.cli.ground.output import BROKEN_PIPE, FAILURE, complain, printable, say, say_json, say_table
from omnyshell.cli.ground.service import allow_many_descriptors, until_stopped
from omnyshell.cli.sessions.exec import Feeder
from omnyshell.cli.terminal.streams import OutputStream, tell
from omnyshell.errors import ConfigException
from omnyshell.ids import short_id
from omnyshell.model.forwards import FINISHED, TARGET_FINISHED, ForwardInfo
from omnyshell.model.targets import Target
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward, Place
from omnyshell.services.client.forwarding.sessions import ask_for_connection, open_permission
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.dial import HubAccess


def forward(options: argparse.Namespace) -> int:
    """Serve forwards until a signal comes, or connect stdin and stdout to a target until that is over."""
    forwards = [Forward.parse(text) for text in options.forwards]
    socks = [] if options.socks is None else [Place.parse(options.socks)]
    if options.stdio is not None:
        if forwards or socks:
            raise ConfigException("--stdio stands alone")
        return run_until_signal(_connect(access_from(options), options.node, Target.parse(options.stdio)))
    if not forwards and not socks:
        raise ConfigException(
            "say what leads where, as in `omnyshell forward NODE 5432:localhost:5432`, or --socks PORT"
        )
    allow_many_descriptors()
    return run(_serve(access_from(options), options.node, forwards, socks))


def list_forwards(options: argparse.Namespace) -> int:
    """Print the caller's forwards."""
    forwards = ask(access_from(options), lambda client: client.forwards.list())
    if options.json:
        say_json([each.to_wire() for each in forwards])
    elif forwards:
        say_table(("ID", "NODE", "FORWARD", "FROM", "CONNECTIONS", "IN", "OUT"), list(map(_row, forwards)))
    else:
        say("you have no forwards")
    return 0


def close_forward(options: argparse.Namespace) -> int:
    """Close one of the caller's forwards."""
    ask(access_from(options), lambda client: client.forwards.close(options.ref))
    say("closed")
    return 0


def _row(found: ForwardInfo) -> tuple[str, ...]:
    counted = (found.connections, found.bytes_in, found.bytes_out)
    return short_id(found.session_id), found.node_id, found.places, found.address, *map(str, counted)


async def _serve(access: HubAccess, node: str, forwards: list[Forward], socks: list[Place]) -> int:
    config = ClientConfig(access=access, reconnect_timeout=math.inf, node_timeout=math.inf)
    async with (
        OmnyShellClient(config) as client,
        Forwarder(client, node, forwards, socks, tell=_complain) as forwarder,
    ):
        for place, target in forwarder.listening:
            say(f"{place} -> {'socks' if target is None else target} at {node}")
        stopped, serving = asyncio.create_task(until_stopped()), asyncio.create_task(forwarder.serve())
        try:
            await asyncio.wait({stopped, serving}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            for task in (stopped, serving):
                task.cancel()
            await asyncio.gather(stopped, serving, return_exceptions=True)
    return 0


def _complain(text: str) -> None:
    complain(f"omnyshell: {printable(text)}")


async def _connect(access: HubAccess, node: str, target: Target) -> int:
    async with (
        OmnyShellClient(ClientConfig(access=access)) as client,
        await open_permission(client, node, [target], f"stdio -> {target}") as permission,
        ask_for_connection(client, permission, target) as session,
    ):
        await client.until_open(session)
        session.on_state = lambda state: tell(session, state)
        session.widen()
        return await _stream(session)


async def _stream(session: RemoteSession) -> int:
    """Connect a connection to stdin and stdout; the latter is closed when the target has finished writing."""
    output, feeder = OutputStream(1), Feeder(session)
    try:
        async for chunk in session:
            if not chunk.is_stderr:
                await output.write(chunk.data)
            elif chunk.data == TARGET_FINISHED:
                output.close()
        code = (await session.wait()).code
        return feeder.stdin.judge(0 if code == FINISHED else FAILURE)
    except BrokenPipeError:
        return BROKEN_PIPE
    finally:
        await feeder.close()
        with suppress(OSError):
            output.close()
