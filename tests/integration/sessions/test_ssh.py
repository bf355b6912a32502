"""Sessions of ssh through hub and node, with the system's sshd and ssh."""

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.agents import needs_ssh_agent, ssh_add, ssh_agent, ssh_key
from support.commands import run_command
from support.hub_process import hub_process
from support.rights import config_of, grant
from support.stack import Certificates, access, connected_client, hub_config, running_node, stack, until, within

from omnyshell import (
    OmnyShellClient,
    OmnyShellHub,
    PrincipalId,
    PublicKeyAuthenticator,
    SessionRejectedException,
    TokenAuthenticator,
    TokenGrant,
)
from omnyshell.protocol.extensions import OF_NODE, SSH
from omnyshell.security.authenticators import CompositeAuthenticator
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore
from omnyshell.security.credentials import PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.ssh.session import ask_user, open_ssh
from omnyshell.services.node import node as node_module
from omnyshell.services.node.environment import account
from omnyshell.services.node.restriction.policy import CommandPolicy

KEY, NODE_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture(autouse=True)
def _sshd() -> None:
    if shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("sshd is not installed")


async def banner_of(client: OmnyShellClient, user: str) -> bytes:
    """What sshd says first."""
    session, _ = await open_ssh(client, "n1", user, KEY.public_key)
    async with session:
        async for chunk in session:
            assert not chunk.is_stderr, chunk.data
            return chunk.data
    return b""


async def test_sshd_speaks_as_the_nodes_user(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        assert await within(ask_user(client, "n1")) == account().name
        assert (await within(banner_of(client, account().name))).startswith(b"SSH-2.0-")


async def test_the_audit_says_whose_it_was_and_how_much_it_carried(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client):
        assert await within(banner_of(client, account().name))
        await until(lambda: any(record.action == "session.close" for record in hub.audit))
        opened, closed = (record for record in hub.audit if record.session_id)
        assert (opened.action, opened.detail) == ("ssh.open", f"ssh as {account().name}")
        assert closed.detail.startswith("ssh 0 bytes in, ")


async def test_a_host_key_stays_and_is_another_for_each_node(certificates: Certificates, tmp_path: Path) -> None:
    shown = []
    for state in ("one", "one", "two"):
        async with stack(certificates, tmp_path / state) as (_, _, client):
            session, host = await within(open_ssh(client, "n1", account().name, KEY.public_key))
            session.close()
            shown.append(host.host_key)
    assert shown[0] == shown[1] != shown[2]


async def test_a_node_whose_commands_are_restricted_refuses(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path, commands=CommandPolicy(("/usr/bin/id",))) as (_, _, client):
        for opening in (ask_user(client, "n1"), open_ssh(client, "n1", account().name, KEY.public_key)):
            with pytest.raises(SessionRejectedException, match="nobody gets in by ssh") as refused:
                await within(opening)
            assert refused.value.code == "not_authorized"


async def test_a_node_that_is_too_old_is_refused(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "OF_NODE", OF_NODE - {SSH})
    async with stack(certificates, tmp_path) as (_, _, client):
        with pytest.raises(SessionRejectedException, match="too old for ssh"):
            await within(ask_user(client, "n1"))


async def test_a_node_with_a_key_proves_its_host_key(certificates: Certificates, tmp_path: Path) -> None:
    entry = AuthorizedKey(PrincipalId("box"), NODE_KEY.public_key, frozenset({"node"}))
    tokens = TokenAuthenticator([TokenGrant.parse("admin:admin-token:admin")])
    authenticator = CompositeAuthenticator([tokens, PublicKeyAuthenticator(AuthorizedKeysStore([entry]))])
    async with OmnyShellHub(hub_config(certificates, authenticator=authenticator)) as hub:
        by_key = replace(
            access(certificates, hub.port, "box"), credentials=PublicKeyCredentialProvider(PrincipalId("box"), NODE_KEY)
        )
        async with (
            running_node(certificates, hub.port, tmp_path, access=by_key),
            connected_client(certificates, hub.port) as client,
        ):
            session, shown = await within(open_ssh(client, "n1", account().name, KEY.public_key))
            session.close()
            assert shown.node_key == NODE_KEY.public_key


async def test_ssh_goes_on_over_a_hub_that_is_killed_and_started_anew(
    certificates: Certificates, tmp_path: Path
) -> None:
    """It takes seconds, as node and client dial again after a while."""
    async with (
        hub_process(certificates, tmp_path / "hub") as hub,
        running_node(certificates, hub.port, tmp_path / "node"),
    ):
        said = {"HUB": f"wss://127.0.0.1:{hub.port}", "PRINCIPAL": "admin", "TOKEN": "admin-token"}
        said |= {"CA": str(certificates.ca), "HOME": str(tmp_path)}
        env = dict(os.environ) | {f"OMNYSHELL_{name}": value for name, value in said.items()}
        (tmp_path / "block").write_bytes((await asyncio.to_thread(run_command, "ssh-config", env=env)).stdout)
        pipe = asyncio.subprocess.PIPE
        ssh = await asyncio.create_subprocess_exec(
            "ssh", "-F", str(tmp_path / "block"), "n1.omny", "cat", stdin=pipe, stdout=pipe, stderr=pipe, env=env
        )
        assert ssh.stdin is not None
        assert ssh.stdout is not None
        ssh.stdin.write(b"one\n")
        assert await within(ssh.stdout.readline()) == b"one\n"
        hub.kill()
        ssh.stdin.write(b"two\n")
        await hub.start()
        assert await within(ssh.stdout.readline()) == b"two\n"
        ssh.stdin.close()
        assert await within(ssh.wait()) == 0


@needs_ssh_agent
async def test_ssh_forwards_an_agent_where_the_right_lets_it(certificates: Certificates, tmp_path: Path) -> None:
    """Two connections by ssh."""
    denied = grant(principals=["admin"], rights=["agent"], deny=True)
    config = config_of(certificates, [])
    with ssh_agent(tmp_path) as env:
        public = ssh_key(tmp_path / "id", "ann@laptop")
        ssh_add(env, str(tmp_path / "id"))
        async with (
            OmnyShellHub(config) as hub,
            running_node(certificates, hub.port, tmp_path / "n1"),
        ):
            said = {"HUB": f"wss://127.0.0.1:{hub.port}", "PRINCIPAL": "admin", "TOKEN": "admin-token"}
            said |= {"CA": str(certificates.ca), "HOME": str(tmp_path)}
            env |= {f"OMNYSHELL_{name}": value for name, value in said.items()}
            (tmp_path / "block").write_bytes((await asyncio.to_thread(run_command, "ssh-config", env=env)).stdout)

            async def listed() -> str:
                words = ["ssh", "-A", "-F", str(tmp_path / "block"), "n1.omny", "ssh-add -L; echo ended"]
                done = await asyncio.to_thread(subprocess.run, words, env=env, capture_output=True, text=True)
                assert "ended" in done.stdout, done.stderr
                return done.stdout

            assert public in await listed()
            hub.reload(replace(config, grants=(denied,)))
            assert public not in await listed()
