"""Sessions of a node whose keeper starts them, through a real hub."""

import asyncio
import hashlib
import logging
import os
import resource
import shutil
import signal
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.keepers import KeeperProcess
from support.stack import Certificates, access, connected_client, hub_config, running_node, stack, until, within

from omnyshell import (
    ExitStatus,
    NodeConfig,
    OmnyShellHub,
    OmnyShellNode,
    PtySpec,
    SessionMode,
    SessionRejectedException,
)
from omnyshell.keeper import processes
from omnyshell.services.node.keeper.asking import keeper_facts
from omnyshell.services.node.keeper.place import PROGRAM, NoKeeperException, own_directory


@asynccontextmanager
async def kept(certificates: Certificates, state: Path, program: Path | None = None):
    """Hub, node and client, with a keeper that a test may do things to."""
    state.mkdir(mode=0o700, exist_ok=True)
    keeper = KeeperProcess(own_directory(state), program)
    try:
        async with stack(certificates, state, keeper=True) as (_, node, client):
            yield keeper, node, client
    finally:
        keeper.end()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


async def test_commands_and_shells_are_the_keepers_children(certificates: Certificates, tmp_path: Path) -> None:
    async with kept(certificates, tmp_path / "state") as (keeper, node, client):
        result = await within(client.execute("n1", "echo $PPID; echo err >&2; exit 3"))
        assert (result.stdout, result.stderr, result.status) == (b"%d\n" % keeper.pid, b"err\n", ExitStatus(3))
        data = os.urandom(1_000_000)
        result = await within(client.execute("n1", args=["cat"], stdin=data))
        assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()
        session = await within(client.open_session("n1", command="read line", mode=SessionMode.SHELL, pty=PtySpec()))
        assert parent_of(node._sessions.shells()[0].pid) == keeper.pid
        await session.write(b"\n")
        assert await within(session.wait()) == ExitStatus(0)
        assert (await within(client.execute("n1", "kill -9 $$"))).status == ExitStatus(-9, "SIGKILL")
        with pytest.raises(SessionRejectedException, match=r"Cannot start '/etc': Permission denied|no program"):
            await within(client.execute("n1", args=["/etc"]))
        await until(lambda: keeper_facts(tmp_path / "state").nodes == [("n1", os.getpid(), 0, 0)])


async def test_what_a_shell_takes_is_told_to_who_asks(certificates: Certificates, tmp_path: Path) -> None:
    async with kept(certificates, tmp_path / "state") as (_, _, client):
        if keeper_facts(tmp_path / "state").flaw:
            pytest.skip("no control groups can be made here")
        line = "sleep 1000 & setsid sleep 1000 & read line"
        await within(client.open_session("n1", command=line, mode=SessionMode.SHELL, pty=PtySpec()))

        found = None
        while found is None or found.processes != 3:
            (found,) = await within(client.list_sessions("n1", usage=True))
        assert found.memory is not None
        assert found.memory > 100_000
        assert found.cpu_millis is not None
        (found,) = await within(client.list_sessions("n1"))
        assert (found.memory, found.cpu_millis, found.processes) == (None, None, None)
        await within(client.kill_session("n1", found.session_id))


async def test_nothing_is_started_by_a_keeper_that_does_not_limit_it(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, file = tmp_path / "state", tmp_path / "node.toml"
    state.mkdir(mode=0o700)
    file.write_text("session-processes = 30\n")
    keeper = KeeperProcess(own_directory(state))
    try:
        async with stack(certificates, state, keeper=True, limits_file=file) as (_, _, client):
            with pytest.raises(SessionRejectedException, match=f"No keeper limits sessions as {file} says"):
                await within(client.execute("n1", "echo"))
        assert "SESSIONS ARE REFUSED" in caplog.text
    finally:
        keeper.end()


async def test_what_a_program_cannot_get_is_refused_and_the_keeper_goes_on(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with kept(certificates, tmp_path / "state") as (keeper, _, client):
        for args in (["x" * 200_000], ["x"] * 17_000):
            with pytest.raises(SessionRejectedException, match="Cannot start"):
                await within(client.execute("n1", args=["true", *args]))
        assert (await within(client.execute("n1", "echo $PPID"))).stdout == b"%d\n" % keeper.pid


@pytest.mark.parametrize("spare", range(6))
async def test_a_node_without_descriptors_refuses_and_leaves_nothing(
    certificates: Certificates, tmp_path: Path, spare: int
) -> None:
    async with kept(certificates, tmp_path / "state") as (_, _, client):
        assert (await within(client.execute("n1", "exit 1"))).status == ExitStatus(1)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        opened = sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
        free = [number for number in range(opened[-1] + 1 + spare) if number not in opened]
        fillers = [os.open(os.devnull, os.O_RDONLY) for _ in free[spare:]]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(*opened, *fillers, spare) + 1, before[1]))
        try:
            mode = {"mode": SessionMode.SHELL, "pty": PtySpec()} if spare % 2 else {}
            with suppress(SessionRejectedException):
                async with await within(client.open_session("n1", command="exit 2", **mode)) as session:
                    await within(session.wait())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for fd in fillers:
                os.close(fd)
        assert (await within(client.execute("n1", "exit 3"))).status == ExitStatus(3)
        await until(lambda: keeper_facts(tmp_path / "state").nodes == [("n1", os.getpid(), 0, 0)])


async def test_an_upgrade_of_the_keeper_is_not_noticed(certificates: Certificates, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    shutil.copytree(PROGRAM, installed, ignore=shutil.ignore_patterns("__pycache__"))
    async with kept(certificates, tmp_path / "state", installed) as (keeper, node, client):
        session = await within(client.open_session("n1", args=["cat"]))
        line = node._backend._client._line
        (installed / "ending.py").write_text((installed / "ending.py").read_text() + "# another version\n")
        os.kill(keeper.pid, signal.SIGHUP)
        results = await within(asyncio.gather(*(client.execute("n1", f"echo $PPID; exit {n}") for n in range(8))))
        assert [(result.stdout, result.status.code) for result in results] == [
            (b"%d\n" % keeper.pid, n) for n in range(8)
        ]
        await until(lambda: node._backend._client._line is not line)
        await session.write(b"still there")
        session.eof()
        assert b"".join([chunk.data async for chunk in session]) == b"still there"
        assert await within(session.wait()) == ExitStatus(0)
        assert (await within(client.execute("n1", "echo $PPID"))).stdout == b"%d\n" % keeper.pid


async def test_what_is_asked_while_the_connection_is_lost_is_done_once(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with kept(certificates, tmp_path / "state") as (keeper, node, client):
        backend = node._backend._client
        for line in ("echo run >> ran; exit 5", "echo run >> ran; exec cat"):
            os.kill(keeper.pid, signal.SIGSTOP)
            starting = asyncio.create_task(client.execute("n1", line, cwd=str(tmp_path), stdin=b""))
            await until(lambda: bool(backend._pending))
            backend._line.close()
            backend._lost()
            os.kill(keeper.pid, signal.SIGCONT)
            await within(starting)
            assert (tmp_path / "ran").read_text() == "run\n"
            (tmp_path / "ran").unlink()


@pytest.mark.parametrize("is_known", [True, False])
async def test_when_the_keeper_is_killed_the_end_of_its_sessions_is_seen_and_how_where_the_system_says(
    certificates: Certificates,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    is_known: bool,
) -> None:
    """Linux says it since 6.15, once the process was waited for."""
    state = tmp_path / "state"
    codes = dict.fromkeys(range(1024), 7) if is_known else {}
    monkeypatch.setattr(processes, "return_code_of", codes.get)
    async with kept(certificates, state) as (keeper, _, client):
        session = await within(client.open_session("n1", command="read line; echo $line; exit 7"))
        os.kill(keeper.pid, signal.SIGKILL)
        keeper.process.wait()
        await until(lambda: "the keeper has ended" in caplog.text)
        # It goes on all the same, and a next one starts what comes next.
        await session.write(b"still\n")
        result = [(chunk.stream.name, chunk.data) async for chunk in session]
        assert b"".join(data for name, data in result if name == "STDOUT") == b"still\n"
        said = b"".join(data for name, data in result if name == "STDERR")
        assert (b"nobody knows how the command ended" in said) is not is_known
        assert await within(session.wait()) == ExitStatus(7 if is_known else 255)
        assert (await within(client.execute("n1", "exit 4"))).status == ExitStatus(4)
        assert keeper_facts(state).pid != keeper.pid


async def test_a_node_starts_a_keeper_which_ends_when_it_is_of_no_use(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.node.keeper.starting.IDLE", 0.2)
    async with stack(certificates, tmp_path, keeper=True) as (_, _, client):
        pid = keeper_facts(tmp_path).pid
        assert (await within(client.execute("n1", "echo $PPID"))).stdout == b"%d\n" % pid
        assert b"OMNYSHELL" not in Path(f"/proc/{pid}/environ").read_bytes()
    await until(lambda: not (own_directory(tmp_path) / "socket").exists())
    with pytest.raises(NoKeeperException):
        keeper_facts(tmp_path)


async def test_where_no_keeper_can_be_had_a_node_does_without(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    place = own_directory(tmp_path)
    place.mkdir(parents=True)
    place.chmod(0o777)
    async with stack(certificates, tmp_path, keeper=True) as (_, _, client):
        assert (await within(client.execute("n1", "echo $PPID"))).stdout == b"%d\n" % os.getpid()
    assert caplog.text.count("as there is no keeper") == 1
    assert f"others can write {place}" in caplog.text


async def test_elsewhere_than_on_linux_a_node_does_without(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.node.keeper.place.sys", Mock(platform="darwin"))
    async with stack(certificates, tmp_path, keeper=True) as (_, _, client):
        assert (await within(client.execute("n1", "echo $PPID"))).stdout == b"%d\n" % os.getpid()
    assert caplog.text.count("a keeper needs Linux") == 1


async def test_what_is_left_without_a_record_is_ended_by_the_next(certificates: Certificates, tmp_path: Path) -> None:
    async with kept(certificates, tmp_path / "state") as (keeper, _, _):
        left = keeper.node(b"n2")
        found = left.script(b"s", b"exec sleep 100")
        for fd in found.values():
            os.close(fd)
        left.close()
        async with (
            OmnyShellHub(hub_config(certificates)) as hub,
            running_node(certificates, hub.port, tmp_path / "state", "n2", keeper=True),
            connected_client(certificates, hub.port) as client,
        ):
            assert (await within(client.execute("n2", "exit 2"))).status == ExitStatus(2)
            await until(lambda: ("n2", os.getpid(), 0, 0) in keeper_facts(tmp_path / "state").nodes)


async def test_a_session_that_starts_while_its_node_stops_is_its_clients_at_the_next(
    certificates: Certificates, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state))
    async with OmnyShellHub(hub_config(certificates)) as hub:
        config = NodeConfig(
            node_id="n1",
            access=access(certificates, hub.port, "box"),
            state_dir=state,
            keeper=True,
            run_as_node_user=True,
        )
        node = OmnyShellNode(config)
        running = asyncio.create_task(node.run())
        await within(node.registered.wait())
        async with connected_client(certificates, hub.port) as client:
            os.kill(keeper.pid, signal.SIGSTOP)
            starting = asyncio.create_task(client.execute("n1", "exec sleep 100"))
            await until(lambda: bool(node._backend._client._pending))
            node.stop()
            os.kill(keeper.pid, signal.SIGCONT)
            await within(running)
            starting.cancel()
            await asyncio.wait({starting})
        async with running_node(certificates, hub.port, state, keeper=True) as following:
            assert len(following._sessions) == 1
    keeper.end()


async def test_a_shell_may_write_more_than_its_record_holds(certificates: Certificates, tmp_path: Path) -> None:
    async with kept(certificates, tmp_path / "state") as (_, _, client):
        command = "yes 0123456789012345678901234567890123456789 | head -c 10000000"
        session = await within(client.open_session("n1", command=command, mode=SessionMode.SHELL, pty=PtySpec()))
        size = sum([len(chunk.data) async for chunk in session])
        assert await within(session.wait()) == ExitStatus(0)
        assert size >= 10_000_000
