"""vim, less, htop, make -j2 and transfers, while keeper and node are upgraded, restarted and killed in random order."""

import argparse
import asyncio
import random
import time
import traceback

from support.descriptor_store import managed
from support.keeper_versions import NEWER, OLDER, install
from support.kept_programs import KeptPrograms, missing
from support.stack import connected_client

from soak.any_order import Machine
from soak.machines import workplace
from soak.report import Figure, report

SIZE = 64 << 20
JOBS = 400


async def one(machine: Machine, chance: random.Random, installed: list[int]) -> str:
    """Do one thing to keeper, node or both; return what."""
    what = chance.choice(["upgrade", "restart node", "kill node", "restart keeper", "kill keeper", "both", "kill both"])
    node, keeper = machine.units["node"], machine.units["keeper"]
    if what == "upgrade" or chance.random() < 0.3:
        installed[0] += 1
        version = chance.choice([(), OLDER, NEWER])
        install(machine.program, version, mark=str(installed[0]))
        machine.upgrade_keeper()
        what += f", version {installed[0]}"
    order = [unit for unit in (node, keeper) if what.startswith(("both", "kill both"))]
    order = order or ([node] if "node" in what else [keeper] if "keeper" in what else [])
    chance.shuffle(order)
    for unit in order:
        await asyncio.to_thread(unit.kill if what.startswith("kill") else unit.stop)
    chance.shuffle(order)
    for unit in order:
        await asyncio.sleep(chance.random() / 2)
        await asyncio.to_thread(unit.start)
    return what


async def soak(steps: int, seed: int) -> tuple[list[str], list[float]]:
    """Return what was done, and how many seconds it took until all programs were used again."""
    chance, installed = random.Random(seed), [0]
    done: list[str] = []
    times: list[float] = []
    with workplace() as (directory, certificates), managed(directory) as manager:
        folder, place = directory / "folder", directory / "installed"
        folder.mkdir()
        install(place, ())
        machine = Machine(directory, certificates, manager, place)
        listening = asyncio.create_task(machine.listen())
        try:
            machine.start()
            async with connected_client(certificates, machine.hub.port, reconnect_timeout=120.0) as client:
                while not await client.list_nodes():
                    await asyncio.sleep(0.05)
                programs = KeptPrograms(client, folder, SIZE, JOBS)
                await programs.start()
                for number in range(steps):
                    done.append(await one(machine, chance, installed))
                    print(f"  {number + 1}: {done[-1]}", flush=True)
                    began = time.monotonic()
                    await programs.use()
                    times.append(time.monotonic() - began)
                await programs.finish()
        finally:
            machine.end()
            listening.cancel()
    return done, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if missing():
        print(f"not installed: {', '.join(missing())}")
        return
    fault = ""
    done: list[str] = []
    times = [0.0]
    try:
        done, times = asyncio.run(soak(options.steps, options.seed))
    except (AssertionError, TimeoutError) as exc:
        traceback.print_exc()
        fault = f"{type(exc).__name__}: {str(exc)[:200]}"
    upgrades = sum("version" in each for each in done)
    report(
        "upgrades",
        Figure(
            "keeper and node upgraded, restarted and killed under vim, less, htop, make -j2 and 64 MiB each way",
            "none lost, screens of node and client equal, files and exit codes right",
            fault
            or f"{len(done)} steps, {upgrades} with another version of the keeper; used again after "
            f"{sorted(times)[len(times) // 2]:.1f} s, worst {max(times):.1f} s",
            not fault,
        ),
    )


if __name__ == "__main__":
    main()
