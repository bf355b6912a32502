"""A hub with 100 nodes, started and stopped 50 times in one process: nothing is left behind."""

import argparse
import asyncio
import gc
import threading
import time
import tracemalloc
import warnings
from contextlib import AsyncExitStack
from pathlib import Path

from support.raw_peer import registered
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub
from soak.machines import workplace
from soak.report import Figure, report

NODES = 100


def held() -> tuple[int, int, int]:
    """Tasks, descriptors and threads of this process."""
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


async def cycle(certificates: Certificates, state: Path) -> float:
    """Start a hub, have nodes register, stop it with all of them there; returns how long stopping took."""
    hub = OmnyShellHub(hub_config(certificates, state_dir=state))
    await hub.start()
    async with AsyncExitStack() as stack:
        for number in range(NODES):
            await stack.enter_async_context(registered(certificates, hub.port, f"n{number}"))
        assert len(hub.nodes) == NODES
        began = time.monotonic()
        await hub.stop()
        return time.monotonic() - began


async def soak(cycles: int) -> Figure:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    with workplace() as (directory, certificates), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        await cycle(certificates, directory / "state")
        await asyncio.sleep(0.5)
        gc.collect()
        before = held()
        tracemalloc.start()
        await cycle(certificates, directory / "state")
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0]
        stops = [await cycle(certificates, directory / "state") for _ in range(cycles - 2)]
        await asyncio.sleep(0.5)
        gc.collect()
        grown = (tracemalloc.get_traced_memory()[0] - memory) / 1024
        after = held()
    leaked = [now - then for now, then in zip(after, before, strict=True)]
    return Figure(
        "a hub with 100 nodes started and stopped 50 times in one process",
        "0 leaked tasks, descriptors, threads, warnings",
        f"{cycles} times: leaked {leaked[0]} tasks, {leaked[1]} descriptors, {leaked[2]} threads; "
        f"{len(warned)} warnings, {len(problems)} unhandled; {grown:.0f} KiB; slowest stop {max(stops):.2f} s",
        max(leaked) <= 0 and not warned and not problems,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=50)
    report("hub_cycles", asyncio.run(asyncio.wait_for(soak(parser.parse_args().cycles), 400)))


if __name__ == "__main__":
    main()
