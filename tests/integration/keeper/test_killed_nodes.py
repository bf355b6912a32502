"""Sessions of a node that is killed, stopped, and started again."""

import asyncio
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.keepers import KeeperProcess
from support.killed_nodes import NUMBERS, Followed, KilledNode
from support.stack import Certificates, connected_client, hub_config, running_node, until, within

from omnyshell import ExitStatus, OmnyShellHub, PtySpec, SessionMode
from omnyshell.services.client.session import LinkState, RemoteSession
from omnyshell.services.node.keeper.place import own_directory
from omnyshell.services.node.records.memory import Cell
from omnyshell.transport.backoff import BackoffTimes


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client looks for its session's node sooner."""
    times = BackoffTimes(shortest=0.05, first_ceiling=0.05, last_ceiling=0.1)
    monkeypatch.setattr("omnyshell.services.client.resumer.NODE_TIMES", times)


async def test_nothing_dies_with_a_node_that_is_killed_or_stopped(certificates: Certificates, tmp_path: Path) -> None:
    """Ends a node three times under load, which takes a start of a process each."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state))
    async with OmnyShellHub(hub_config(certificates)) as hub:
        node = KilledNode(certificates, hub.port, state)
        async with connected_client(certificates, hub.port) as client:
            while not await client.list_nodes():
                await asyncio.sleep(0.01)
            shells = [
                await within(
                    client.open_session("n1", command=NUMBERS, mode=SessionMode.SHELL, pty=PtySpec(), cwd=str(tmp_path))
                )
                for _ in range(3)
            ]
            commands = [await within(client.open_session("n1", command=NUMBERS, cwd=str(tmp_path))) for _ in range(3)]
            followed = [Followed(session) for session in (*shells, *commands)]
            for count, end in enumerate((node.kill, node.stop, node.kill), start=1):
                await until(lambda: all(len(each.out) > 2000 for each in followed))
                await asyncio.to_thread(end)
                node.start()
                await until(lambda: all(len(each.resumed) == count for each in followed))  # noqa: B023
            (tmp_path / "stop").touch()
            for each in followed:
                assert await within(each.ending) == ExitStatus(0)
                each.check()
                assert set(each.resumed) == {LinkState.RESUMED}
    node.kill()
    keeper.end()


async def test_what_left_the_screen_is_there_after_a_kill(certificates: Certificates, kept_state: Path) -> None:
    """One shell prints before, and one before and after the kill; both are as on a node that was not killed.

    Takes a second or two for the lines, which are more than what is refed alone would have.
    """
    lines = 10_000

    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:

        async def seen(session: RemoteSession) -> tuple[bytes, list[bytes]]:
            """Its screen, and what is above it."""
            screen = await within(client.peek("n1", session.id, with_history=True))
            assert screen.history_end is not None
            parts = [part async for part in client.history("n1", session.id, screen.history_end, lines)]
            return screen.data, b"".join(reversed(parts)).splitlines()

        node = KilledNode(certificates, hub.port, kept_state)
        try:
            while not await client.list_nodes():
                await asyncio.sleep(0.01)
            shells = [
                await within(client.open_session("n1", command=command, mode=SessionMode.SHELL, pty=PtySpec()))
                for command in ("seq 30000; read line", "seq 20000; echo half; read line; seq 20001 30000; read line")
            ]
            followed = [Followed(each) for each in shells]
            await until(lambda: b"30000\r\n" in followed[0].out and b"half" in followed[1].out)
            before = await seen(shells[0])
            assert before[1][-lines:] == [b"%d" % number for number in range(30_000 - 22 - lines, 30_000 - 22)]
            node.kill()
            node.start()
            await until(lambda: all(each.resumed for each in followed))
            assert await seen(shells[0]) == before
            await shells[1].write(b"\n")
            await until(lambda: b"30000\r\n" in followed[1].out)
            _, above = await seen(shells[1])
            numbers = [int(line) for line in above[-lines:] if line.isdigit()]
            assert numbers == list(range(30_000 - 22 - len(numbers), 30_000 - 22))
            assert lines - len(numbers) <= 2
            for session, each in zip(shells, followed, strict=True):
                await session.write(b"\n")
                assert await within(each.ending) == ExitStatus(0)
        finally:
            node.kill()


@pytest.fixture
def kept_state(tmp_path: Path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state))
    yield state
    keeper.end()


async def test_a_node_that_stops_leaves_its_sessions_to_the_next(certificates: Certificates, kept_state: Path) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
        async with running_node(certificates, hub.port, kept_state, keeper=True):
            command = await within(client.open_session("n1", command="echo first; cat; exit 3"))
            shell = await within(
                client.open_session(
                    "n1", command="printf '\\033[?1049halt'; cat", mode=SessionMode.SHELL, pty=PtySpec()
                )
            )
            ended = await within(client.open_session("n1", command="read line; echo late; exit 4"))
            seen = [Followed(each) for each in (command, shell, ended)]
            await until(lambda: b"first" in seen[0].out and b"alt" in seen[1].out)
            await command.write(b"before ")
            await ended.write(b"\n")
            await until(lambda: b"before " in seen[0].out)
            await shell.detach()
        async with running_node(certificates, hub.port, kept_state, keeper=True):
            (info,) = await within(client.list_sessions("n1"))
            assert info.session_id == shell.id
            again = await within(client.resume("n1", shell.id, pty=PtySpec()))
            followed = Followed(again)
            await until(lambda: b"alt" in followed.out)
            await command.write(b"after")
            command.eof()
            assert await within(seen[0].ending) == ExitStatus(3)
            assert (bytes(seen[0].out), bytes(seen[0].err)) == (b"first\nbefore after", b"")
            assert await within(seen[2].ending) == ExitStatus(4)
            assert bytes(seen[2].out) == b"late\n"


async def test_what_is_in_doubt_is_told_and_what_is_not_understood_is_taken_up(
    certificates: Certificates, kept_state: Path
) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
        async with running_node(certificates, hub.port, kept_state, keeper=True) as node:
            command = Followed(await within(client.open_session("n1", command="echo first; read line; exit 3")))
            other = Followed(await within(client.open_session("n1", command="echo first; read line; exit 5")))
            await until(lambda: b"first" in command.out and b"first" in other.out)
            for session in node._sessions.running():
                record = session._kept.record
                if session.id == command._session.id:
                    record._cells[Cell.READING] = record.journal.end + 1
                    record.writing(5)
                else:
                    record._cells[Cell.LAYOUT] += 1
        async with running_node(certificates, hub.port, kept_state, keeper=True):
            for each in (command, other):
                await until(lambda: bool(each.resumed))  # noqa: B023
                await each._session.write(b"line\n")
            assert await within(command.ending) == ExitStatus(3)
            assert b"a part of the output may be missing" in command.err
            assert b"the last 5 bytes of input may be missing" in command.err
            assert await within(other.ending) == ExitStatus(5)
            assert b"what was written before is not known" in other.err


async def test_what_was_ended_does_not_go_on_as_its_node_stops_in_between(
    certificates: Certificates, kept_state: Path
) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
        async with running_node(certificates, hub.port, kept_state, keeper=True) as node:
            line = "trap '' HUP TERM; echo ready; while :; do sleep 1; done"
            shell = await within(client.open_session("n1", command=line, mode=SessionMode.SHELL, pty=PtySpec()))
            followed = Followed(shell)
            await until(lambda: b"ready" in followed.out)
            # It would be killed a while later.
            node._sessions.running()[0].kill()
        async with running_node(certificates, hub.port, kept_state, keeper=True), asyncio.timeout(DEADLINE):
            # It may take a moment to die.
            while await client.list_sessions("n1"):
                await asyncio.sleep(0.01)
