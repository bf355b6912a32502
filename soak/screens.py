"""Detaching and resuming at random sizes: the screen equals that of a twin that was never detached."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from support.stack import connected_client

from soak.machines import machines
from soak.report import Figure, report
from soak.twins.headless import Headless
from soak.twins.programs import programs
from soak.twins.seats import Place
from soak.twins.series import Series, all_kinds

CYCLES_OF_A_SERIES = 10


async def run(options: argparse.Namespace, directory: Path) -> list[Series]:
    headless = await Headless.started()
    try:
        async with machines() as (certificates, hub, _), connected_client(certificates, hub.port) as client:
            while not await client.list_nodes():
                await asyncio.sleep(0.05)
            place = Place(client, certificates, hub.port, headless)
            wanted = [
                program
                for name, program in programs(directory).items()
                if not options.programs or name in options.programs.split(",")
            ]
            pairs = [(program, kind) for program in wanted for kind in all_kinds(options.terminals)]
            rounds = -(-options.cycles // (len(pairs) * CYCLES_OF_A_SERIES))
            series = [
                Series(place, directory, program, kind, options.seed + number)
                for number in range(rounds)
                for program, kind in pairs
            ]
            at_once = asyncio.Semaphore(options.at_once)

            async def one(single: Series) -> None:
                async with at_once:
                    await single.run(CYCLES_OF_A_SERIES, options.installed)
                    for fault in single.faults:
                        print(fault, flush=True)

            async with asyncio.TaskGroup() as tasks:
                for single in series:
                    tasks.create_task(one(single))
            return series
    finally:
        if headless is not None:
            await headless.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--installed", type=int, default=5, help="one cycle in so many is by the installed program")
    parser.add_argument("--programs", default="", help="names with commas")
    parser.add_argument("--terminals", default="", help="names with commas")
    parser.add_argument("--keep", default="", help="where what was written to both is left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twins-") as name:
        directory = Path(options.keep or name)
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        series = asyncio.run(asyncio.wait_for(run(options, directory), 7200))
    cycles = sum(single.done for single in series)
    faults = sum(len(single.faults) for single in series)
    installed, second = sum(single.installed for single in series), sum(single.second for single in series)
    measured = f"{cycles} cycles, {installed} by the installed program; {second} looks in xterm.js too; {faults} faults"
    if options.programs or options.terminals:
        print(measured)
        return
    report(
        "screens",
        Figure(
            "detach and resume at random sizes: vim, tmux, htop, less, Textual, emacs; in xterm, kitty, VTE, iTerm2",
            "1,000 cycles: all is as in a twin never detached, history too; what is left is put back",
            measured,
            not faults,
        ),
    )


if __name__ == "__main__":
    main()
