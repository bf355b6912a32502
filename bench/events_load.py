"""What telling the live state costs a hub: 1,000 sessions that change ten times a second, with 0, 1 and 10 subscribers,
and the relay's throughput beside them. Run as `python -m bench.events_load`; the cases take turns."""

import asyncio
import resource
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import uvloop

from omnyshell import (
    CertGenerator,
    ClientConfig,
    HubAccess,
    HubAddress,
    HubConfig,
    NodeConfig,
    OmnyShellClient,
    OmnyShellHub,
    OmnyShellNode,
    PrincipalId,
    SessionMode,
    SessionState,
    TokenAuthenticator,
    TokenCredentialProvider,
    TokenGrant,
)
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState
from omnyshell.services.hub.ground.event_bus import SessionEvent
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.sessions.relay import ClientEnd, NodeEnd
from omnyshell.services.hub.sessions.route import Session, SessionRoute

SESSIONS = 1_000
RATE = 10
SECONDS = 8.0
SIZE = 256 * 1024 * 1024
CASES = ("idle", "traffic", "states")


class NoNode:
    """The far end of sessions that no node has."""

    def __init__(self) -> None:
        self.channels: dict[int, Any] = {}

    def discard(self, channel: int) -> None:
        """Nothing waits."""

    def send(self, message: Any, channel: int | None = None) -> None:
        """Nobody reads it."""


def routes(hub: OmnyShellHub, peer: HubPeer, count: int) -> list[SessionRoute]:
    """Sessions that the hub believes it carries."""
    made, node = [], cast("Any", NoNode())
    for number in range(count):
        session = Session(
            f"{number:08d}-0000-4000-8000-000000000000",
            "n",
            "them",
            SessionMode.SHELL,
            hub.config.clock.now(),
            "",
            SessionState.OPEN,
        )
        route = SessionRoute(session, peer, number + 1000, node, number + 100_000, session.id, open_deadline=0.0)
        relay, broker = hub._services.relay, hub._services.broker
        hub.sessions.add(ClientEnd(route, relay, broker), NodeEnd(route, relay, broker))
        made.append(route)
    return made


async def serve(directory: Path, case: str, count: int = SESSIONS) -> None:
    """A hub whose `count` sessions change, as `case` says.

    Each line on stdin is answered with the processor time used so far.
    """
    config = HubConfig(
        cert=directory / "hub.pem",
        key=directory / "hub.key",
        port=0,
        authenticator=TokenAuthenticator([TokenGrant.parse("me:token:admin"), TokenGrant.parse("box:box-token:node")]),
        node_ids=10_000,
    )
    ended = asyncio.Event()

    def asked() -> None:
        if not sys.stdin.readline():
            ended.set()
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(used.ru_utime + used.ru_stime, flush=True)

    asyncio.get_running_loop().add_reader(0, asked)
    async with OmnyShellHub(config) as hub:
        print(hub.port, flush=True)
        logged_in = asyncio.Event()
        hub.bus.listen(lambda _event: logged_in.set())
        await logged_in.wait()
        carried = routes(hub, next(iter(hub._peers)), count) if case != "idle" else []
        due = time.monotonic()
        while not ended.is_set():
            for route in carried:
                if case == "traffic":
                    route.bytes_in += 10
                    route.bytes_out += 1000
                else:
                    hub.bus.publish(SessionEvent(route.describe(), route.asked_id))
            due += 1 / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        for route in carried:
            hub.sessions.remove(route)


async def measure(directory: Path, case: str, subscribers: int, *, relay: bool) -> tuple[float, float]:
    """The hub's processor time in percent of a core, and MiB a second of `head -c` where that is asked for."""
    hub = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.events_load", "serve", str(directory), case,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert hub.stdout is not None
    assert hub.stdin is not None
    stdin, stdout = hub.stdin, hub.stdout

    async def used() -> float:
        stdin.write(b"\n")
        return float(await stdout.readline())

    access = HubAccess(
        address=HubAddress("127.0.0.1", int(await hub.stdout.readline())),
        credentials=TokenCredentialProvider(PrincipalId("me"), "token"),
        ca=directory / "ca.pem",
    )
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(OmnyShellClient(ClientConfig(access=access)))
        for _ in range(subscribers):
            feed = LiveFeed(access, HubState())
            running = asyncio.create_task(feed.run())
            stack.push_async_callback(asyncio.gather, running, return_exceptions=True)
            stack.push_async_callback(feed.aclose)
            await feed.complete.wait()
        speed = 0.0
        if relay:
            node = OmnyShellNode(
                NodeConfig(node_id="n", access=access, state_dir=directory / "node", run_as_node_user=True)
            )
            serving = asyncio.create_task(node.run())
            await node.registered.wait()
            started = time.perf_counter()
            done = await client.execute("n", f"head -c {SIZE} /dev/zero")
            speed = len(done.stdout) / (time.perf_counter() - started) / 2**20
            node.stop()
            await serving
        before = await used()
        await asyncio.sleep(SECONDS)
        percent = (await used() - before) / SECONDS * 100
    stdin.close()
    await hub.wait()
    return percent, speed


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        CertGenerator().generate(directory, ["127.0.0.1"])
        for case in CASES:
            for subscribers in (0, 1, 10):
                percent, _ = await measure(directory, case, subscribers, relay=False)
                print(f"{case:<8} {subscribers:>2} subscribers: {percent:5.1f} % of a core", flush=True)
        for _ in range(3):
            for subscribers in (0, 1):
                _, speed = await measure(directory, "traffic", subscribers, relay=True)
                print(f"relay with {subscribers} subscribers: {speed:.0f} MiB/s", flush=True)


if __name__ == "__main__":
    served = sys.argv[1:2] == ["serve"]
    uvloop.run(serve(Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:])) if served else main())
