"""A keeper that crashes beside its node, or with it, and comes back with what a service manager kept."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.descriptor_store import Manager, managed
from support.keepers import KeeperProcess
from support.killed_nodes import Followed, KilledNode
from support.stack import Certificates, connected_client, hub_config, until, within

from omnyshell import ExitStatus, OmnyShellClient, OmnyShellHub, PtySpec, SessionMode
from omnyshell.services.node.keeper.asking import keeper_facts
from omnyshell.services.node.keeper.place import own_directory
from omnyshell.services.node.processes.process import UNKNOWN_CODE
from omnyshell.transport.backoff import BackoffTimes

KEPT = 6 + 4 + 1 + 2
"""Descriptors of a command, a shell, a holder and the socket of the newest."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client looks for its session's node sooner."""
    times = BackoffTimes(shortest=0.05, first_ceiling=0.05, last_ceiling=0.1)
    monkeypatch.setattr("omnyshell.services.client.resumer.NODE_TIMES", times)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with managed(tmp_path) as found:
        yield found


class Both:
    """A keeper and a node of which a test may kill either."""

    def __init__(self, manager: Manager, state: Path, node: KilledNode, keeper: KeeperProcess) -> None:
        self._manager, self._state = manager, state
        self.node, self.keeper = node, keeper

    def kill_keeper(self) -> None:
        self.keeper.process.kill()
        self.keeper.process.wait()

    def start_keeper(self) -> None:
        self.keeper.end()
        self.keeper = self._manager.start(own_directory(self._state))

    def pids(self) -> list[int]:
        """The leaders, in the order in which they were started."""
        path = Path(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    async def until_kept(self) -> None:
        def is_kept() -> bool:
            self._manager.hear()
            return len(self._manager.kept) == KEPT

        await until(is_kept)


@asynccontextmanager
async def both(certificates: Certificates, manager: Manager, state: Path):
    state.mkdir(mode=0o700)
    keeper = manager.start(own_directory(state))
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
        found = Both(manager, state, KilledNode(certificates, hub.port, state), keeper)
        try:
            while not await client.list_nodes():
                await asyncio.sleep(0.01)
            yield found, client
        finally:
            found.node.kill()
            # Who listens no more is told nothing.
            found.keeper.process.kill()
            found.keeper.end()


async def opened(client: OmnyShellClient) -> tuple[Followed, Followed]:
    """A command and a shell that say one thing, wait for a line, say it, and end."""
    line = "echo first; read line; echo $line; exit "
    command = Followed(await within(client.open_session("n1", command=f"{line} 3")))
    shell = await within(client.open_session("n1", command=f"{line} 4", mode=SessionMode.SHELL, pty=PtySpec()))
    found = command, Followed(shell)
    await until(lambda: all(b"first" in each.out for each in found))
    return found


async def ends(each: Followed, code: int) -> None:
    """It ends as it was told to, or it is said that nobody knows how."""
    status = await within(each.ending)
    is_told = b"nobody knows how the command ended" in each.out + each.err
    assert status == ExitStatus(UNKNOWN_CODE if is_told else code)
    assert b"second" in each.out


async def test_a_node_goes_on_with_the_keeper_that_takes_the_place_of_a_crashed_one(
    certificates: Certificates, manager: Manager, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    async with both(certificates, manager, state) as (machine, client):
        command, shell = await opened(client)
        leaders = machine.pids()
        await machine.until_kept()
        unkept = Followed(await within(client.open_session("n1", command="read line; echo second; exit 5")))
        leaders += machine.pids()[2:]
        machine.kill_keeper()
        # What is asked of no keeper is asked of the next one.
        late = asyncio.create_task(within(client.execute("n1", "echo $PPID")))
        await shell._session.write(b"second\n")
        machine.start_keeper()
        assert (await late).stdout == b"%d\n" % machine.keeper.pid
        for each in (command, unkept):
            await each._session.write(b"second\n")
        for pid in leaders:
            await asyncio.to_thread(manager.reap, pid)
        for each, code in ((command, 3), (shell, 4), (unkept, 5)):
            await ends(each, code)
        await until(lambda: [node.ended for node in keeper_facts(state).nodes] == [0])


async def test_sessions_outlive_node_and_keeper(certificates: Certificates, manager: Manager, tmp_path: Path) -> None:
    """They have only just begun. The node is there first, and waits."""
    async with both(certificates, manager, tmp_path / "state") as (machine, client):
        command, shell = await opened(client)
        leaders = machine.pids()
        machine.kill_keeper()
        machine.node.kill()
        machine.node.start()
        machine.start_keeper()
        await until(lambda: bool(command.resumed and shell.resumed))
        for each in (command, shell):
            await each._session.write(b"second\n")
        for pid in leaders:
            await asyncio.to_thread(manager.reap, pid)
        await ends(command, 3)
        await ends(shell, 4)
        assert (bytes(command.out), bytes(shell.out)) == (b"first\nsecond\n", b"first\r\nsecond\r\nsecond\r\n")
