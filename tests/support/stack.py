"""A hub, a node and a client on loopback TLS, in one event loop."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.deadline import DEADLINE
from support.ports import free_port

from omnyshell import (
    CertGenerator,
    ClientConfig,
    EndpointLimits,
    HubAccess,
    HubAddress,
    HubConfig,
    NodeConfig,
    OmnyShellClient,
    OmnyShellHub,
    OmnyShellNode,
    PrincipalId,
    TokenAuthenticator,
    TokenCredentialProvider,
    TokenGrant,
)

OPEN_TUNNELS: dict[str, Any] = {"open_local_tunnels": True, "open_node_tunnels": True}
"""A hub's settings for those who open public ports without a right of their own, as version 0.1 let them."""

OVER_TWO_HUBS = "OMNYSHELL_TEST_OVER_TWO_HUBS"
"""While this variable is set, clients and nodes of a `stack` are at two hubs."""

GRANTS = ("admin:admin-token:admin", "box:box-token:node", "dev:dev-token:developer")


@dataclass(frozen=True)
class Certificates:
    """The files of a test authority, and those of the authority of tunnels, where there is one."""

    ca: Path
    cert: Path
    key: Path
    tunnel_ca: Path | None = None
    tunnel_cert: Path | None = None
    tunnel_key: Path | None = None

    @classmethod
    def made(cls, directory: Path, *hosts: str) -> "Certificates":
        """Make them, as `omnyshell cert gen` does."""
        made = CertGenerator().generate(directory, hosts)
        hub, tunnels = made.hub, made.tunnels
        return cls(hub.ca_pem_path, hub.pem_path, hub.key_path, tunnels.ca_pem_path, tunnels.pem_path, tunnels.key_path)


def hub_config(certificates: Certificates, **changes: Any) -> HubConfig:
    """A hub's settings for tests: a port of its own on loopback, three principals, and patience with slow machines."""
    settings: dict[str, Any] = {
        "cert": certificates.cert,
        "key": certificates.key,
        "tunnel_cert": certificates.tunnel_cert,
        "tunnel_key": certificates.tunnel_key,
        "port": free_port(),
        "heartbeat_timeout": 10 * DEADLINE,
        "login_timeout": DEADLINE,
        "endpoint": EndpointLimits(tls_timeout=DEADLINE, upgrade_timeout=DEADLINE),
        "authenticator": TokenAuthenticator([TokenGrant.parse(grant) for grant in GRANTS]),
    }
    return HubConfig(**settings | changes)


def access(certificates: Certificates, port: int, principal: str) -> HubAccess:
    """How a principal of `GRANTS` reaches the hub."""
    return HubAccess(
        address=HubAddress("127.0.0.1", port),
        credentials=TokenCredentialProvider(PrincipalId(principal), f"{principal}-token"),
        ca=certificates.ca,
        connect_timeout=DEADLINE,
    )


@asynccontextmanager
async def running_node(
    certificates: Certificates, port: int, state: Path, node_id: str = "n1", **changes: Any
) -> AsyncIterator[OmnyShellNode]:
    """A node that is registered, and has ended all it started afterwards."""
    settings = {"access": access(certificates, port, "box"), "run_as_node_user": changes.get("users_file") is None}
    node = OmnyShellNode(NodeConfig(node_id=node_id, state_dir=state, **settings | changes))
    running = asyncio.create_task(node.run())
    try:
        await asyncio.wait_for(node.registered.wait(), DEADLINE)
        yield node
    finally:
        node.stop()
        await asyncio.wait_for(running, DEADLINE)


@asynccontextmanager
async def connected_client(
    certificates: Certificates, port: int, principal: str = "admin", **changes: Any
) -> AsyncIterator[OmnyShellClient]:
    """A client that is logged in, and waits for a node that is started anew as long as a test does."""
    settings = {"node_timeout": DEADLINE, "request_timeout": DEADLINE, "open_timeout": DEADLINE, **changes}
    async with OmnyShellClient(ClientConfig(access=access(certificates, port, principal), **settings)) as client:
        yield client


@asynccontextmanager
async def stack(
    certificates: Certificates, state: Path, **node_changes: Any
) -> AsyncIterator[tuple[OmnyShellHub, OmnyShellNode, OmnyShellClient]]:
    """All three, ready; with `OVER_TWO_HUBS` the node is at another hub than the client, which is returned."""
    if os.environ.get(OVER_TWO_HUBS):
        async with over_two_hubs(certificates, state, **node_changes) as found:
            yield found
        return
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, state, **node_changes) as node,
        connected_client(certificates, hub.port) as client,
    ):
        yield hub, node, client


@asynccontextmanager
async def over_two_hubs(
    certificates: Certificates, state: Path, **node_changes: Any
) -> AsyncIterator[tuple[OmnyShellHub, OmnyShellNode, OmnyShellClient]]:
    """A hub with a client, and a node that another hub has; a link is between them."""
    from support.several_hubs import two_linked_hubs

    async with (
        two_linked_hubs(certificates) as hubs,
        running_node(certificates, hubs.running["b"].port, state, **node_changes) as node,
    ):
        node_id = node_changes.get("node_id", "n1")
        await until(lambda: node_id in hubs.described_at("a"))
        async with connected_client(certificates, hubs.running["a"].port) as client:
            yield hubs.running["a"], node, client


async def within(awaitable: Awaitable[Any], seconds: float = DEADLINE) -> Any:
    """Await something that must come in time."""
    return await asyncio.wait_for(awaitable, seconds)


async def until(condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Wait for what nothing announces, such as the end of another process."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def read_page(reader: asyncio.StreamReader) -> str:
    """Read what an HTTP response says its page has; the end of the connection comes when a hub has lingered."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    assert size, head
    return (await reader.readexactly(int(size[1]))).decode()
