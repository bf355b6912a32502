"""What the overview costs: idle with 100 nodes and 10 sessions, 1,000 sessions that change ten times a second, and the
heartbeats of the embedded hub beside a terminal that is flooded.

    python -m bench.console [idle] [busy] [start] [jitter]

Hub and nodes are processes of their own. Processor time is that of the console in a pseudo-terminal of 120x40; how late
frames come is measured inside of one that paints for nobody.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.console_terminal import Screen
from bench.idle_peers import beat, connect_node
from omnyshell import (
    CertGenerator,
    ClientConfig,
    HubAccess,
    HubAddress,
    OmnyShellClient,
    PrincipalId,
    TokenCredentialProvider,
)
from omnyshell.services.local.setup import LocalSetup
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.places import RemoteHub
from omnyshell.tui.settings import ConsoleSettings

NODES = 100
SECONDS = 10.0
LOOK = 0.002
"""Seconds between two looks at how late the loop is."""


def access(directory: Path, port: int, principal: str = "me", token: str = "token") -> HubAccess:
    """How the hub is reached."""
    credentials = TokenCredentialProvider(PrincipalId(principal), token)
    return HubAccess(address=HubAddress("127.0.0.1", port), credentials=credentials, ca=directory / "ca.pem")


@contextmanager
def hub(directory: Path, case: str, sessions: int) -> Iterator[int]:
    """A hub with nodes and sessions; gives its port."""
    words = [sys.executable, "-m", "bench.events_load", "serve", str(directory), case, str(sessions)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())
        words = [sys.executable, "-m", "bench.console", "nodes", str(directory), str(port)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nodes:
            nodes.stdout.readline()
            try:
                yield port
            finally:
                nodes.stdin.close()
                process.stdin.close()


async def nodes(directory: Path, port: int) -> None:
    """Nodes that only send heartbeats, until stdin ends."""
    gate = asyncio.Semaphore(20)
    reached = access(directory, port, "box", "box-token")
    connected = await asyncio.gather(*(connect_node(reached, f"web-{n}", gate) for n in range(NODES)))
    beating = [asyncio.create_task(beat(node, number)) for number, node in enumerate(connected)]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in beating:
        task.cancel()


def processor_share(directory: Path, case: str, sessions: int) -> float:
    """The console's part of a core, in percent."""
    with hub(directory, case, sessions) as port:
        token = directory / "token"
        token.write_text("token")
        env = {**os.environ, "TERM": "xterm-256color", "OMNYSHELL_HOME": str(directory / "home")}
        words = ["--hub", f"wss://127.0.0.1:{port}", "--principal", "me", "--token-file", str(token)]
        command = [str(Path(sys.executable).parent / "omnyshell-console"), *words, "--ca", str(directory / "ca.pem")]
        screen = Screen(command, env)
        try:
            screen.shows(b"web-1")
            time.sleep(3)
            before = screen.processor_time()
            time.sleep(SECONDS)
            return (screen.processor_time() - before) / SECONDS * 100
        finally:
            screen.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing announces."""
    while not condition():
        await asyncio.sleep(0.05)


async def lateness(directory: Path, port: int) -> tuple[float, float]:
    """How late the console's loop is at its worst, and at the 99th percentile, in milliseconds."""
    app = ConsoleApp(ConsoleSettings(), RemoteHub(access(directory, port)))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: bool(app.hub.state.sessions))
        await pilot.press("2")
        await asyncio.sleep(2)
        late = []
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            due = time.monotonic() + LOOK
            await asyncio.sleep(LOOK)
            late.append((time.monotonic() - due) * 1000)
    late.sort()
    return late[-1], late[int(len(late) * 0.99)]


def start(directory: Path) -> float:
    """Seconds from nothing to the node on screen, its hub, node and certificates made before."""
    env = {**os.environ, "TERM": "xterm-256color", "OMNYSHELL_HOME": str(directory / "own")}
    taken = []
    for _ in range(4):
        started = time.perf_counter()
        screen = Screen([str(Path(sys.executable).parent / "omnyshell-console"), "--local"], env)
        taken.append(screen.shows(b"online", 60) - started)
        screen.type("\x11")
        os.waitpid(screen.pid, 0)
    return min(taken[1:])


def jitter(directory: Path) -> tuple[float, float]:
    """How much later than at best the embedded hub answers others beside a flooded terminal, in ms: worst and p99."""
    os.environ["OMNYSHELL_HOME"] = str(directory / "own")
    env = {**os.environ, "TERM": "xterm-256color"}
    screen = Screen([str(Path(sys.executable).parent / "omnyshell-console"), "--local"], env)
    try:
        screen.shows(b"online", 60)
        screen.type("\r")
        screen.shows(rb"[#$] ", 30)
        screen.type("yes 0123456789\r")
        time.sleep(2)
        setup = LocalSetup.default()
        running = setup.running()
        assert running is not None
        return asyncio.run(_answers(setup.admin_access(running)))
    finally:
        screen.close()
        subprocess.run([str(Path(sys.executable).parent / "omnyshell"), "down"], env=env, check=False)


async def _answers(reached: HubAccess) -> tuple[float, float]:
    taken = []
    async with OmnyShellClient(ClientConfig(access=reached)) as client:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            taken.append(await client.ping() * 1000)
            await asyncio.sleep(0.02)
    taken.sort()
    return taken[-1] - taken[0], taken[int(len(taken) * 0.99)] - taken[0]


def main() -> None:
    """Measure what was asked for, or everything."""
    chosen = sys.argv[1:] or ["idle", "busy", "start", "jitter"]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        CertGenerator().generate(directory, ["127.0.0.1"])
        if "idle" in chosen:
            share = processor_share(directory, "still", 10)
            print(f"idle, {NODES} nodes, 10 sessions: {share:.1f} % of a core (goal <= 2)", flush=True)
        if "busy" in chosen:
            with hub(directory, "states", 1000) as port:
                worst, most = asyncio.run(lateness(directory, port))
            print(
                f"1,000 sessions at 10 a second: {worst:.0f} ms late at worst, p99 {most:.1f} (goal <= 50)", flush=True
            )
            share = processor_share(directory, "states", 1000)
            print(f"    {share:.0f} % of a core", flush=True)
        if "start" in chosen:
            print(f"start to usable, warm: {start(directory):.2f} s (goal < 2)", flush=True)
        if "jitter" in chosen:
            worst, most = jitter(directory)
            print(f"embedded hub beside a flood: {worst:.0f} ms later at worst, p99 {most:.0f} (goal <= 100)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["nodes"]:
        asyncio.run(nodes(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        main()
