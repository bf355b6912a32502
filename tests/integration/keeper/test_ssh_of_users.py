"""ssh of users of the machine, through a hub and a node whose keeper is root's."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.commands import run_command
from support.deadline import DEADLINE
from support.keepers import KeeperProcess
from support.people import HOMES, Machine
from support.stack import Certificates, hub_config, running_node

from omnyshell import OmnyShellHub
from omnyshell.services.node.keeper.place import own_directory


async def test_sshd_is_the_users_own(certificates: Certificates, machine: Machine, tmp_path: Path) -> None:
    if shutil.which("ssh") is None or shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("sshd is not installed")
    file, state, block = tmp_path / "node.toml", tmp_path / "state", tmp_path / "block"
    file.write_text("[users]\nadmin = ['ann', 'bea']\n")
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state), users_file=file, machine=machine)
    try:
        async with (
            OmnyShellHub(hub_config(certificates)) as hub,
            running_node(certificates, hub.port, state, keeper=True, users_file=file),
        ):
            said = {"HUB": f"wss://127.0.0.1:{hub.port}", "PRINCIPAL": "admin", "TOKEN": "admin-token"}
            said |= {"CA": str(certificates.ca), "HOME": str(tmp_path)}
            env = dict(os.environ) | {f"OMNYSHELL_{name}": value for name, value in said.items()}
            made = await asyncio.to_thread(run_command, "ssh-config", env=env)
            assert (made.returncode, made.stderr) == (0, b"")
            assert b"Host n1.omny\n    User ann\n" in made.stdout
            block.write_bytes(made.stdout)

            async def ssh(host: str, line: str) -> "subprocess.CompletedProcess[bytes]":
                command = ["ssh", "-F", str(block), host, line]
                return await asyncio.to_thread(
                    subprocess.run, command, env=env, capture_output=True, timeout=DEADLINE, check=False
                )

            for host, user in (("n1.omny", "ann"), ("bea@n1.omny", "bea")):
                done = await ssh(host, "id -un; pwd; ps -o user= -p $PPID")
                assert (done.returncode, done.stderr) == (0, b"")
                assert done.stdout.decode().split() == [user, f"{HOMES}/{user}", user]
            done = await ssh("root@n1.omny", "id")
            assert b"'admin' may not become 'root' here, but: ann, bea" in done.stderr
    finally:
        keeper.end()
