"""`omnyshell tunnel open`, `list` and `close`."""

import argparse
import asyncio

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.output import complain, printable, say, say_json, say_table
from omnyshell.cli.ground.service import until_stopped
from omnyshell.errors import ConfigException, TransportException
from omnyshell.hosts import host_and_port, is_loopback
from omnyshell.ids import short_id
from omnyshell.model.tunnels import LOCAL_EXPOSER, MAX_PORT, TunnelInfo, TunnelProtocol
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess


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
    tunnels = asyncio.run(_fetch(access))
    if options.json:
        say_json([tunnel.to_wire() | {"publicHost": _host(tunnel, access)} for tunnel in tunnels])
    elif tunnels:
        say_table(("ID", "PUBLIC", "NODE", "TARGET", "KIND"), [_row(tunnel, access) for tunnel in tunnels])
    else:
        say("you have no tunnels")
    return 0


def close_tunnel(options: argparse.Namespace) -> int:
    """Close one of the caller's tunnels."""
    asyncio.run(_close(access_from(options), options.ref))
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
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        tunnel = await client.open_tunnel(
            node,
            target_port=port,
            target_host=options.target_host,
            public_port=options.public_port,
            secure=options.tls,
            protocol=TunnelProtocol.HTTP if options.http else TunnelProtocol.TCP,
        )
        say(f"{_public(tunnel, access)} {tunnel.tunnel_id}")
        if node == LOCAL_EXPOSER:
            await _serve(client)
        elif not is_loopback(tunnel.target_host):
            complain(f"omnyshell: {node} connects to {tunnel.target_host} only where its --tunnel-allow says so")
    return 0


async def _serve(client: OmnyShellClient) -> None:
    """Wait for a signal. Raises `TransportException` if the hub is lost, and the tunnel with it."""
    stopped = asyncio.create_task(until_stopped())
    lost = asyncio.create_task(client.wait_lost())
    try:
        await asyncio.wait({stopped, lost}, return_when=asyncio.FIRST_COMPLETED)
        if lost.done() and not stopped.done():
            raise TransportException(f"the tunnel has ended: {lost.result()}")
    finally:
        for task in (stopped, lost):
            task.cancel()
        await asyncio.gather(stopped, lost, return_exceptions=True)


async def _fetch(access: HubAccess) -> tuple[TunnelInfo, ...]:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        return await client.list_tunnels()


async def _close(access: HubAccess, ref: str) -> None:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        await client.close_tunnel(ref)


def _row(tunnel: TunnelInfo, access: HubAccess) -> tuple[str, ...]:
    kind = tunnel.protocol.value + ("+tls" if tunnel.secure else "")
    target = host_and_port(tunnel.target_host, tunnel.target_port)
    return short_id(tunnel.tunnel_id), _public(tunnel, access), tunnel.node_id, target, kind


def _host(tunnel: TunnelInfo, access: HubAccess) -> str:
    """The host of the public port; if the hub gives none, it is the name by which the hub was reached."""
    return tunnel.public_host or access.address.host


def _public(tunnel: TunnelInfo, access: HubAccess) -> str:
    return host_and_port(printable(_host(tunnel, access)), tunnel.public_port)
