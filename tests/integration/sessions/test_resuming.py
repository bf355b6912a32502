"""Sessions that go on exactly where they were, whatever happens to hub and connections (extension `resume-offset`)."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from support.hub_process import hub_process
from support.screen_reader import Screen
from support.stack import Certificates, connected_client, hub_config, running_node, stack, until, within

from omnyshell import (
    ExitStatus,
    NodeUnavailableException,
    OmnyShellClient,
    OmnyShellHub,
    PtySpec,
    RemoteSession,
    SessionMode,
    TransportException,
)
from omnyshell.services.client.resumer import Resumer
from omnyshell.services.client.states import LinkState
from omnyshell.services.node.config import Keeping
from omnyshell.transport.backoff import Backoff, BackoffTimes
from omnyshell.transport.connection import OmnyShellConnection

SIZE = PtySpec(cols=80, rows=24)
COUNT = "i=0; until [ -e {end} ]; do i=$((i+1)); echo line $i; [ $((i%20)) = 0 ] && sleep 0.04; done; echo all; exit 3"
"""Prints so few lines that what comes of them meanwhile fits, however long a busy machine takes to start a hub."""


async def read_all(session: RemoteSession) -> bytes:
    return b"".join([chunk.data async for chunk in session])


def hold_back(client: OmnyShellClient) -> asyncio.Event:
    """Keep the client from dialing again until the event is set."""
    gate, resumer = asyncio.Event(), client._ensure_resumer()
    dial = resumer._dial

    async def dial_later() -> OmnyShellConnection:
        await gate.wait()
        return await dial()

    resumer._dial = dial_later
    return gate


@pytest.fixture(autouse=True)
def _quick_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nodes come back at once, though they were lost a moment ago."""
    times = BackoffTimes(0.05, 0.2, 0.2)
    monkeypatch.setattr("omnyshell.services.node.node.Backoff", lambda: Backoff(times=times))


def is_whole(output: bytes) -> bool:
    """Whether all lines are there, each once."""
    *lines, last = output.decode().splitlines()
    return last == "all" and lines == [f"line {number}" for number in range(1, len(lines) + 1)]


async def busy_sessions(client: OmnyShellClient, end: Path) -> tuple[list[RemoteSession], list[RemoteSession]]:
    """Three shells and three commands, which print until there is that file."""
    command = COUNT.format(end=end)
    opening = [
        *(client.open_session("n1", mode=SessionMode.SHELL, command=command, pty=SIZE) for _ in range(3)),
        *(client.open_session("n1", command=command) for _ in range(3)),
    ]
    sessions = await within(asyncio.gather(*opening))
    return sessions[:3], sessions[3:]


async def test_a_hub_killed_again_and_again_costs_no_line(certificates: Certificates, tmp_path: Path) -> None:
    end = tmp_path / "end"
    async with (
        hub_process(certificates, tmp_path / "hub") as hub,
        running_node(certificates, hub.port, tmp_path / "node"),
        connected_client(certificates, hub.port) as client,
    ):
        shells, execs = await busy_sessions(client, end)
        sessions = (*shells, *execs)
        states: list[LinkState] = []
        shells[0].on_state = states.append
        reading = [asyncio.create_task(read_all(session)) for session in sessions]
        for _ in range(2):
            await until(lambda: not any(session.is_suspended for session in sessions))
            had = {session: session.received_offset() for session in sessions}
            await until(lambda had=had: all(session.received_offset() > before for session, before in had.items()))
            hub.kill()
            await until(lambda: all(session.is_suspended for session in sessions))
            await hub.start()
        await until(lambda: not any(session.is_suspended for session in sessions))
        end.touch()
        outputs = await within(asyncio.gather(*reading))
        statuses = [await within(session.wait()) for session in sessions]
    assert [is_whole(output) for output in outputs] == [True] * 6
    assert [b"\r\n" in output for output in outputs] == [True] * 3 + [False] * 3
    assert statuses == [ExitStatus(3)] * 6
    assert states[:2] == [LinkState.RECONNECTING, LinkState.RESUMED]
    assert LinkState.RESET not in states


@pytest.mark.parametrize("who", ["client", "node"])
async def test_a_connection_that_breaks_costs_no_byte_either_way(
    certificates: Certificates, tmp_path: Path, who: str
) -> None:
    data = b"".join(b"%07d\n" % number for number in range(300_000))
    async with stack(certificates, tmp_path) as (_, node, client):
        peer = client if who == "client" else node
        session = await within(client.open_session("n1", command="sleep 0.2; cat"))
        reading = asyncio.create_task(read_all(session))

        async def feed() -> None:
            for start in range(0, len(data), 50_000):
                await session.write(data[start : start + 50_000])
            session.eof()

        feeding = asyncio.create_task(feed())
        for _ in range(5):
            await until(lambda: not session.is_suspended)
            received = session.received_offset()
            await until(lambda before=received: session.received_offset() > before or session.has_ended)
            # A node that was cut off is back a moment after its session seems to be.
            await until(lambda: peer._connection is not None)
            peer._connection.link.abort()
            await until(lambda: session.is_suspended or session.has_ended)
        output = await within(reading)
        await within(feeding)
    assert len(output) == len(data)
    assert hashlib.sha256(output).digest() == hashlib.sha256(data).digest()
    assert await within(session.wait()) == ExitStatus(0)


async def test_an_exit_that_nobody_heard_is_told_again(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, node, client):
        marks = tmp_path / "mark"
        session = await within(client.open_session("n1", command=f"sleep 0.3; echo tail; touch {marks}; exit 5"))
        shell = await within(
            client.open_session("n1", mode=SessionMode.SHELL, command="sleep 0.3; echo tail; exit 6", pty=SIZE)
        )
        gate = hold_back(client)
        client._connection.link.abort()
        await until(marks.exists)
        await until(lambda: len(node._sessions) == 0)
        gate.set()
        assert await within(read_all(session)) == b"tail\n"
        assert await within(session.wait()) == ExitStatus(5)
        assert await within(read_all(shell)) == b"tail\r\n"
        assert await within(shell.wait()) == ExitStatus(6)
        await until(lambda: len([kept for kept in node._sessions._ended_sessions if not kept.is_shell]) == 0)


async def test_what_did_not_fit_is_painted_instead(certificates: Certificates, tmp_path: Path) -> None:
    keeping = Keeping(block_timeout=0.1)
    async with stack(certificates, tmp_path, keeping=keeping) as (_, node, client):
        session = await within(
            client.open_session(
                "n1", mode=SessionMode.SHELL, command="sleep 0.3; seq 1000000; echo en''d; cat", pty=SIZE
            )
        )
        states: list[LinkState] = []
        session.on_state = states.append
        found = node._sessions.shells_of("admin")[0]
        gate = hold_back(client)
        client._connection.link.abort()
        await until(lambda: not found.is_attached)
        await until(lambda: not found.output_stage.replay.is_keeping)
        gate.set()
        screen = Screen(session)
        await screen.shows(b"end")
        assert states == [LinkState.RECONNECTING, LinkState.RESET]
        # From here on it counts again.
        client._connection.link.abort()
        await session.write(b"typed\n")
        await screen.shows(b"typed")
        await until(lambda: len(states) == 4)
        assert states[2:] == [LinkState.RECONNECTING, LinkState.RESUMED]
        session.close()


async def test_a_command_whose_client_does_not_come_back_is_ended(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path, keeping=Keeping(exec_timeout=0.3)) as (hub, node, _):
        async with connected_client(certificates, hub.port, reconnect_timeout=0) as other:
            await within(other.open_session("n1", command="yes"))
            other._connection.link.abort()
        await until(lambda: len(node._sessions) == 0)
        await until(lambda: len(node._sessions._ended_sessions) == 0)


async def test_a_node_that_lost_its_sessions_says_so(certificates: Certificates, tmp_path: Path) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
        async with running_node(certificates, hub.port, tmp_path) as node:
            session = await within(client.open_session("n1", command="sleep 60"))
            node._connection.link.abort()
            await until(lambda: session.is_suspended)
        async with running_node(certificates, hub.port, tmp_path):
            with pytest.raises(NodeUnavailableException, match="n1"):
                await within(session.wait())


async def test_a_node_that_stays_away_is_not_waited_for_as_long_as_a_hub(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        stack(certificates, tmp_path) as (hub, node, _),
        connected_client(certificates, hub.port, reconnect_timeout=600.0, node_timeout=0.5) as client,
    ):
        sessions = [await within(client.open_session("n1", command="sleep 60")) for _ in range(9)]
        monkeypatch.setattr(node._backoff, "next_delay", lambda: 600.0)
        asked: list[RemoteSession] = []
        resume = Resumer._resume
        monkeypatch.setattr(Resumer, "_resume", lambda self, session: asked.append(session) or resume(self, session))
        assert node._connection is not None
        node._connection.link.abort()
        for session in sessions:
            with pytest.raises(NodeUnavailableException, match="n1 disconnected"):
                await within(session.wait())
        # One asks for the node, and not all.
        assert set(asked) == {sessions[0]}
        assert await within(client.list_nodes()) == ()


async def test_a_hub_that_stays_away_fails_in_the_end(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        stack(certificates, tmp_path) as (hub, _, _),
        connected_client(certificates, hub.port, reconnect_timeout=0.5) as client,
    ):
        states: list[LinkState] = []
        client.on_state = states.append
        session = await within(client.open_session("n1", command="sleep 60"))
        await hub.stop()
        with pytest.raises(TransportException):
            await within(session.wait())
        assert (states[0], states[-1]) == (LinkState.RECONNECTING, LinkState.LOST)


async def test_a_client_that_is_closed_takes_nothing_up_again(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client):
        others = hub.connections - 1
        states: list[LinkState] = []
        client.on_state = states.append
        session = await within(client.open_session("n1", command="sleep 60"))
        await within(client.close())
        with pytest.raises(TransportException):
            await within(session.wait())
        await until(lambda: hub.connections == others)
        assert states == []
