"""Whole hubs in one event loop, founded and invited as the command line does it, over one server of the engine."""

import atexit
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from support.engine import Engine, running_engine
from support.ports import free_ports
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in
from support.stack import Certificates, hub_config, until

from omnyshell import OmnyShellHub
from omnyshell.clock import SystemClock
from omnyshell.model.targets import Target
from omnyshell.services.hub.audit.disk_reserve import RESERVE_FILE
from omnyshell.services.hub.cluster.joining import join
from omnyshell.services.hub.cluster.members.identity import ENGINE_CONFIG, ClusterFiles
from omnyshell.services.hub.cluster.members.invitation import found, invite
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.transport.connection import HubAddress

CLOCK = SystemClock()


class Hubs:
    """Hubs `a`, `b` and further ones, of which the first had principals before it founded."""

    def __init__(self, certificates: Certificates, directory: Path, engine: Engine) -> None:
        self._certificates, self._directory, self._engine = certificates, directory, engine
        self.running: dict[str, OmnyShellHub] = {}
        self.changed: dict[str, dict[str, Any]] = {}
        """Settings that a hub has from its next start on."""

        self._closing = AsyncExitStack()

    def state(self, hub: str) -> Path:
        return self._directory / hub

    async def start(self, hub: str) -> OmnyShellHub:
        config = hub_config(self._certificates, state_dir=self.state(hub), **self.changed.get(hub, {}))
        self.running[hub] = await self._closing.enter_async_context(OmnyShellHub(config))
        return self.running[hub]

    def are_reached(self, *hubs: str) -> None:
        """Have hubs say, from their next start on, where peers reach them."""
        for hub, port in zip(hubs, free_ports(len(hubs)), strict=True):
            reached = {"port": port, "public_urls": (HubAddress("127.0.0.1", port),)}
            self.changed[hub] = self.changed.get(hub, {}) | reached

    def has_links(self, *hubs: str) -> None:
        """Have hubs listen for links from their next start on."""
        for hub, port in zip(hubs, free_ports(len(hubs)), strict=True):
            target = Target("127.0.0.1", port)
            self.changed[hub] = {"cluster": ClusterSettings(links=target, links_at=target)} | self.changed.get(hub, {})

    async def linked(self, *hubs: str) -> None:
        """Wait until each of these has links to all others of them."""

        def are_up() -> bool:
            return all(self.links_of(hub) >= set(hubs) - {hub} for hub in hubs)

        await until(are_up)

    def described_at(self, hub: str) -> set[str]:
        """The nodes of which a hub knows what they can do."""
        directory = self.running[hub]._directory
        nodes = map(directory.find, directory.online())
        return {node.node_id for node in nodes if node is not None and node.capabilities is not None}

    def links_of(self, hub: str) -> set[str]:
        """The hubs to which a hub has links that can be used."""
        cluster = self.running[hub]._cluster
        links = cluster._links if cluster is not None else None
        return {other for other in links.up() if links.to(other).is_up} if links is not None else set()

    async def restart(self, hub: str) -> None:
        await self.running[hub].stop()
        await self.start(hub)

    async def found(self) -> None:
        alone = await self.start("a")
        async with logged_in(self._certificates, alone.port, "client", "admin", ADMIN) as admin:
            await ask(admin, "admin.principal.add", principal="early", roles=["dev"])
        await alone.stop()
        found(ClusterFiles(self.state("a")), "a", self._engine.urls, CLOCK.now())
        self._engine.kill(0)
        self._believe_the_hubs()
        await self.start("a")

    async def go_on(self, founded: Path) -> None:
        """Be copies of hubs `a` and `b`, and of what their engine has stored, which were stopped in that directory."""
        self._engine.kill(0)
        self._engine.forget(0)
        shutil.copytree(Engine.store(founded, 0), Engine.store(self._engine.directory, 0))
        for hub in "ab":
            # What is reserved on the disk would take longest, and a hub reserves it again.
            shutil.copytree(founded / hub, self.state(hub), ignore=shutil.ignore_patterns(RESERVE_FILE))
            files = ClusterFiles(self.state(hub))
            files.write_identity(msgspec.structs.replace(files.read().identity, engine=self._engine.urls))
        self._believe_the_hubs()
        for hub in "ab":
            await self.start(hub)

    def _believe_the_hubs(self) -> None:
        """Start the engine's server with the configuration that the hub which founded has made."""
        self._engine.access = (ClusterFiles(self.state("a")).directory / ENGINE_CONFIG).read_text()
        self._engine.start(0)

    async def join(self, hub: str) -> None:
        await join(ClusterFiles(self.state(hub)), self.invite(hub), ClusterSettings(), CLOCK)
        await self.start(hub)

    def invite(self, hub: str) -> str:
        return invite(ClusterFiles(self.state("a")), hub, CLOCK.now())

    async def principals(self, hub: str) -> set[str]:
        port = self.running[hub].port
        async with logged_in(self._certificates, port, "client", "admin", ADMIN) as admin:
            rows = (await ask(admin, "admin.principals.request", "admin.principals.response"))["principals"]
        return {row["principal"] for row in rows if row.get("source") != "configuration"}

    async def aclose(self) -> None:
        await self._closing.aclose()


_FOUNDED: list[Path] = []


async def _founded_once(certificates: Certificates) -> Path:
    """Where this process has founded hub `a` and let `b` in, for all its tests: it takes as long as both starts do."""
    if not _FOUNDED:
        place = Path(tempfile.mkdtemp(prefix="omnyshell-founded-"))
        atexit.register(shutil.rmtree, place)
        with running_engine(place) as engine:
            hubs = Hubs(certificates, place, engine)
            try:
                await hubs.found()
                await hubs.join("b")
            finally:
                await hubs.aclose()
        _FOUNDED.append(place)
    return _FOUNDED[0]


@asynccontextmanager
async def two_hubs(
    certificates: Certificates,
    directory: Path,
    engine: Engine,
    *,
    linked: bool = False,
    reached: bool = False,
    of_a: dict[str, Any] | None = None,
    of_b: dict[str, Any] | None = None,
) -> AsyncIterator[Hubs]:
    """Hubs `a` and `b`, with a link between them if they are `linked`; `of_a` and `of_b` are their settings.

    With `reached` they say where peers reach them, so that these go from one to the other.
    """
    hubs = Hubs(certificates, directory, engine)
    try:
        hubs.changed["a"], hubs.changed["b"] = of_a or {}, of_b or {}
        if reached:
            hubs.are_reached("a", "b")
        if linked:
            hubs.has_links("a", "b")
        await hubs.go_on(await _founded_once(certificates))
        if linked:
            await hubs.linked("a", "b")
        yield hubs
    finally:
        await hubs.aclose()


@asynccontextmanager
async def two_linked_hubs(certificates: Certificates, of_b: dict[str, Any] | None = None) -> AsyncIterator[Hubs]:
    """The same, linked, in a directory and over an engine of their own."""
    with tempfile.TemporaryDirectory() as directory, running_engine(Path(directory) / "engine") as engine:
        async with two_hubs(certificates, Path(directory), engine, linked=True, of_b=of_b) as hubs:
            yield hubs
