"""Detaching and resuming at random sizes: the screen equals that of a twin that was never detached."""

import argparse
import asyncio
import difflib
import os
import random
import shutil
import time
from contextlib import suppress
from pathlib import Path

from support.stack import connected_client

from omnyshell import ChannelException, OmnyShellClient, PtySpec, RemoteSession, SessionMode
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, plain_text
from soak.machines import machines
from soak.report import Figure, report

QUIET = 0.06
PATIENCE = 5.0

HTOPRC = """\
htop_version=3.2.2
config_reader_min_version=3
fields=0 48 17 18 38 39 40 2 46 47 49 1
hide_kernel_threads=1
header_layout=two_50_50
column_meters_0=Hostname
column_meter_modes_0=2
column_meters_1=Hostname
column_meter_modes_1=2
delay=1000
"""

KEYS = {
    "vim": [b"10j", b"\x06", b"\x02", b"gg", b"G", b"20l", b":set number!\r", b":noh\r", b"/line 7\r", b"zz"],
    "less": [b" ", b"b", b"10j", b"5k", b"G", b"g", b"/line 9\r", b"-S\r"],
    "htop": [b"\x1bOB", b"\x1bOA", b"\x1bOC", b"\x1bOD", b"t", b"H"],
}


class View:
    """What a terminal shows of a session."""

    def __init__(self, session: RemoteSession, size: PtySpec) -> None:
        self.session = session
        self.screen = Emulator(size.cols, size.rows)
        self.heard = time.monotonic()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with suppress(ChannelException):
            async for chunk in self.session:
                self.screen.feed(chunk.data)
                self.heard = time.monotonic()

    async def leave(self) -> None:
        await asyncio.gather(self._task, return_exceptions=True)


class Pair:
    """A session that is detached again and again, and its twin."""

    def __init__(self, client: OmnyShellClient, command: str, env: dict[str, str]) -> None:
        self._client = client
        self._command = command
        self._env = env
        self.size = PtySpec(cols=80, rows=24)
        self.views: list[View] = []

    async def begin(self) -> None:
        for _ in range(2):
            session = await self._client.open_session(
                "n1", mode=SessionMode.SHELL, command=self._command, pty=self.size, env=self._env
            )
            self.views.append(View(session, self.size))
        await self.settle()

    async def settle(self) -> None:
        """Wait until neither prints any more."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and any(time.monotonic() - view.heard < QUIET for view in self.views):
            await asyncio.sleep(QUIET / 4)

    async def type(self, keys: bytes) -> None:
        for view in self.views:
            await view.session.write(keys)
        await asyncio.sleep(QUIET)
        await self.settle()

    async def cycle(self, size: PtySpec) -> None:
        """Detach one and resume it at another size, which the twin gets too."""
        first, twin = self.views
        await first.session.detach()
        await first.leave()
        session = await self._client.resume("n1", first.session.id, pty=size)
        self.size = size
        twin.session.resize(size.cols, size.rows)
        twin.screen.resize(size.rows, size.cols)
        twin.heard = time.monotonic()
        self.views[0] = View(session, size)
        await asyncio.sleep(QUIET)
        await self.settle()

    async def difference(self) -> str:
        """What tells the two screens apart; empty where nothing does."""
        end = time.monotonic() + PATIENCE
        while paint(self.views[0].screen) != paint(self.views[1].screen):
            if time.monotonic() >= end:
                texts = [plain_text(view.screen).splitlines() for view in self.views]
                lines = list(difflib.unified_diff(*texts, "detached", "twin", lineterm="", n=0))
                return "\n".join(lines[:12]) or "colours, modes or cursor"
            await asyncio.sleep(QUIET)
        return ""


async def soak_one(
    client: OmnyShellClient, name: str, command: str, env: dict[str, str], cycles: int, seed: int
) -> list[str]:
    chooser = random.Random(seed)
    pair = Pair(client, command, env)
    await pair.begin()
    faults = []
    for number in range(cycles):
        size = PtySpec(cols=chooser.randrange(40, 160), rows=chooser.randrange(10, 50))
        await pair.cycle(size)
        problem = await pair.difference()
        if not problem:
            keys = chooser.choice(KEYS[name])
            await pair.type(keys)
            problem = await pair.difference()
            problem = problem and f"after {keys!r}: {problem}"
        if problem:
            faults.append(f"{name}, cycle {number}, {size.cols}x{size.rows}: {problem}")
            if len(faults) >= 3:
                break
    for view in pair.views:
        view.session.close()
    return faults


async def run(cycles: int, seed: int) -> tuple[int, list[str]]:
    async with machines() as (certificates, hub, _), connected_client(certificates, hub.port) as client:
        while not await client.list_nodes():
            await asyncio.sleep(0.05)
        directory = Path(os.environ["OMNYSHELL_HOME"])
        directory.mkdir(parents=True, exist_ok=True)
        text = directory / "text"
        text.write_text("".join(f"line {n} {'ab' * (n % 60)} é 漢字 \N{GRINNING FACE}\n" for n in range(2000)))
        (directory / "htoprc").write_text(HTOPRC)
        sleeper = await asyncio.create_subprocess_exec("sleep", "3600")
        programs: dict[str, tuple[str, dict[str, str]]] = {
            "vim": (f"vim -u NONE -N -n -R --cmd 'syntax off' {text}", {}),
            "less": (f"less {text}", {"LESSCHARSET": "utf-8"}),
            "htop": (f"htop -p {sleeper.pid} -d 1000", {"HTOPRC": str(directory / "htoprc")}),
        }
        here = {name: how for name, how in programs.items() if shutil.which(name)}
        share = -(-cycles // len(here))
        try:
            found = await asyncio.gather(
                *(
                    soak_one(client, name, command, env | {"LANG": "C.UTF-8"}, share, seed)
                    for name, (command, env) in here.items()
                )
            )
        finally:
            sleeper.kill()
            await sleeper.wait()
        return share * len(here), [fault for faults in found for fault in faults]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    cycles, faults = asyncio.run(asyncio.wait_for(run(options.cycles, options.seed), 900))
    for fault in faults:
        print(fault)
    report(
        "screens",
        Figure(
            "detach and resume at random sizes with vim, htop and less",
            "1,000 cycles: the screen equals that of a twin never detached",
            f"{cycles} cycles, {len(faults)} differences",
            not faults,
        ),
    )


if __name__ == "__main__":
    main()
