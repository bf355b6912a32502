"""Logs in again and again from a process of its own, so that nothing but the hub is measured."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.raw_peer import logged_in
from support.stack import Certificates

PAUSE = 0.2


@asynccontextmanager
async def honest_logins(certificates: Certificates, port: int) -> AsyncIterator[Callable[[], float]]:
    """Log in meanwhile; afterwards the function returns the longest time that one took, in seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "soak.probe", str(certificates.ca), str(port),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    worst = float("inf")
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield lambda: worst
    finally:
        output, _ = await process.communicate(b"end\n")
        if process.returncode == 0:
            worst = float(output)


async def run(ca: Path, port: int) -> None:
    certificates = Certificates(ca, ca, ca)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    worst = 0.0
    print("ready", flush=True)
    while not ended.done():
        began = time.monotonic()
        async with logged_in(certificates, port, "client", "admin"):
            worst = max(worst, time.monotonic() - began)
        await asyncio.sleep(PAUSE)
    print(worst)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
