"""Sessions of users, through a real hub and a node whose keeper is root's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.keepers import KeeperProcess
from support.people import HOMES, Machine
from support.stack import Certificates, connected_client, stack, within

from omnyshell import OmnyShellClient, OmnyShellHub, PtySpec, SessionMode, SessionRejectedException
from omnyshell.services.node.keeper.place import own_directory
from omnyshell.services.node.restriction.policy import CommandPolicy


@asynccontextmanager
async def with_users(
    certificates: Certificates, machine: Machine, state: Path, users: str, **changes: object
) -> AsyncIterator[tuple[OmnyShellHub, OmnyShellClient]]:
    """Hub and client, and a node of root's whose keeper reads `[users]`."""
    file = state.parent / "node.toml"
    file.write_text(f"[users]\n{users}\n")
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state), users_file=file, machine=machine)
    try:
        async with stack(certificates, state, keeper=True, users_file=file, **changes) as (hub, _, client):
            yield hub, client
    finally:
        keeper.end()


async def test_commands_and_shells_are_the_users(certificates: Certificates, machine: Machine, tmp_path: Path) -> None:
    async with with_users(certificates, machine, tmp_path / "state", "admin = 'ann'") as (_, client):
        for request in ({"command": "id -un; pwd; echo $SHELL"}, {"args": ["sh", "-c", "id -un; pwd; echo $SHELL"]}):
            result = await within(client.execute("n1", **request))
            assert result.stdout.decode().split() == ["ann", f"{HOMES}/ann", "/bin/bash"]
        session = await within(client.open_session("n1", mode=SessionMode.SHELL, pty=PtySpec(), interactive=True))
        await session.write(b"echo I am $(id -un) $0; exit\n")
        assert b"I am ann /bin/bash" in b"".join([chunk.data async for chunk in session])


async def test_variables_of_the_client_are_filtered_as_ever(
    certificates: Certificates, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_NODE", "1")
    async with with_users(certificates, machine, tmp_path / "state", "admin = 'ann'") as (_, client):
        env = {"GREETING": "hello", "LD_PRELOAD": "/x", "BASH_ENV": "/x"}
        said = (await within(client.execute("n1", args=["env"], env=env))).stdout.decode().split()
        assert {line.partition("=")[0] for line in said} == {
            *("USER", "LOGNAME", "HOME", "SHELL", "PATH", "LANG", "GREETING"),
        }


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"args": ["no-such-program"]}, "Cannot start 'no-such-program': No such file or directory"),
        ({"args": [""]}, "There is no program ''"),
        ({"command": "pwd", "cwd": f"{HOMES}/bea"}, "Permission denied"),
    ],
)
async def test_what_cannot_be_is_said(
    certificates: Certificates, machine: Machine, tmp_path: Path, request_: dict[str, object], why: str
) -> None:
    async with with_users(certificates, machine, tmp_path / "state", "admin = 'ann'") as (_, client):
        with pytest.raises(SessionRejectedException, match=why):
            await within(client.execute("n1", **request_))


async def test_who_becomes_nobody_has_no_session(certificates: Certificates, machine: Machine, tmp_path: Path) -> None:
    table = "admin = 'ann'\n'*' = '{principal}'"
    async with (
        with_users(certificates, machine, tmp_path / "state", table, labels={"allow-roles": "developer"}) as (hub, _),
        connected_client(certificates, hub.port, "dev") as client,
    ):
        with pytest.raises(SessionRejectedException, match="There is no user 'dev' on this machine") as refused:
            await within(client.execute("n1", "id"))
        assert refused.value.code == "not_authorized"


async def test_rules_hold_for_every_user(certificates: Certificates, machine: Machine, tmp_path: Path) -> None:
    policy = CommandPolicy(("/usr/bin/id", "/usr/bin/env"))
    async with with_users(certificates, machine, tmp_path / "state", "admin = 'root'", commands=policy) as (_, client):
        assert (await within(client.execute("n1", args=["/usr/bin/id"]))).stdout.startswith(b"uid=0(root)")
        with pytest.raises(SessionRejectedException, match="does not allow that command"):
            await within(client.execute("n1", args=["/usr/bin/id", "-u"]))
        said = (await within(client.execute("n1", args=["/usr/bin/env"]))).stdout.decode().split()
        assert {"HOME=/", "USER=root", "SHELL=/bin/false"} <= set(said)


async def test_without_a_keeper_that_goes_by_the_file_nothing_is_started(
    certificates: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "node.toml"
    file.write_text("[users]\nadmin = 'ann'\n")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state))
    try:
        async with stack(certificates, state, users_file=file) as (_, _, client):
            with pytest.raises(SessionRejectedException, match="No keeper goes by") as refused:
                await within(client.execute("n1", "id"))
            assert refused.value.code == "not_authorized"
    finally:
        keeper.end()
