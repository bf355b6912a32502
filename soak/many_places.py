"""100,000 nodes in what a hub knows of others: a lookup, memory, and the start of a hub that reads them all.

The records are those that a hub writes for its nodes, published under hub b's name over a real server of the engine.
"""

import argparse
import asyncio
import gc
import os
import secrets
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from support.commands import start_installed
from support.engine import running_engine
from support.hub_process import HubProcess
from support.several_hubs import CLOCK, Hubs
from support.stack import Certificates

from bench.idle_peers import processor_seconds
from omnyshell.model.nodes import PlatformInfo
from omnyshell.protocol.messages import NodeCapabilitiesMessage, NodeRegister
from omnyshell.services.hub.cluster.across.all_nodes import AllNodes
from omnyshell.services.hub.cluster.joining import join
from omnyshell.services.hub.cluster.members.identity import ClusterFiles
from omnyshell.services.hub.cluster.nats.connection import Credential, EngineConnection, manager
from omnyshell.services.hub.cluster.nats.streams import places_stream
from omnyshell.services.hub.cluster.order.order import Origin, Stored
from omnyshell.services.hub.cluster.places.records import Beat, Entry, encode
from omnyshell.services.hub.cluster.shared.places import SharedPlaces
from omnyshell.services.hub.cluster.shared.subjects import name_of_node, subject_of_beat
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.listing import steps_of_list
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.bounded_lists import encode_bounded
from soak.machines import memory_of, workplace
from soak.report import Figure, report

OWN, OTHER, GENERATION = "a", "b", "generation"
LOOKUPS = 2000
FLAT = 3.0
"""A lookup among all may take so many times what one among a hundredth takes: caches of the processor hold less."""


class OneMember:
    """Members of which both hubs are some."""

    def hubs(self) -> tuple[str, ...]:
        return (OWN, OTHER)

    def key_of(self, _hub: str) -> bool:
        return True


def entries(count: int) -> Iterator[Entry]:
    """Records of a hub's nodes, each as long as a real one."""
    capabilities = NodeCapabilitiesMessage(shells=("/bin/bash", "/bin/dash", "/bin/sh"), features=FEATURES)
    said = msgspec.Raw(msgspec.json.encode(capabilities.to_wire()))
    for number in range(count):
        node_id = f"node-{number}"
        given = NodeRegister(
            node_id=node_id,
            platform=PlatformInfo(os="linux", arch="x64", agent_version="0.2.0", hostname=f"machine-{number}"),
            labels={"site": f"s{number % 20}", "env": "production"},
        )
        registration = msgspec.Raw(msgspec.json.encode(given.to_wire()))
        about = {
            "principal": f"box-{number}",
            "address": "192.0.2.1",
            "since": datetime.now(UTC),
            "features": FEATURES,
            "registration": registration,
            "capabilities": said,
        }
        yield Entry(node_id, 1, 1, secrets.token_hex(16), msgspec.json.encode(about))


FEATURES = ("exec", "shell", "resize", "signals", "detach", "resume-offset", "wide-window", "wide-input", "forwards")


def records(generation: str, count: int) -> Iterator[Stored]:
    """A beat of hub b, and its entries, as the engine delivers them."""
    yield beat(generation)
    for seq, entry in enumerate(entries(count), start=2):
        yield Stored(seq, f"omnyshell.{generation}.places.{OTHER}.{name_of_node(entry.node_id)}", encode(entry))


def beat(generation: str) -> Stored:
    return Stored(1, subject_of_beat(generation, OTHER), encode(Beat(1, "process", 0)))


class InMemory:
    """What a hub knows of so many nodes, fed without an engine."""

    def __init__(self, count: int) -> None:
        gc.collect()
        before, began = memory_of(os.getpid()), time.process_time()
        self.places = SharedPlaces(OWN, GENERATION, 300.0, OneMember())  # type: ignore[arg-type]  # it asks no more of them
        self.places.begin_reading(Origin("now", 0))
        made = 0.0
        stored = records(GENERATION, count)
        while True:
            at = time.process_time()
            record = next(stored, None)
            made += time.process_time() - at
            if record is None:
                break
            self.places.take(record)
        self.read_each = (time.process_time() - began - made) / count
        gc.collect()
        self.memory_each = (memory_of(os.getpid()) - before) / count
        self.nodes = AllNodes(NodeRegistry(None, {}, LocalEventBus()), HubMetrics())
        self.nodes.begin(self.places, lambda _hub: None, lambda _link, _client: None)
        some = [f"node-{number}" for number in range(0, count, max(1, count // LOOKUPS))]
        self._is_there()
        for node_id in some:
            assert self.nodes.find(node_id) is not None
        self.lookup = min(self._lookups(some) for _ in range(5))
        self.first_list, self.next_list = self._listing(), self._listing()

    def _is_there(self) -> None:
        """Have the other hub beat, as it does every few seconds."""
        self.places.take(beat(GENERATION))

    def _listing(self) -> list[float]:
        """List all, as a hub does; return what each step took, the last one with what is sent."""
        self._is_there()
        took, made = [], None
        began = time.process_time()
        steps = steps_of_list(self.nodes.online(), self.nodes.find, lambda _: True)
        while made is None:
            try:
                next(steps)
            except StopIteration as last:
                made = encode_bounded(last.value)
            took.append(time.process_time() - began)
            began = time.process_time()
        return took

    def _lookups(self, some: list[str]) -> float:
        self._is_there()
        began = time.process_time()
        for node_id in some:
            self.nodes.find(node_id)
        return (time.process_time() - began) / len(some)


async def publish(hubs: Hubs, count: int) -> None:
    """Write a hub's records, as it would, but without waiting for each."""
    standing = ClusterFiles(hubs.state(OTHER)).read()
    own = standing.identity
    connected = asyncio.Queue[Any](1)

    async def use(client: Any) -> None:
        await connected.put(client)
        await asyncio.Event().wait()

    connection = EngineConnection(own.engine, Credential(standing.engine_token, standing.engine_key), own.hub)
    connection.on_connected.append(use)
    connection.start()
    try:
        client = await connected.get()
        for number, record in enumerate(records(own.generation, count)):
            if number:
                await client.publish(record.subject, record.data)
            if number % 1000 == 0:
                await client.flush()
        await client.flush()
        while (await manager(client, 10).stream_info(places_stream(own.generation))).state.messages < count:
            await asyncio.sleep(0.1)
    finally:
        await connection.aclose()


class Start(NamedTuple):
    """What a start took, in seconds and bytes."""

    seconds: float
    processor: float
    memory: int


async def start_of(hub: HubProcess) -> Start:
    """Start a hub, which reads all before it listens; kill it."""
    began = time.monotonic()
    await hub.start()
    took = time.monotonic() - began
    try:
        return Start(took, processor_seconds(hub.pid), memory_of(hub.pid))
    finally:
        hub.kill()


async def starts(directory: Path, certificates: Certificates, count: int) -> tuple[Start, Start]:
    """Return what a start of a hub takes without nodes, and with them."""
    with running_engine(directory / "engine") as engine:
        # What is written at once here would take a disk minutes.
        engine.sync = '"1m"'
        hubs = Hubs(certificates, directory, engine)
        try:
            await hubs.found()
            await hubs.join(OTHER)
            await hubs.running[OTHER].stop()
            await join(ClusterFiles(hubs.state("c")), hubs.invite("c"), ClusterSettings(), CLOCK)
            hub = HubProcess(certificates, hubs.state("c"))
            hub.starter = start_installed
            without = await start_of(hub)
            await hubs.running[OWN].stop()
            await publish(hubs, count)
            return without, await start_of(hub)
        finally:
            await hubs.aclose()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=100_000)
    options = parser.parse_args()
    count = options.nodes
    few, many = InMemory(count // 100), InMemory(count)
    with workplace() as (directory, certificates):
        without, read = asyncio.run(asyncio.wait_for(starts(directory, certificates, count), 300))
    slower = many.lookup / few.lookup
    report(
        "many_places",
        Figure(
            f"a lookup among {count:,} nodes of another hub",
            "as among a hundredth of them",
            f"{many.lookup * 1e6:.1f} µs, {slower:.1f} times as long; {many.memory_each / 1024:.1f} KiB a node, "
            f"{many.read_each * 1e6:.0f} µs of processor time to take its record; to list all for the first time "
            f"{sum(many.first_list):.1f} s of it in {len(many.first_list)} steps, then {sum(many.next_list):.2f} s; "
            f"a step takes {1e3 * statistics.median(many.first_list):.1f} ms, the longest "
            f"{1e3 * max(*many.first_list, *many.next_list):.0f} ms",
            slower <= FLAT,
        ),
        Figure(
            f"the start of a hub that reads {count:,} nodes of another hub from the engine",
            "written down",
            f"{read.seconds:.1f} s until it listens, {read.processor:.1f} s of processor time, "
            f"{read.memory / 2**20:.0f} MiB; {without.seconds:.1f} s, {without.processor:.1f} s and "
            f"{without.memory / 2**20:.0f} MiB without nodes",
            True,
        ),
    )


if __name__ == "__main__":
    main()
