"""Nodes whose sessions run on a backend that an embedder brought."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.stack import Certificates, access, connected_client, hub_config, until, within

from examples.own_backend import KettleBackend, KettleSession
from omnyshell import (
    ConfigException,
    ExitStatus,
    NodeConfig,
    OmnyShellClient,
    OmnyShellException,
    OmnyShellHub,
    OmnyShellNode,
    OutputSink,
    PtySpec,
    SessionMode,
    SessionRejectedException,
    ShellRequest,
)
from omnyshell.protocol.limits import INITIAL_CREDIT
from omnyshell.services.node.restriction.policy import CommandPolicy


class WatchedBackend(KettleBackend):
    """A kettle that remembers what it was asked, and starts what a test wants."""

    def __init__(self, starter: Callable[[ShellRequest], None] = lambda _request: None) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.requests: list[ShellRequest] = []
        self._starter = starter

    async def begin(self) -> Sequence[str]:
        self.steps.append("begin")
        return ("kettle-shell",)

    def start(self, request: ShellRequest, sink: OutputSink) -> KettleSession:
        self.steps.append("start")
        self.requests.append(request)
        self._starter(request)
        return super().start(request, sink)

    async def aclose(self) -> None:
        self.steps.append("aclose")


def node_config(certificates: Certificates, port: int, state: Path) -> NodeConfig:
    return NodeConfig(node_id="kettle", access=access(certificates, port, "box"), state_dir=state)


@asynccontextmanager
async def kettle(certificates: Certificates, state: Path, backend: KettleBackend) -> AsyncIterator[OmnyShellClient]:
    """A client whose hub has a node on this backend."""
    async with OmnyShellHub(hub_config(certificates)) as hub:
        node = OmnyShellNode(node_config(certificates, hub.port, state), backend=backend)
        running = asyncio.create_task(node.run())
        try:
            await within(node.registered.wait())
            async with connected_client(certificates, hub.port) as client:
                yield client
        finally:
            node.stop()
            await within(running)


async def test_commands_run_on_the_backend_and_on_nothing_else(certificates: Certificates, tmp_path: Path) -> None:
    backend = WatchedBackend()
    async with kettle(certificates, tmp_path, backend) as client:
        result = await within(client.execute("kettle", "heat 80"))
        assert (result.stdout.decode(), result.status) == ("80 °C\n", ExitStatus(0))
        result = await within(client.execute("kettle", args=["sh", "-c", f"touch {tmp_path}/ran"]))
        assert (result.stdout, result.status) == (b"no such command\n", ExitStatus(127))
        result = await within(client.execute("kettle", "-", stdin=b"heat 90\nstatus\n"))
        assert (result.stdout.decode(), result.status) == ("90 °C\n90 °C\n", ExitStatus(0))
        (node,) = await within(client.list_nodes())
        assert node.capabilities is not None
        assert node.capabilities.shells == ("kettle-shell",)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "children").exists()
    assert backend.steps == ["begin", "start", "start", "start", "aclose"]
    assert [request.principal for request in backend.requests] == ["admin"] * 3


async def test_input_beyond_a_channels_credit_goes_on_when_it_is_taken(
    certificates: Certificates, tmp_path: Path
) -> None:
    line = b"heat 99".ljust(1000) + b"\n"
    count = 2 * INITIAL_CREDIT // len(line)
    async with kettle(certificates, tmp_path, KettleBackend()) as client:
        result = await within(client.execute("kettle", stdin=line * count))
    assert result.stdout.decode() == "99 °C\n" * count
    assert result.status == ExitStatus(0)


async def test_a_session_ends_by_a_signal_and_with_its_node(certificates: Certificates, tmp_path: Path) -> None:
    backend = WatchedBackend()
    async with kettle(certificates, tmp_path, backend) as client:
        async with await within(client.open_session("kettle")) as session:
            session.signal("TERM")
            assert await within(session.wait()) == ExitStatus(-15, "SIGTERM")
        await within(client.open_session("kettle"))
    assert backend.steps[-1] == "aclose"


async def test_what_a_backend_refuses_is_refused_in_its_words(certificates: Certificates, tmp_path: Path) -> None:
    async with kettle(certificates, tmp_path, KettleBackend()) as client:
        with pytest.raises(SessionRejectedException, match="no shell") as refused:
            await within(client.open_session("kettle", mode=SessionMode.SHELL, pty=PtySpec()))
    assert refused.value.code == "bad_request"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (OSError(5, "the kettle is unplugged"), "bad_request", "the kettle is unplugged"),
        (ValueError("a secret"), "internal_error", "The node failed"),
    ],
)
async def test_a_backend_that_fails_refuses_one_session_alone(
    certificates: Certificates, tmp_path: Path, error: Exception, code: str, text: str
) -> None:
    def fail_once(request: ShellRequest) -> None:
        if request.command == "fail":
            raise error

    async with kettle(certificates, tmp_path, WatchedBackend(fail_once)) as client:
        with pytest.raises(SessionRejectedException, match=text) as refused:
            await within(client.execute("kettle", "fail"))
        assert refused.value.code == code
        assert "secret" not in str(refused.value)
        assert (await within(client.execute("kettle", "status"))).status == ExitStatus(0)


class LaterBackend(KettleBackend):
    """A kettle that begins a session only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_begin = asyncio.Event()
        self.asked = asyncio.Event()

    async def _later(self, request: ShellRequest, sink: OutputSink) -> KettleSession:
        self.asked.set()
        await self.may_begin.wait()
        if request.command == "fail":
            raise OSError(5, "the kettle is unplugged")
        session: KettleSession = super().start(request, sink)
        return session

    def start(self, request: ShellRequest, sink: OutputSink) -> Any:
        return self._later(request, sink) if request.command != "status" else super().start(request, sink)


async def test_a_backend_may_take_its_time_and_delays_nobody_else(certificates: Certificates, tmp_path: Path) -> None:
    backend = LaterBackend()
    async with kettle(certificates, tmp_path, backend) as client:
        slow = asyncio.create_task(client.execute("kettle", "-", stdin=b"heat 90\n"))
        failing = asyncio.create_task(client.execute("kettle", "fail"))
        await within(backend.asked.wait())
        assert (await within(client.execute("kettle", "status"))).status == ExitStatus(0)
        assert not slow.done()
        backend.may_begin.set()
        assert (await within(slow)).stdout.decode() == "90 °C\n"
        with pytest.raises(SessionRejectedException, match="the kettle is unplugged"):
            await within(failing)


async def test_a_session_that_begins_when_its_client_has_gone_is_ended(
    certificates: Certificates, tmp_path: Path
) -> None:
    backend = LaterBackend()
    async with OmnyShellHub(hub_config(certificates)) as hub:
        node = OmnyShellNode(node_config(certificates, hub.port, tmp_path), backend=backend)
        running = asyncio.create_task(node.run())
        await within(node.registered.wait())
        async with connected_client(certificates, hub.port) as client:
            asking = asyncio.create_task(client.execute("kettle", "-"))
            await within(backend.asked.wait())
            asking.cancel()
            await asyncio.wait({asking})
        backend.may_begin.set()
        async with connected_client(certificates, hub.port) as client:
            assert (await within(client.execute("kettle", "status"))).status == ExitStatus(0)
        await until(lambda: node.session_count == 0)
        node.stop()
        await within(running)


async def test_who_waits_for_a_node_that_stops_is_told(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.node.sessions.registry.CLOSE_TIMEOUT", 0.05)
    backend = LaterBackend()
    async with OmnyShellHub(hub_config(certificates)) as hub:
        node = OmnyShellNode(node_config(certificates, hub.port, tmp_path), backend=backend)
        running = asyncio.create_task(node.run())
        await within(node.registered.wait())
        async with connected_client(certificates, hub.port) as client:
            asking = asyncio.create_task(client.execute("kettle", "-"))
            await within(backend.asked.wait())
            node.stop()
            with pytest.raises(SessionRejectedException, match="The node stops") as refused:
                await within(asking)
            assert refused.value.code == "node_offline"
            await within(running)


async def test_a_node_that_stops_ends_as_one_that_nobody_cancels(certificates: Certificates, tmp_path: Path) -> None:
    """Python before 3.11.3, which Debian 12 has, keeps to no limit of time in a task that is cancelled."""
    cancelled: list[int] = []

    class Ending(WatchedBackend):
        async def aclose(self) -> None:
            task = asyncio.current_task()
            assert task is not None
            cancelled.append(task.cancelling())

    async with kettle(certificates, tmp_path, Ending()):
        pass
    assert cancelled == [0]


async def test_a_node_that_stops_waits_for_no_backend_for_ever(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.node.sessions.registry.CLOSE_TIMEOUT", 0.05)
    backend = LaterBackend()
    async with kettle(certificates, tmp_path, backend) as client:
        asking = asyncio.create_task(client.execute("kettle", "-"))
        await within(backend.asked.wait())
    with pytest.raises(OmnyShellException):
        await within(asking)


def test_restricted_commands_are_never_left_to_a_backend_that_knows_nothing_of_them(
    certificates: Certificates, tmp_path: Path
) -> None:
    config = NodeConfig(
        node_id="kettle",
        access=access(certificates, 1, "box"),
        state_dir=tmp_path,
        commands=CommandPolicy(("uptime",)),
    )
    with pytest.raises(ConfigException, match="judge"):
        OmnyShellNode(config, backend=KettleBackend())


async def test_a_backend_that_cannot_begin_ends_its_node(certificates: Certificates, tmp_path: Path) -> None:
    class Unplugged(WatchedBackend):
        async def begin(self) -> Sequence[str]:
            raise ConfigException("the kettle is unplugged")

    backend = Unplugged()
    node = OmnyShellNode(node_config(certificates, 1, tmp_path), backend=backend)
    with pytest.raises(ConfigException, match="unplugged"):
        await within(node.run())
    assert backend.steps == ["aclose"]
