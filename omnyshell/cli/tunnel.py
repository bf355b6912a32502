"""`omnyshell tunnel open`, `list` and `close`."""

import argparse
import asyncio

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.asking import ask
from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.output import complain, printable, say, say_json, say_table
from omnyshell.cli.ground.service import until_stopped
from omnyshell.errors import (
    ConfigException,
    ErrorCodes,
    OmnyShellException,
    OmnyShellTimeoutException,
    TransportException,
    TunnelRejectedException,
    UntrustedHubException,
)
from omnyshell.hosts import host_and_port, is_loopback
from omnyshell.ids import short_id
from omnyshell.model.tunnels import LOCAL_EXPOSER, MAX_PORT, TunnelInfo, TunnelProtocol
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess
from omnyshell.transport.backoff import STABLE_AFTER, Backoff

_PASSING = frozenset(("port_in_use", ErrorCodes.CAPACITY_EXCEEDED))
"""Reasons of a hub that may be gone soon: it may not know yet that the connection before is dead."""


def open_tunnel(options: argparse.Namespace) -> int:
    """Open a tunnel and print its address; one to this machine is served until a signal comes."""
    node, port = _place(options)
    for number, name in ((port, "the target's port"), (options.public_port, "--public-port")):
        if number is not None and not 1 <= number <= MAX_PORT:
            raise ConfigException(f"{name} {number}: ports are 1 to {MAX_PORT}")
    return run(_open(access_from(options), options, node, port))


def list_tunnels(options: argparse.Namespace) -> int:
    """Print the caller's tunnels."""
    access = access_from(options)
    tunnels = ask(access, lambda client: client.list_tunnels())
    if options.json:
        say_json([tunnel.to_wire() | {"publicHost": _host(tunnel, access)} for tunnel in tunnels])
    elif tunnels:
        say_table(("ID", "PUBLIC", "NODE", "TARGET", "KIND", "STATE"), [_row(tunnel, access) for tunnel in tunnels])
    else:
        say("you have no tunnels")
    return 0


def close_tunnel(options: argparse.Namespace) -> int:
    """Close one of the caller's tunnels."""
    ask(access_from(options), lambda client: client.close_tunnel(options.ref))
    say("closed")
    return 0


def _place(options: argparse.Namespace) -> tuple[str, int]:
    """The exposer and the target's port. Raises `ConfigException` for arguments that the command does not take."""
    if options.local is not None:
        if options.node is not None:
            raise ConfigException("give either a node and a port, or --local PORT")
        return LOCAL_EXPOSER, int(options.local)
    if options.node is None or options.port is None:
        raise ConfigException("write it as `omnyshell tunnel open NODE PORT` or `omnyshell tunnel open --local PORT`")
    return options.node, int(options.port)


async def _open(access: HubAccess, options: argparse.Namespace, node: str, port: int) -> int:
    if node == LOCAL_EXPOSER:
        return await _serve(access, options, port)
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        tunnel = await _ask_for(client, options, node, port, persist=options.persist)
        say(f"{_public(tunnel, access)} {tunnel.tunnel_id}")
        if not is_loopback(tunnel.target_host):
            complain(f"omnyshell: {node} connects to {tunnel.target_host} only where its --tunnel-allow says so")
    return 0


async def _ask_for(
    client: OmnyShellClient, options: argparse.Namespace, node: str, port: int, *, persist: bool = False
) -> TunnelInfo:
    return await client.open_tunnel(
        node,
        target_port=port,
        target_host=options.target_host,
        public_port=options.public_port,
        secure=options.tls,
        protocol=TunnelProtocol.HTTP if options.http else TunnelProtocol.TCP,
        persist=persist,
    )


async def _serve(access: HubAccess, options: argparse.Namespace, port: int) -> int:
    """Serve a tunnel to this machine until a signal comes. Raises as `_LocalTunnel` does."""
    tunnel = _LocalTunnel(access, options, port)
    serve = tunnel.again_and_again if options.persist else tunnel.until_lost
    stopped, serving = asyncio.create_task(until_stopped()), asyncio.create_task(serve())
    try:
        await asyncio.wait({stopped, serving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done() and not stopped.done():
            serving.result()
    finally:
        for task in (stopped, serving):
            task.cancel()
        await asyncio.gather(stopped, serving, return_exceptions=True)
    return 0


class _LocalTunnel:
    """A tunnel to this machine, which this command holds."""

    def __init__(self, access: HubAccess, options: argparse.Namespace, port: int) -> None:
        self._access = access
        self._options = options
        self._port = port
        self._was_open = False

    async def until_lost(self) -> None:
        """Serve it over one connection, and raise `TransportException` when that is lost.

        Raises as `OmnyShellClient.open_tunnel` does. The public port that it gets is asked for from then on.
        """
        async with OmnyShellClient(ClientConfig(access=self._access)) as client:
            tunnel = await _ask_for(client, self._options, LOCAL_EXPOSER, self._port)
            self._options.public_port, self._was_open = tunnel.public_port, True
            say(f"{_public(tunnel, self._access)} {tunnel.tunnel_id}")
            why = await client.wait_lost()
        raise TransportException(f"the tunnel has ended: {why}")

    async def again_and_again(self) -> None:
        """Serve it over one connection after another. Raises what does not go away by waiting."""
        backoff, loop = Backoff(), asyncio.get_running_loop()
        while True:
            since = loop.time()
            try:
                await self.until_lost()
            except (TransportException, OmnyShellTimeoutException, TunnelRejectedException) as exc:
                if not self._was_open or not _passes(exc):
                    raise
                complain(f"omnyshell: {printable(exc.message)}; opening it again")
            if loop.time() - since >= STABLE_AFTER:
                backoff.begin_outage()
            await asyncio.sleep(backoff.next_delay())


def _passes(error: OmnyShellException) -> bool:
    if isinstance(error, TunnelRejectedException):
        return error.code in _PASSING
    return not isinstance(error, UntrustedHubException)


def _row(tunnel: TunnelInfo, access: HubAccess) -> tuple[str, ...]:
    kind = tunnel.protocol.value + ("+tls" if tunnel.secure else "")
    target = host_and_port(tunnel.target_host, tunnel.target_port)
    state = "waiting" if tunnel.waiting else "kept" if tunnel.persist else "open"
    return short_id(tunnel.tunnel_id), _public(tunnel, access), tunnel.node_id, target, kind, state


def _host(tunnel: TunnelInfo, access: HubAccess) -> str:
    """The host of the public port; if the hub gives none, it is the name by which the hub was reached."""
    return tunnel.public_host or access.address.host


def _public(tunnel: TunnelInfo, access: HubAccess) -> str:
    return host_and_port(printable(_host(tunnel, access)), tunnel.public_port)
