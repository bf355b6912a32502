"""What the overview costs, how late its frames come, how long it takes to start, and what a flood does to its hub.

    python -m bench.console [idle] [crowd] [busy] [start] [jitter]

`idle`: 100 nodes and 10 sessions, nothing happens. `crowd`: 1,000 sessions that print once a second, ten ending and ten
opening each second. `busy`: the states of 1,000 sessions, each told ten times a second. Hub and nodes are processes of
their own, the nodes raw peers (`bench/console_peers.py`). Processor time is that of the console in a pseudo-terminal of
120x40; how late frames come is measured inside of one that paints for nobody.
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
from bench.peers import hub_with_node
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
from omnyshell.tui.hub_places import RemoteHub
from omnyshell.tui.settings import ConsoleSettings
from omnyshell.tui.start import forget_what_is_loaded

NODES = 100
SECONDS = 10.0
CONSOLE = str(Path(sys.executable).with_name("omnyshell-console"))
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "TERM": "xterm-256color"
}
LOOK = 0.002
"""Seconds between two looks at how late the loop is."""


def access(directory: Path, port: int, principal: str = "me", token: str = "token") -> HubAccess:
    """How the hub is reached."""
    credentials = TokenCredentialProvider(PrincipalId(principal), token)
    return HubAccess(address=HubAddress("127.0.0.1", port), credentials=credentials, ca=directory / "ca.pem")


@contextmanager
def peers(port: int, ca: Path, sessions: int, *words: str) -> Iterator[None]:
    """Nodes and sessions at a hub, as raw peers."""
    command = [sys.executable, "-m", "bench.console_peers", str(port), str(ca), str(NODES), str(sessions), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            crowd.stdin.close()


@contextmanager
def changing_hub(directory: Path) -> Iterator[int]:
    """A hub whose 1,000 sessions change state ten times a second; gives its port."""
    words = [sys.executable, "-m", "bench.events_load", "serve", str(directory), "states"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with peers(port, directory / "ca.pem", 0):
            try:
                yield port
            finally:
                process.stdin.close()


def processor_share(variables: dict[str, str], *words: str) -> float:
    """The console's part of a core, in percent."""
    screen = Screen([CONSOLE, *words], {**ENVIRONMENT, **variables})
    try:
        screen.shows(b"web-1")
        time.sleep(3)
        before = screen.processor_time()
        time.sleep(SECONDS)
        return (screen.processor_time() - before) / SECONDS * 100
    finally:
        screen.close()


def share_beside(directory: Path, sessions: int, *words: str) -> float:
    """The console's part of a core at a hub with nodes and sessions, in percent."""
    with hub_with_node(directory) as hub, peers(hub.port, hub.ca, sessions, *words):
        return processor_share({name: value for name, value in hub.env.items() if name.startswith("OMNYSHELL_")})


def share_of_busy(directory: Path, port: int) -> float:
    """The console's part of a core at a hub whose sessions change, in percent."""
    token = directory / "token"
    token.write_text("token")
    words = ["--hub", f"wss://127.0.0.1:{port}", "--principal", "me", "--token-file", str(token)]
    home = {"OMNYSHELL_HOME": str(directory / "home")}
    return processor_share(home, *words, "--ca", str(directory / "ca.pem"))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing announces."""
    while not condition():
        await asyncio.sleep(0.05)


async def lateness(directory: Path, port: int) -> tuple[float, float]:
    """How late the console's loop is at its worst, and at the 99th percentile, in milliseconds."""
    forget_what_is_loaded()
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


def start(directory: Path) -> tuple[float, float]:
    """Seconds, and of these of processor time, until the node is on screen, when everything was there once before."""
    env = {**ENVIRONMENT, "OMNYSHELL_HOME": str(directory / "own")}
    taken = []
    for _ in range(6):
        started = time.perf_counter()
        screen = Screen([CONSOLE, "--local"], env)
        shown = screen.shows(b"online", 60) - started
        taken.append((shown, screen.processor_time()))
        screen.type("\x11")
        os.waitpid(screen.pid, 0)
    return min(taken[1:])


def jitter(directory: Path) -> tuple[float, float]:
    """How much later than at best the embedded hub answers others beside a flooded terminal, in ms: worst and p99."""
    os.environ["OMNYSHELL_HOME"] = str(directory / "own")
    env = {**ENVIRONMENT, "OMNYSHELL_HOME": str(directory / "own")}
    screen = Screen([CONSOLE, "--local"], env)
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
    chosen = sys.argv[1:] or ["idle", "crowd", "busy", "start", "jitter"]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        CertGenerator().generate(directory, ["127.0.0.1"])
        if "idle" in chosen:
            share = share_beside(directory / "idle", 10)
            print(f"idle, {NODES} nodes, 10 sessions: {share:.1f} % of a core (goal <= 2)", flush=True)
        if "crowd" in chosen:
            share = share_beside(directory / "crowd", 1000, "busy")
            print(f"1,000 sessions that print, come and go: {share:.0f} % of a core", flush=True)
        if "busy" in chosen:
            with changing_hub(directory) as port:
                worst, most = asyncio.run(lateness(directory, port))
                told = f"{worst:.0f} ms late at worst, p99 {most:.1f} (goal <= 50)"
                share = share_of_busy(directory, port)
            print(f"1,000 sessions, each changing 10 times a second: {told}; {share:.0f} % of a core", flush=True)
        if "start" in chosen:
            wall, processor = start(directory)
            print(f"start to usable, warm: {wall:.2f} s (goal < 2), {processor:.2f} s of processor time", flush=True)
        if "jitter" in chosen:
            worst, most = jitter(directory)
            print(f"embedded hub beside a flood: {worst:.0f} ms later at worst, p99 {most:.0f} (goal <= 100)")


if __name__ == "__main__":
    main()
