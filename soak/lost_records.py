"""Two of three servers of the hubs' engine come back without what they had acknowledged, as after a loss of power.

The third one is connected with hubs that have applied it. Whether the engine loses it depends on who leads then; where
it does, each hub either has what the others have, or says that the engine's stream is another one.
"""

import argparse
import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

from omnyshell import OmnyShellException
from soak.demo_hubs import DemoHubs, demo_hubs
from soak.fleet import quieten
from soak.machines import workplace
from soak.report import Figure, report

NOTICED = 40.0
"""Seconds behind the servers' return within which every hub has noticed, an election among them."""

LOST = 3
"""Changes that the two servers come back without."""


async def add_user(hubs: DemoHubs, hub: str, name: str) -> bool:
    return not (await asyncio.to_thread(hubs.omnyshell, hub, "users", "add", name, "--role", "dev")).returncode


async def users(hubs: DemoHubs, hub: str) -> frozenset[str]:
    listed = await asyncio.to_thread(hubs.omnyshell, hub, "users", "list", "--json")
    return frozenset(each["principal"] for each in json.loads(listed.stdout))


async def status(hubs: DemoHubs, hub: str) -> dict[str, Any]:
    words = ("cluster", "status", "--json", "--state-dir", str(hubs.state(hub)))
    return json.loads((await asyncio.to_thread(hubs.omnyshell, hub, *words)).stdout)


def store_of(command: list[str]) -> Path:
    """The directory in which a server stores, by its command and configuration."""
    text = Path(command[command.index("-c") + 1]).read_text()
    return Path(text.partition('store_dir: "')[2].partition('"')[0])


async def lose(hubs: DemoHubs) -> None:
    """Have two servers lose what a third one, which does not lead, has acknowledged with them."""
    leader = (await status(hubs, "a"))["engine"]["leader"]
    names = [f"engine-{number}" for number in range(len(hubs.servers))]
    survivor = next(number for number in range(len(names)) if not leader.endswith(str(number)))
    losers = [number for number in range(len(names)) if number != survivor]
    stores = {number: store_of(hubs.server_command(number)) for number in losers}
    for number, store in stores.items():
        shutil.copytree(store, hubs.directory / f"kept-{number}")
    for number in range(LOST):
        assert await add_user(hubs, "a", f"lost{number}")
    commands = {number: hubs.kill_server(number) for number in losers}
    for number, store in stores.items():
        shutil.rmtree(store)
        shutil.copytree(hubs.directory / f"kept-{number}", store)
        hubs.start_server(number, commands[number])


async def one_round() -> tuple[int, int, float]:
    """Return how many hubs said so, how many differ and say nothing, and the seconds until all had noticed."""
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        await hubs.until_whole()
        await lose(hubs)
        began, number = time.monotonic(), 0
        while True:
            for hub in hubs.pids:
                number += await add_user(hubs, hub, f"again{number}")
            told = {hub for hub in hubs.pids if "the engine's stream " in hubs.log(hub)}
            held = {hub: await users(hubs, hub) for hub in hubs.pids if hub not in told}
            differ = len(set(held.values())) - 1
            if ((number > 2 * LOST or not held) and differ <= 0) or time.monotonic() - began > NOTICED:
                return len(told), max(differ, 0), time.monotonic() - began


async def run(rounds: int) -> Figure:
    told = silent = lost = 0
    slowest = 0.0
    for _ in range(rounds):
        said, differ, took = await one_round()
        lost += said > 0
        told, silent, slowest = told + said, silent + differ, max(slowest, took)
    return Figure(
        f"two servers of the hubs' engine come back without {LOST} changes, {rounds} times",
        "no hub that has applied what is lost goes on in silence",
        f"{lost} times it was lost; {told} hubs said so, all was clear {slowest:.0f} s behind; {silent} did not",
        silent == 0,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    quieten()
    try:
        figure = asyncio.run(run(options.rounds))
    except OmnyShellException as exc:
        parser.exit(1, f"{exc}\n")
    report("lost_records", figure)


if __name__ == "__main__":
    main()
