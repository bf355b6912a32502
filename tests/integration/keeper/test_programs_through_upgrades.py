"""vim, less, htop, make -j2 and transfers, while the keeper is upgraded, the node is restarted, or both."""

import asyncio
from pathlib import Path

import pytest
from support.keeper_versions import NEWER, OLDER, install
from support.keepers import KeeperProcess
from support.kept_programs import KeptPrograms, missing
from support.killed_nodes import KilledNode
from support.stack import Certificates, connected_client, hub_config, until

from omnyshell import OmnyShellHub
from omnyshell.services.node.keeper.place import own_directory
from omnyshell.transport.backoff import BackoffTimes

SIZE = 4_000_000


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client looks for its session's node sooner."""
    times = BackoffTimes(shortest=0.05, first_ceiling=0.05, last_ceiling=0.1)
    monkeypatch.setattr("omnyshell.services.client.resumer.NODE_TIMES", times)


@pytest.mark.skipif(bool(missing()), reason=f"{' '.join(missing()[:1])} is not installed")
async def test_programs_do_not_notice_upgrades_and_restarts(certificates: Certificates, tmp_path: Path) -> None:
    """Starts the node three times, and make takes its time."""
    state, installed, folder = tmp_path / "state", tmp_path / "installed", tmp_path / "folder"
    state.mkdir(mode=0o700)
    folder.mkdir()
    install(installed, OLDER)
    keeper = KeeperProcess(own_directory(state), installed)
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
        node = KilledNode(certificates, hub.port, state)
        try:
            while not await client.list_nodes():
                await asyncio.sleep(0.01)
            programs = KeptPrograms(client, folder, SIZE)
            await programs.start()
            await programs.use()

            # The keeper alone, to and fro.
            for count, version in enumerate((NEWER, OLDER), 1):
                install(installed, version, mark=str(count))
                keeper.upgrade()
                await until(lambda: keeper.log().count("takes over") == count)  # noqa: B023
                # The one that takes over answers.
                keeper.node(b"another").close()
                await programs.use()

            # The node alone, killed; and both, the node first or last.
            for count in range(3):
                before = programs.resumed()
                node.kill()
                if count == 1:
                    install(installed, NEWER, mark="both")
                    keeper.upgrade()
                node.start()
                if count == 2:
                    install(installed, (), mark="last")
                    keeper.upgrade()
                await until(lambda: all(a > b for a, b in zip(programs.resumed(), before, strict=False)))  # noqa: B023
                await programs.use()
            await programs.finish()
        finally:
            node.kill()
            keeper.end()
