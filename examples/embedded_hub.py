"""A hub in one's own program, which does something else besides.

    omnyshell keygen --out ann.key --principal ann        # its line goes into DIR/authorized_keys, with the role admin
    python examples/embedded_hub.py DIR hub.example

Peers trust DIR/certs/ca.pem. The hub's state (whose node ids are, invites, locks, the audit trail) is in DIR/state.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from omnyshell import (
    AuthorizedKeysStore,
    CertGenerator,
    HubConfig,
    LoginLimit,
    OmnyShellHub,
    PublicKeyAuthenticator,
)

REPORT_PERIOD = 60.0


def config(directory: Path, host: str, port: int) -> HubConfig:
    """Return the hub's settings; the authority in the directory is made once, and a certificate each time."""
    made = CertGenerator().generate(directory / "certs", [host])
    keys = AuthorizedKeysStore.from_file(directory / "authorized_keys")
    return HubConfig(
        cert=made.hub_pem_path,
        key=made.hub_key_path,
        host=host,
        port=port,
        authenticator=PublicKeyAuthenticator(keys),
        login_limit=LoginLimit.parse("5/min"),
        state_dir=directory / "state",
    )


@asynccontextmanager
async def serving(directory: Path, host: str, port: int) -> AsyncIterator[OmnyShellHub]:
    """A hub that is ready, and that has told its peers and ended everything behind it."""
    async with OmnyShellHub(config(directory, host, port)) as hub:
        print(f"wss://{host}:{hub.port}, trust {directory / 'certs' / 'ca.pem'}", flush=True)
        yield hub


def report(hub: OmnyShellHub) -> str:
    """Say what goes on."""
    return f"{hub.connections} connections, {len(hub.nodes)} nodes, {len(hub.sessions)} sessions"


async def main(directory: Path, host: str, port: int = 8443) -> None:
    """Serve until interrupted, and report now and then."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serving(directory, host, port) as hub:
        while not stopped.is_set():
            print(report(hub), flush=True)
            await asyncio.wait({asyncio.ensure_future(stopped.wait())}, timeout=REPORT_PERIOD)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
