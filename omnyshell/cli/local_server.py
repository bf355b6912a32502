"""The process that runs this machine's own hub and node, for `omnyshell up`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable

from omnyshell.cli.local import DEFAULT_PORT, HOSTS, NODE_PRINCIPAL, LocalSetup, Running, machine_node_id, user_name
from omnyshell.cli.loop import run
from omnyshell.cli.output import describe, fail
from omnyshell.cli.service import set_up_logging, tune_memory, until_stopped
from omnyshell.cli.stdio import settle
from omnyshell.errors import OmnyShellException, TransportException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import ADMIN_ROLE, NODE_ROLE
from omnyshell.model.tunnels import PortRange
from omnyshell.security.authenticators import TokenAuthenticator, TokenGrant, hash_token
from omnyshell.security.cert_generator import CertGenerator
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.services.dial import HubAccess
from omnyshell.services.hub.config import HubConfig
from omnyshell.services.hub.hub import OmnyShellHub
from omnyshell.services.node.config import NodeConfig
from omnyshell.services.node.node import OmnyShellNode
from omnyshell.transport.connection import HubAddress

REGISTER_TIMEOUT = 15.0

TUNNEL_PORTS = PortRange(20_000, 20_999)
"""Below those that Linux hands out by itself; the first that is free is taken."""


def serve(setup: LocalSetup, port: int | None, on_ready: Callable[[Running], None], *, lifeline: bool = False) -> int:
    """Serve until a signal, or with `lifeline` the end of stdin, ends it."""
    tune_memory()
    set_up_logging("warning")
    return run(_serve(setup, port, on_ready, lifeline=lifeline))


async def _serve(setup: LocalSetup, port: int | None, on_ready: Callable[[Running], None], *, lifeline: bool) -> int:
    lock = setup.claim()
    try:
        hub = await _start_hub(setup, port)
        try:
            await _serve_node(setup, hub.port, lock, on_ready, lifeline=lifeline)
        finally:
            await hub.stop()
    finally:
        os.close(lock)
    return 0


async def _serve_node(
    setup: LocalSetup, port: int, lock: int, on_ready: Callable[[Running], None], *, lifeline: bool
) -> None:
    node = OmnyShellNode(_node_config(setup, port))
    serving = asyncio.create_task(node.run())
    try:
        await _registered(node, serving)
        running = Running(os.getpid(), port, machine_node_id())
        setup.announce(lock, running)
        on_ready(running)
        await _until_told(lifeline=lifeline)
    finally:
        node.stop()
        await serving


async def _registered(node: OmnyShellNode, serving: "asyncio.Task[None]") -> None:
    """Wait until the node is registered. Raises what ended it instead, or `OmnyShellException` when time is up."""
    waiting = asyncio.create_task(node.registered.wait())
    await asyncio.wait({waiting, serving}, timeout=REGISTER_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        serving.result()
    if not node.registered.is_set():
        raise OmnyShellException("the node could not register with its hub")


async def _start_hub(setup: LocalSetup, port: int | None) -> OmnyShellHub:
    """Start the hub on the wanted port; on a free one where none is wanted and the usual one is taken."""
    hub = OmnyShellHub(_hub_config(setup, DEFAULT_PORT if port is None else port))
    try:
        await hub.start()
    except TransportException:
        if port is not None:
            raise
        hub = OmnyShellHub(_hub_config(setup, 0))
        await hub.start()
    return hub


def _hub_config(setup: LocalSetup, port: int) -> HubConfig:
    certs = setup.directory / "certs"
    if not (certs / "hub.pem").is_file():
        CertGenerator().generate(certs, HOSTS)
    return HubConfig(
        cert=certs / "hub.pem",
        key=certs / "hub.key",
        host="localhost",
        port=port,
        state_dir=setup.directory / "hub",
        tunnel_ports=TUNNEL_PORTS,
        tunnel_bind_host="localhost",
        authenticator=TokenAuthenticator(
            [
                TokenGrant(PrincipalId(user_name()), hash_token(setup.secret("admin")), frozenset({ADMIN_ROLE})),
                TokenGrant(PrincipalId(NODE_PRINCIPAL), hash_token(setup.secret("node")), frozenset({NODE_ROLE})),
            ]
        ),
    )


def _node_config(setup: LocalSetup, port: int) -> NodeConfig:
    return NodeConfig(
        node_id=machine_node_id(),
        access=HubAccess(
            address=HubAddress("localhost", port),
            credentials=TokenCredentialProvider(PrincipalId(NODE_PRINCIPAL), setup.secret("node")),
            ca=setup.ca_file,
        ),
        state_dir=setup.directory / "node",
    )


async def _until_told(*, lifeline: bool) -> None:
    stopped = asyncio.create_task(until_stopped())
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if lifeline:
        # The other end of this pipe is held by the process that started us, and by nobody else.
        asyncio.get_running_loop().add_reader(0, settle, ended)
    await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
    if lifeline:
        asyncio.get_running_loop().remove_reader(0)
    stopped.cancel()


def main() -> int:
    """Serve in the background."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--lifeline", action="store_true")
    options = parser.parse_args()
    try:
        return serve(LocalSetup.default(), options.port, lambda _running: None, lifeline=options.lifeline)
    except OmnyShellException as exc:
        return fail(describe(exc))


if __name__ == "__main__":
    sys.exit(main())
