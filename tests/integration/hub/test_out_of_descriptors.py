"""A hub that has no descriptor left serves whom it has, and takes others again once there are some."""

import asyncio
import resource
from pathlib import Path

from support.deadline import DEADLINE
from support.hub_process import hub_process
from support.raw_peer import logged_in
from support.stack import Certificates, within


async def test_without_descriptors_the_hub_serves_on_and_recovers(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        hub_process(certificates, tmp_path) as hub,
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        taken = len(list(Path(f"/proc/{hub.pid}/fd").iterdir()))
        resource.prlimit(hub.pid, resource.RLIMIT_NOFILE, (taken + 5, taken + 5))
        waiting = [await within(asyncio.open_connection("127.0.0.1", hub.port)) for _ in range(40)]
        for _ in range(3):
            await client.still_there()
        for _, writer in waiting:
            writer.close()
        async with asyncio.timeout(DEADLINE), logged_in(certificates, hub.port, "client", "dev") as later:
            await later.still_there()
        await client.still_there()


async def test_a_hub_takes_what_descriptors_the_system_allows(certificates: Certificates, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        async with hub_process(certificates, tmp_path) as hub:
            assert resource.prlimit(hub.pid, resource.RLIMIT_NOFILE) == (min(hard, 65_536), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
