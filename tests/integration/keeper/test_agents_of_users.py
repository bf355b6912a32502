"""A forwarded agent at a node whose sessions are of users of the machine."""

from pathlib import Path

import pytest
from support.agents import HeldKey, fake_agent
from support.keepers import KeeperProcess
from support.people import PEOPLE, Machine
from support.stack import Certificates, connected_client, hub_config, running_node

from omnyshell import OmnyShellHub
from omnyshell.security.agent.agent import SOCKET_VARIABLE
from omnyshell.services.client.agent_forwarding import forwarded_agent
from omnyshell.services.node.keeper.place import own_directory


async def test_an_agent_is_for_its_user_alone(
    certificates: Certificates, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, state = tmp_path / "node.toml", tmp_path / "state"
    file.write_text("[users]\nadmin = ['ann', 'bea']\n")
    state.mkdir(mode=0o700)
    monkeypatch.setenv(SOCKET_VARIABLE, str(tmp_path / "agent"))
    keeper = KeeperProcess(own_directory(state), users_file=file, machine=machine)
    try:
        async with (
            fake_agent(tmp_path / "agent", HeldKey("laptop", "")),
            OmnyShellHub(hub_config(certificates)) as hub,
            running_node(certificates, hub.port, state, keeper=True, users_file=file, allow_agent=True),
            connected_client(certificates, hub.port) as client,
            forwarded_agent(client, "n1", "ann") as env,
        ):
            directory = str(Path(env[SOCKET_VARIABLE]).parent)
            found = await client.execute("n1", f"stat -c '%u %a' {directory} $SSH_AUTH_SOCK", env=env, user="ann")
            assert found.stdout.split() == [str(PEOPLE["ann"]).encode(), b"700", str(PEOPLE["ann"]).encode(), b"700"]
            refused = await client.execute("n1", f"ls {directory} 2>&1", user="bea")
            assert b"Permission denied" in refused.stdout
    finally:
        keeper.end()
