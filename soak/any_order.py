"""`kill -9` and stop of hub, node, keeper and clients in any order under load: each line comes once, or it is told."""

import argparse
import asyncio
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.commands import OMNYSHELL
from support.descriptor_store import Manager, managed
from support.hub_process import HubProcess
from support.keepers import KeeperProcess
from support.killed_nodes import Followed
from support.stack import Certificates, connected_client

from omnyshell import PtySpec, SessionMode
from omnyshell.services.node.keeper.place import PROGRAM, own_directory
from soak.machines import NodeProcess, running, until, workplace
from soak.report import Figure, report

STEPS, EXECS, COMMANDS, SHELLS = 6, 3, 2, 3
BACK = 45.0
"""Seconds in which all must go on once everything is there: clients look for a hub and a node less and less often."""

MARK = f"omnyshell-soak-any-order-{os.getpid()}"
CODE = 3
UNKNOWN = 255

_LINE = re.compile(rb"^line (\d+)\r?$", re.MULTILINE)
_DOUBT = re.compile(rb"may be missing|was written before is not known")
_CODE_UNKNOWN = b"nobody knows how the command ended"


class Unit:
    """A service that can be killed, stopped and started."""

    def __init__(self, kill: Callable[[], None], stop: Callable[[], None], start: Callable[[], None]) -> None:
        self.kill, self.stop, self.start = kill, stop, start


class Machine:
    """Hub, keeper and node, of which each goes and comes as it is told."""

    def __init__(
        self, directory: Path, certificates: Certificates, manager: Manager, program: Path | None = None
    ) -> None:
        """`program` is where the keeper is installed, if not in this checkout."""
        self.program = program or PROGRAM
        self._manager = manager
        self._hearing = threading.Lock()
        state = directory / "node"
        state.mkdir(mode=0o700)
        self._place = own_directory(state)
        self.hub = HubProcess(certificates, directory / "hub")
        self.node = NodeProcess(certificates, self.hub.port, state, "n1", "--keeper", "true", "--max-sessions", "100")
        self._keeper: KeeperProcess | None = None
        self.units = {
            "hub": Unit(self.hub.kill, lambda: self._end_hub(), self.hub.start_and_wait),
            "node": Unit(self.node.kill, self.node.leave, self.node.start),
            "keeper": Unit(
                lambda: self._end_keeper(signal.SIGKILL), lambda: self._end_keeper(signal.SIGTERM), self._start_keeper
            ),
        }

    def start(self) -> None:
        for name in ("hub", "keeper", "node"):
            self.units[name].start()

    def end(self) -> None:
        self.node.stop()
        self._end_keeper(signal.SIGTERM)
        self.hub.kill()

    async def listen(self) -> None:
        """Be the manager that listens to its service all the time, and the first process of a machine."""
        while True:
            self._hear()
            self._manager.reap_orphans()
            await asyncio.sleep(0.01)

    def _hear(self) -> None:
        with self._hearing:
            self._manager.hear()

    def upgrade_keeper(self) -> None:
        """Have the keeper be what is installed, if it runs."""
        if self._keeper is not None:
            self._keeper.upgrade()

    def _end_hub(self) -> None:
        os.kill(self.hub.pid, signal.SIGTERM)
        self.hub.wait()
        self.hub.kill()

    def _end_keeper(self, number: int) -> None:
        if self._keeper is not None:
            self._keeper.process.send_signal(number)
            while self._keeper.process.poll() is None:
                self._hear()
                time.sleep(0.01)
            self._keeper.end()
            self._keeper = None

    def _start_keeper(self) -> None:
        with self._hearing:
            self._keeper = self._manager.start(self._place, self.program)


class Exec:
    """A command that the installed program runs, whose output is a file."""

    def __init__(self, folder: Path, number: int, environment: dict[str, str], command: str) -> None:
        self.out, self.err = folder / f"{number}.out", folder / f"{number}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            words = [OMNYSHELL, "exec", "n1", command]
            self.process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def faults(self) -> Iterator[str]:
        code, out, err = self.process.poll(), self.out.read_bytes(), self.err.read_bytes()
        yield from faults_of(out, out + err, code)


def faults_of(out: bytes, said: bytes, code: int | None) -> Iterator[str]:
    """What is wrong with the lines and the end of a command, and was not told."""
    numbers = [int(number) for number in _LINE.findall(out)]
    breaks = [(before, after) for before, after in zip([0, *numbers], numbers, strict=False) if after != before + 1]
    told = len(_DOUBT.findall(said))
    if len(breaks) > told:
        yield f"{len(breaks)} breaks, {told} told: {breaks[:3]}"
    if not told and f"end {len(numbers)}".encode() not in out:
        yield f"no end after {len(numbers)} lines"
    if code != CODE and not (code == UNKNOWN and _CODE_UNKNOWN in said):
        yield f"ended with {code}: {said[-200:]!r}"


def writer(stop: Path) -> str:
    """A command that writes numbered lines, in bursts."""
    return (
        f"exec perl -e '# {MARK}\n"
        f'$|=1; $i=0; while (!-e "{stop}") {{ for (1..1+int(rand(300))) {{ $i++; print "line $i\\n" }} '
        f'select(undef,undef,undef,rand(0.05)) }} print "end $i\\n"; exit {CODE}\''
    )


async def step(chance: random.Random, machine: Machine, clients: list[Exec]) -> str:
    """End some, in any way and order, and start them again in any order; return what was done."""
    names = chance.sample(["hub", "node", "keeper"], chance.randint(1, 3))
    done = []
    if clients and chance.random() < 0.5:
        names.insert(chance.randint(0, len(names)), "client")
    for name in names:
        if name == "client":
            victim = clients.pop()
            victim.process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
            victim.process.wait()
            done.append("client")
            continue
        how = chance.choice(["kill", "stop"])
        await asyncio.to_thread(getattr(machine.units[name], how))
        done.append(f"{how} {name}")
        await asyncio.sleep(chance.choice([0, 0, chance.random() / 2]))
    await asyncio.sleep(chance.choice([0, chance.random()]))
    names = [name for name in names if name != "client"]
    chance.shuffle(names)
    for name in names:
        await asyncio.to_thread(machine.units[name].start)
        await asyncio.sleep(chance.choice([0, chance.random() / 2]))
    return ", ".join(done) + "; start " + ", ".join(names)


@contextmanager
def lasting() -> Iterator[tuple[Path, Certificates, Machine]]:
    with workplace() as (directory, certificates), managed(directory) as manager:
        machine = Machine(directory, certificates, manager)
        listening = asyncio.create_task(machine.listen())
        try:
            machine.start()
            yield directory, certificates, machine
        finally:
            listening.cancel()
            machine.end()


async def one_seed(seed: int) -> tuple[list[str], list[float], int]:
    """Go through some steps; return faults, how long it took after each until all went on, and how many were told."""
    chance = random.Random(seed)
    times: list[float] = []
    faults: list[str] = []
    with lasting() as (directory, certificates, machine):
        stop = directory / "stop"
        environment = os.environ | {
            "OMNYSHELL_HUB": f"wss://127.0.0.1:{machine.hub.port}",
            "OMNYSHELL_PRINCIPAL": "admin",
            "OMNYSHELL_TOKEN": "admin-token",
            "OMNYSHELL_CA": str(certificates.ca),
        }
        async with connected_client(certificates, machine.hub.port, reconnect_timeout=120.0) as client:
            while not await client.list_nodes():
                await asyncio.sleep(0.05)
            execs = [Exec(directory, number, environment, writer(stop)) for number in range(EXECS + 2)]
            mortal = [execs.pop(), execs.pop()]
            sessions = [
                Followed(
                    await client.open_session(
                        "n1",
                        command=writer(stop),
                        **({"mode": SessionMode.SHELL, "pty": PtySpec()} if number < SHELLS else {}),
                    )
                )
                for number in range(SHELLS + COMMANDS)
            ]
            await until(lambda: all(each.out.stat().st_size for each in execs), BACK)

            def sizes() -> list[int]:
                return [each.out.stat().st_size for each in execs] + [len(each.out) for each in sessions]

            for number in range(STEPS):
                await asyncio.sleep(chance.random())
                done = await step(chance, machine, mortal)
                began, before = time.monotonic(), sizes()
                went_on = await until(lambda: all(a > b for a, b in zip(sizes(), before, strict=True)), BACK)  # noqa: B023
                times.append(time.monotonic() - began)
                print(f"  seed {seed}, {number + 1}: {done}: {times[-1]:.1f} s", flush=True)
                if not went_on:
                    stuck = [at for at, (a, b) in enumerate(zip(sizes(), before, strict=True)) if a <= b]
                    faults.append(f"step {number + 1} ({done}): {stuck} do not go on")
            stop.touch()
            await until(lambda: all(each.process.poll() is not None for each in execs), BACK)
            _, late = await asyncio.wait([each.ending for each in sessions], timeout=BACK)
            faults += [f"session {at} has not ended" for at, each in enumerate(sessions) if each.ending in late]
            for at, each in enumerate(execs):
                faults += [f"exec {at}: {fault}" for fault in each.faults()]
            for at, each in enumerate(sessions):
                if each.ending.done():
                    failed = each.ending.exception()
                    code = each.ending.result().code if failed is None else None
                    said = bytes(each.out + each.err) + repr(failed).encode()
                    faults += [f"session {at}: {fault}" for fault in faults_of(bytes(each.out), said, code)]
            texts = [each.out.read_bytes() + each.err.read_bytes() for each in execs]
            texts += [bytes(each.out + each.err) for each in sessions]
            told = sum(len(_DOUBT.findall(text)) for text in texts)
            if not await until(lambda: not running(MARK), 10):
                faults.append(f"{running(MARK)} processes are left")
            for each in (*execs, *mortal):
                each.process.kill()
                each.process.wait()
    return faults, times, told


async def main(seeds: range) -> None:
    all_faults: list[str] = []
    all_times: list[float] = []
    told = 0
    for seed in seeds:
        faults, times, doubts = await one_seed(seed)
        print(f"seed {seed}: {len(times)} steps, {doubts} told, faults {faults}", flush=True)
        all_faults += [f"seed {seed}: {fault}" for fault in faults]
        all_times += times
        told += doubts
    lines = EXECS + COMMANDS + SHELLS
    report(
        "any_order",
        Figure(
            f"hub, node, keeper and clients killed or stopped in any order, {lines} sessions writing lines",
            "each line once and in order, or told; right exit codes; all go on within 45 s",
            f"{len(seeds)} seeds, {len(all_times)} steps: {len(all_faults)} faults, {told} told; "
            f"all went on after {sorted(all_times)[len(all_times) // 2]:.1f} s, worst {max(all_times):.1f} s",
            not all_faults,
        ),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(main(range(given.first, given.first + given.seeds)))
