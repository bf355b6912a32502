"""A node behind a bad network: 200 ms of delay, 5 % loss, an outage of 10 s, and how it is joined from there.

Two network namespaces are joined by two TUN devices; what goes through is held up, dropped or kept back by this
program, which needs nothing of the kernel but TUN. Root only.
"""

import asyncio
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import re
import select
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.commands import OMNYSHELL

from omnyshell import (
    CertGenerator,
    ClientConfig,
    HubAccess,
    HubAddress,
    OmnyShellClient,
    PrincipalId,
    PtySpec,
    SessionMode,
    TokenCredentialProvider,
)
from omnyshell.services.client.states import LinkState
from soak.report import Figure, report
from soak.stalled import echo_times, p99

NEAR, FAR = "10.231.77.1", "10.231.77.2"
PORT = 8443
DELAY = 0.2
LOSS = 0.05
OUTAGE = 10.0
MTU = 1400
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
CLONE_NEWNET = 0x40000000
LINES = "exec perl -e '$|=1; for my $i (0..2999) { print \"line $i\\n\"; select(undef,undef,undef,0.02); }'"


def run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=20)


def enter(namespace: str) -> None:
    """Have this thread's new sockets, and its children, live in a network namespace."""
    with Path(f"/run/netns/{namespace}").open("rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def open_tun() -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
    return fd


class BadNetwork(threading.Thread):
    """Passes packets between two TUN devices, late, and not all of them."""

    def __init__(self, near: int, far: int) -> None:
        super().__init__(daemon=True)
        self.delay, self.loss, self.is_out = DELAY / 2, 0.0, False
        self._other = {near: far, far: near}
        self._random = random.Random(1)
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        self.join(5)
        for fd in self._other:
            os.close(fd)

    def run(self) -> None:
        late: list[tuple[float, int, int, bytes]] = []
        numbers = itertools.count()
        while not self._stopped.is_set():
            timeout = max(0.0, min(0.05, late[0][0] - time.monotonic())) if late else 0.05
            for fd in select.select(list(self._other), [], [], timeout)[0]:
                packet = os.read(fd, 65_536)
                if not self.is_out and self._random.random() >= self.loss:
                    heapq.heappush(late, (time.monotonic() + self.delay, next(numbers), self._other[fd], packet))
            while late and late[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(late)
                if not self.is_out:
                    os.write(target, packet)


@contextmanager
def bad_network() -> Iterator[tuple[BadNetwork, str]]:
    """Two namespaces; this thread is in the near one meanwhile. Yields the network and the far one's name."""
    names = [f"soak-{side}-{os.getpid()}" for side in ("near", "far")]
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    fds = []
    try:
        for name, address, other in zip(names, (NEAR, FAR), (FAR, NEAR), strict=True):
            run("ip", "netns", "add", name)
            enter(name)
            fds.append(open_tun())
            run("ip", "link", "set", "lo", "up")
            run("ip", "address", "add", address, "peer", other, "dev", "tun0")
            run("ip", "link", "set", "tun0", "mtu", str(MTU), "up")
        enter(names[0])
        network = BadNetwork(*fds)
        network.start()
        try:
            yield network, names[1]
        finally:
            network.stop()
    finally:
        ctypes.CDLL(None).setns(home, CLONE_NEWNET)
        os.close(home)
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, timeout=20)


class Place:
    """The hub's files, and what commands need."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.made = CertGenerator().generate(directory / "certs", [NEAR])
        self.env = os.environ | {
            "OMNYSHELL_HUB": f"wss://{NEAR}:{PORT}",
            "OMNYSHELL_PRINCIPAL": "admin",
            "OMNYSHELL_TOKEN": "admin-token",
            "OMNYSHELL_CA": str(self.made.ca_pem_path),
            "OMNYSHELL_HOME": str(directory / "home"),
        }

    def start_hub(self) -> "subprocess.Popen[bytes]":
        hub = subprocess.Popen(
            [
                OMNYSHELL, "hub", "start", "--host", NEAR, "--port", str(PORT), "--state-dir",
                str(self.directory / "hub"), "--cert", str(self.made.hub_pem_path), "--key",
                str(self.made.hub_key_path), "--grant-token", "admin:admin-token:admin", "--log-level", "error",
            ],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert hub.stdout is not None
        hub.stdout.readline()
        return hub

    def join(self, far: str) -> "subprocess.Popen[bytes]":
        """Invite a node and paste the line on the far machine, which knows nothing yet."""
        said = subprocess.run(
            [OMNYSHELL, "nodes", "invite", "--id", "far"], env=self.env, capture_output=True, text=True, check=True,
            timeout=30,
        )  # fmt: skip
        line = re.search(r"omnyshell (node join \S.*)", said.stdout)
        assert line is not None, said.stdout
        bare = {name: value for name, value in os.environ.items() if not name.startswith("OMNYSHELL_")}
        return subprocess.Popen(
            ["ip", "netns", "exec", far, OMNYSHELL, *line[1].split()],
            env=bare | {"OMNYSHELL_HOME": str(self.directory / "far"), "SHELL": "/bin/bash"},
            stdout=subprocess.DEVNULL,
        )

    def client(self) -> OmnyShellClient:
        access = HubAccess(
            address=HubAddress(NEAR, PORT),
            credentials=TokenCredentialProvider(PrincipalId("admin"), "admin-token"),
            ca=self.made.ca_pem_path,
        )
        return OmnyShellClient(ClientConfig(access=access, reconnect_timeout=120.0))


async def listed(client: OmnyShellClient) -> float:
    began = time.monotonic()
    while not await client.list_nodes():
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def lines_over(client: OmnyShellClient, network: BadNetwork) -> tuple[int, int]:
    """Have numbered lines printed over loss and an outage; returns how many came in order, and how many resets."""
    resets = 0

    def note(state: LinkState) -> None:
        nonlocal resets
        resets += state is LinkState.RESET

    sessions = [
        await client.open_session("far", mode=SessionMode.SHELL, command=LINES, pty=PtySpec()),
        await client.open_session("far", command=LINES),
    ]

    async def read(number: int) -> bool:
        session = sessions[number]
        session.on_state = note
        output = b"".join([chunk.data async for chunk in session])
        end = b"\r\n" if number == 0 else b"\n"
        return output == b"".join(b"line %d%s" % (line, end) for line in range(3000))

    reading = [asyncio.create_task(read(number)) for number in range(len(sessions))]
    await asyncio.sleep(5)
    network.loss = LOSS
    await asyncio.sleep(15)
    network.is_out = True
    await asyncio.sleep(OUTAGE)
    network.is_out = False
    whole = await asyncio.wait_for(asyncio.gather(*reading), 180)
    network.loss = 0.0
    return sum(whole), resets


async def soak(place: Place, network: BadNetwork, far: str) -> list[Figure]:
    hub = place.start_hub()
    node = place.join(far)
    try:
        async with place.client() as client:
            joined = await asyncio.wait_for(listed(client), 60)
            command = "stty raw -echo; cat"
            session = await client.open_session("far", mode=SessionMode.SHELL, command=command, pty=PtySpec())
            await asyncio.sleep(1)
            times = await echo_times(session, 40)
            session.close()
            whole, resets = await lines_over(client, network)
    finally:
        for process in (node, hub):
            process.terminate()
            process.wait(20)
    return [
        Figure(
            "a node joined across a network namespace by the pasted line, 200 ms away",
            "as a new user would do it",
            f"listed {joined:.1f} s after the line was pasted",
            True,
        ),
        Figure(
            "keystroke echo over 200 ms of delay, idle",
            "RTT + 20 ms at p99",
            f"RTT + {(p99(times) - DELAY) * 1000:.1f} ms at p99, of {len(times)}",
            p99(times) <= DELAY + 0.02,
        ),
        Figure(
            "a shell and a command over 200 ms of delay, 5 % loss and an outage of 10 s",
            "no session lost",
            f"{whole} of 2 whole to the byte, {resets} painted anew",
            whole == 2,
        ),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="soak-") as name, bad_network() as (network, far):
        figures = asyncio.run(asyncio.wait_for(soak(Place(Path(name)), network, far), 400))
    report("far_away", *figures)


if __name__ == "__main__":
    main()
