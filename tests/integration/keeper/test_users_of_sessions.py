"""Sessions of users, through a real hub and a node whose keeper is root's."""

import asyncio
import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.keepers import KeeperProcess
from support.people import HOMES, Machine
from support.stack import Certificates, connected_client, hub_config, running_node, stack, within

from omnyshell import OmnyShellClient, OmnyShellHub, PtySpec, SessionMode, SessionRejectedException
from omnyshell.errors import OmnyShellException
from omnyshell.model.audit import AuditRecord
from omnyshell.protocol.extensions import LOGINS, OF_NODE
from omnyshell.security.grant_tables import read_grant
from omnyshell.security.grants import Grant
from omnyshell.services.node import node as node_module
from omnyshell.services.node.keeper import client as client_module
from omnyshell.services.node.keeper.asking import stop_keeper
from omnyshell.services.node.keeper.place import NoKeeperException, NoneServesHereException, own_directory
from omnyshell.services.node.restriction.policy import CommandPolicy


@asynccontextmanager
async def with_users(
    certificates: Certificates,
    machine: Machine,
    state: Path,
    users: str,
    grants: tuple[Grant, ...] = (),
    **changes: object,
) -> AsyncIterator[tuple[OmnyShellHub, OmnyShellClient]]:
    """Hub and client, and a node of root's whose keeper reads `[users]`."""
    file = state.parent / "node.toml"
    file.write_text(f"[users]\n{users}\n")
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state), users_file=file, machine=machine)
    try:
        async with (
            OmnyShellHub(hub_config(certificates, grants=grants)) as hub,
            running_node(certificates, hub.port, state, keeper=True, users_file=file, **changes),
            connected_client(certificates, hub.port) as client,
        ):
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


async def test_pam_has_its_say_and_is_heard(certificates: Certificates, machine: Machine, tmp_path: Path) -> None:
    text, service = tmp_path / "text", machine.pam / "omnyshell"
    if not machine.pam.exists():
        pytest.skip("PAM is not installed")
    text.write_text("Down until noon.\n" + "Really. " * 1000)
    text.chmod(0o644)
    tmp_path.chmod(0o755)
    calm = "auth required pam_permit.so\naccount required pam_permit.so\n"
    try:
        async with with_users(certificates, machine, tmp_path / "state", "admin = 'ann'") as (_, client):
            service.write_text(f"{calm}session required pam_echo.so file={text}\n")
            session = await within(client.open_session("n1", mode=SessionMode.SHELL, pty=PtySpec(), interactive=True))
            await session.write(b"echo I am $(id -un); exit 7\n")
            shown = b"".join([chunk.data async for chunk in session])
            assert shown.startswith(b"Down until noon.")
            assert b"I am ann" in shown
            assert (await within(session.wait())).code == 7
            result = await within(client.execute("n1", "id -un; exit 7"))
            assert (result.stdout, result.status.code) == (b"ann\n", 7)
            service.write_text(f"account required pam_nologin.so file={text}\n")
            with pytest.raises(SessionRejectedException, match=r"PAM refuses 'ann': Down until noon\. Really\."):
                await within(client.execute("n1", "id -un"))
    finally:
        service.unlink()


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


async def test_a_node_that_found_no_keeper_has_one_as_soon_as_what_was_wrong_is_mended(
    certificates: Certificates, tmp_path: Path
) -> None:
    file, state = tmp_path / "node.toml", tmp_path / "state"
    file.write_text("[users")
    own = pwd.getpwuid(os.geteuid()).pw_name
    async with stack(certificates, state, users_file=file) as (_, _, client):
        with pytest.raises(SessionRejectedException, match=r"has none: keeper: .* cannot be read from .*node\.toml"):
            await within(client.execute("n1", "id -un"))
        file.write_text(f"[users]\nadmin = '{own}'\n")
        assert (await within(client.execute("n1", "id -un"))).stdout == f"{own}\n".encode()
    stop_keeper(state)


async def test_what_an_earlier_run_left_is_taken_up_by_a_node_to_which_its_keeper_comes_late(
    certificates: Certificates, tmp_path: Path
) -> None:
    """As where root's keeper has to be mended, and systemd has kept its sessions meanwhile."""
    file, state = tmp_path / "node.toml", tmp_path / "state"
    file.write_text(f"[users]\nadmin = '{pwd.getpwuid(os.geteuid()).pw_name}'\n")
    async with stack(certificates, state, users_file=file) as (_, _, client):
        shell = await within(client.open_session("n1", mode=SessionMode.SHELL, pty=PtySpec()))
        await within(shell.detach())

    async def none_starts(*_: object) -> None:
        raise NoneServesHereException("it is broken")

    def none_is_there(*_: object) -> None:
        raise NoKeeperException("there is none")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "connect", none_is_there)
        patch.setattr(client_module, "start_own", none_starts)
        async with stack(certificates, state, users_file=file) as (_, _, client):
            assert await within(client.list_sessions("n1")) == ()
            patch.undo()
            done = await asyncio.gather(*(within(client.execute("n1", "echo here")) for _ in range(2)))
            assert [each.stdout for each in done] == [b"here\n"] * 2
            assert [each.session_id for each in await within(client.list_sessions("n1"))] == [shell.id]
            shell = await within(client.resume("n1", shell.id, pty=PtySpec()))
            await shell.write(b"exit 7\n")
            assert (await within(shell.wait())).code == 7
    stop_keeper(state)


GRANT = {"roles": ["developer"], "nodes": ["*"], "rights": ["exec"]}


async def test_a_user_is_asked_for_by_name_and_by_role(
    certificates: Certificates, machine: Machine, tmp_path: Path
) -> None:
    table = "'role:developer' = ['ann', 'dbms']\nadmin = 'bea'"
    labels = {"allow-roles": "developer"}
    async with (
        with_users(certificates, machine, tmp_path / "state", table, labels=labels) as (hub, admin),
        connected_client(certificates, hub.port, "dev") as client,
    ):
        noted: list[AuditRecord] = []
        hub.audit.add_sink(noted.append)
        for user, said in (("", b"ann\n"), ("ann", b"ann\n"), ("dbms", b"dbms\n")):
            assert (await within(client.execute("n1", "id -un", user=user))).stdout == said
        for user, why in (("bea", "'dev' may not become 'bea' here, but: ann, dbms"), ("a b", "no user's name")):
            with pytest.raises(SessionRejectedException, match=why):
                await within(client.execute("n1", "id -un", user=user))
        assert (await within(admin.execute("n1", "id -un"))).stdout == b"bea\n"
        session = await within(client.open_shell("n1", pty=PtySpec(), user="dbms"))
        await session.write(b"exit\n")
        await within(session.wait())
        opened = [record.detail for record in noted if record.action == "session.open"]
        assert opened == ["exec as ann", "exec as ann", "exec as dbms", "exec as bea", "shell as dbms"]


@pytest.mark.parametrize(
    ("logins", "user", "outcome"),
    [
        (["dbms"], "", "dbms"),
        (["dbms", "ann"], "", "ann"),
        (["dbms"], "dbms", "dbms"),
        (["dbms"], "ann", "Not authorized to be 'ann' on 'n1': grants name dbms"),
        (["bea"], "", "The hub's grants let 'dev' not become ann, dbms here"),
        (["{principal}"], "", "The hub's grants let 'dev' not become ann, dbms here"),
    ],
)
async def test_grants_narrow_it(
    certificates: Certificates, machine: Machine, tmp_path: Path, logins: list[str], user: str, outcome: str
) -> None:
    grant = read_grant(GRANT | {"logins": logins}, "grant 1")
    async with (
        with_users(certificates, machine, tmp_path / "state", "dev = ['ann', 'dbms']", grants=(grant,)) as (hub, _),
        connected_client(certificates, hub.port, "dev") as client,
    ):
        running = client.execute("n1", "id -un", user=user)
        if " " not in outcome:
            assert (await within(running)).stdout.decode() == f"{outcome}\n"
            return
        with pytest.raises(SessionRejectedException, match=outcome) as refused:
            await within(running)
        assert refused.value.code == "not_authorized"


async def refusals_of(client: OmnyShellClient, ref: str, owner: str = "") -> set[str]:
    """Why somebody gets nothing of a session: not its screen, not what was above it, and not itself."""
    found = set()
    sessions = client.sessions_of("n1", owner)

    async def above() -> None:
        async for _ in sessions.history(ref, 1, 1):
            pass

    for asking in (sessions.peek(ref), above(), client.resume("n1", ref, pty=PtySpec(), owner=owner)):
        with pytest.raises(OmnyShellException) as refused:
            await within(asking)
        found.add(str(refused.value))
    return found


async def test_who_may_have_what_runs_as_a_user_is_asked_each_time(
    certificates: Certificates, machine: Machine, tmp_path: Path
) -> None:
    """Whoever has it, and its owner too: who becomes whom is looked at anew, not what it was when the shell began."""
    file, table = tmp_path / "node.toml", "dev = ['ann', 'dbms']\nadmin = 'bea'"
    labels = {"allow-roles": "developer"}
    async with (
        with_users(certificates, machine, tmp_path / "state", table, labels=labels) as (hub, admin),
        connected_client(certificates, hub.port, "dev") as client,
    ):
        session = await within(client.open_shell("n1", pty=PtySpec(), user="dbms"))
        ref = (await within(session.detach())).short_id
        (listed,) = await within(client.list_sessions("n1"))
        assert (listed.user, listed.current_cwd) == ("dbms", f"{HOMES}/dbms")
        assert (await within(client.peek("n1", ref))).exit_code is None
        assert await refusals_of(admin, ref, "dev") == {"'admin' may not become 'dbms' here, but: bea"}

        file.write_text("[users]\ndev = 'ann'\n'role:admin' = 'dbms'\n")
        assert await refusals_of(client, ref) == {"'dev' may not become 'dbms' here, but: ann"}
        taken = await within(admin.resume("n1", ref, pty=PtySpec(), owner="dev"))
        await within(taken.detach())
        file.write_text("run-as-node-user = true\n")
        assert await refusals_of(client, ref) == {"It is dbms's, and nothing says any more who becomes that user"}
        file.unlink()
        assert "cannot be read" in "".join(await refusals_of(client, ref))

        file.write_text("[users]\ndev = ['ann', 'dbms']\n")
        again = await within(client.resume("n1", ref, pty=PtySpec()))
        await again.write(b"exit 5\n")
        assert (await within(again.wait())).code == 5


async def test_grants_narrow_who_may_have_a_session_too(
    certificates: Certificates, machine: Machine, tmp_path: Path
) -> None:
    def granted(*logins: str) -> Grant:
        rights = ["shell", "watch"]
        return read_grant(GRANT | {"rights": rights} | ({"logins": list(logins)} if logins else {}), "grant 1")

    table = "dev = ['ann', 'dbms']"
    async with (
        with_users(certificates, machine, tmp_path / "state", table, grants=(granted("ann", "dbms"),)) as (hub, _),
        connected_client(certificates, hub.port, "dev") as client,
    ):
        session = await within(client.open_shell("n1", pty=PtySpec(), user="dbms"))
        hub.reload(hub_config(certificates, grants=(granted("dbms"),)))
        ref = (await within(session.detach())).short_id
        attached = await within(client.open_shell("n1", pty=PtySpec(), user="dbms"))
        hub.reload(hub_config(certificates, grants=(granted("ann"),)))
        with pytest.raises(OmnyShellException, match="may not do this on the node any more"):
            await within(attached.wait())
        assert await refusals_of(client, ref) == {"The hub's grants let 'dev' not become 'dbms' here"}
        hub.reload(hub_config(certificates, grants=(granted(),)))
        again = await within(client.resume("n1", ref, pty=PtySpec()))
        await again.write(b"exit\n")
        await within(again.wait())


async def test_without_users_one_is_the_nodes_user_or_refused(certificates: Certificates, tmp_path: Path) -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    async with stack(certificates, tmp_path / "state") as (_, _, client):
        assert (await within(client.execute("n1", "id -un", user=own))).stdout.decode() == f"{own}\n"
        with pytest.raises(SessionRejectedException, match="so nobody becomes 'postgres': all that it starts is"):
            await within(client.execute("n1", "id -un", user="postgres"))


@pytest.mark.parametrize("narrowed", [False, True])
async def test_a_node_that_is_too_old_is_refused(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, narrowed: bool
) -> None:
    monkeypatch.setattr(node_module, "OF_NODE", OF_NODE - {LOGINS})
    grants = (read_grant(GRANT | {"logins": ["dbms"]}, "grant 1"),) if narrowed else ()
    async with (
        OmnyShellHub(hub_config(certificates, grants=grants)) as hub,
        running_node(certificates, hub.port, tmp_path / "state"),
        connected_client(certificates, hub.port, "dev" if narrowed else "admin") as client,
    ):
        with pytest.raises(SessionRejectedException, match="too old to say whose"):
            await within(client.execute("n1", "id", user="" if narrowed else "dbms"))
