"""Commands through a real hub, on real processes."""

import asyncio
import errno
import hashlib
import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.raw_hub import raw_hub
from support.stack import Certificates, connected_client, stack, until, within

from omnyshell import (
    ExitStatus,
    NodeUnavailableException,
    OmnyShellTimeoutException,
    PtySpec,
    SessionMode,
    SessionRejectedException,
    TransportException,
)
from omnyshell.services.node.restriction.policy import CommandPolicy


async def test_a_command_has_its_own_stdout_stderr_and_exit_code(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        result = await within(client.execute("n1", "echo out; echo err >&2; exit 3"))
    assert (result.stdout, result.stderr, result.status) == (b"out\n", b"err\n", ExitStatus(3))


async def test_stdin_arrives_whole_and_ends(certificates: Certificates, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    async with stack(certificates, tmp_path) as (_, _, client):
        result = await within(client.execute("n1", args=["cat"], stdin=data))
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()


async def test_a_hundred_megabytes_through_a_slow_reader_arrive_whole(
    certificates: Certificates, tmp_path: Path
) -> None:
    line, count = b"0123456789abcdef" * 64, 100_000
    command = f"awk 'BEGIN {{ for (i = 0; i < {count}; i++) print \"{line.decode()}\" }}'"
    expected = hashlib.sha256((line + b"\n") * count).hexdigest()
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(client.open_session("n1", command=command))
        found, size = hashlib.sha256(), 0
        async with session:
            async for chunk in session:
                found.update(chunk.data)
                size += len(chunk.data)
                # A reader that gives way to everyone else between two chunks.
                await asyncio.sleep(0)
    assert (size, found.hexdigest()) == ((len(line) + 1) * count, expected)


async def test_death_by_a_signal_is_told_by_number_and_name(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        result = await within(client.execute("n1", "kill -KILL $$"))
        assert result.status == ExitStatus(-9, "SIGKILL")
        assert result.status.shell_code == 137
        session = await within(client.open_session("n1", command="sleep 60"))
        async with session:
            session.signal("term")
            assert await within(session.wait()) == ExitStatus(-15, "SIGTERM")


async def test_a_program_that_does_not_exist_is_rejected(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        with pytest.raises(SessionRejectedException, match="no-such-program") as rejected:
            await within(client.execute("n1", args=["no-such-program"]))
        assert rejected.value.code == "bad_request"
        with pytest.raises(SessionRejectedException) as rejected:
            await within(client.execute("n1", "true", cwd="/no/such/directory"))
        assert rejected.value.code == "bad_request"
        with pytest.raises(SessionRejectedException) as rejected:
            await within(client.execute("elsewhere", "true"))
        assert rejected.value.code == "unknown_node"


async def test_an_environment_cannot_take_the_child_over(certificates: Certificates, tmp_path: Path) -> None:
    env = {"GREETING": "hi", "LD_PRELOAD": "/evil.so", "BASH_ENV": "/evil", "PYTHONPATH": "/evil", "IFS": "x"}
    async with stack(certificates, tmp_path) as (_, _, client):
        result = await within(client.execute("n1", args=["env"], env=env))
    # What the node itself has of these is its operator's choice; what is asked for is not taken over.
    variables = dict(line.split("=", 1) for line in result.stdout.decode().splitlines())
    assert {name for name, value in env.items() if variables.get(name) == value} == {"GREETING"}
    assert {"HOME", "USER", "SHELL", "PATH"} <= variables.keys()
    assert not [name for name in variables if name.startswith("OMNYSHELL_")]


async def test_an_operator_says_which_variables_are_refused(certificates: Certificates, tmp_path: Path) -> None:
    env = {"PYTHONPATH": "/mine", "GIT_DIR": "/evil", "OMNYSHELL_X": "1"}
    async with stack(certificates, tmp_path, refused_variables=("GIT_*",)) as (_, _, client):
        result = await within(client.execute("n1", 'echo "$PYTHONPATH,$GIT_DIR,$OMNYSHELL_X"', env=env))
    assert result.stdout == b"/mine,,\n"


async def test_with_a_policy_only_matching_commands_run_and_never_through_a_shell(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with stack(certificates, tmp_path, commands=CommandPolicy(("echo *",))) as (_, _, client):
        result = await within(client.execute("n1", "echo 'a b' ; touch /tmp/x"))
        assert result.stdout == b"a b ; touch /tmp/x\n"
        for request in ({"command": "id"}, {"args": ["sh", "-c", "echo x"]}):
            with pytest.raises(SessionRejectedException) as rejected:
                await within(client.execute("n1", **request))
            assert rejected.value.code == "not_authorized"


async def test_a_client_that_leaves_ends_the_whole_process_group(certificates: Certificates, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    command = f"sleep 300 & echo $! > {marker}; sleep 300"
    async with stack(certificates, tmp_path / "state") as (_, _, client):
        session = await within(client.open_session("n1", command=command))
        await until(lambda: marker.exists() and bool(marker.read_text()))
        background = int(marker.read_text())
        session.close()
        await until(lambda: not is_running(background))


@pytest.mark.parametrize(
    "leaving", ["({}) & echo now", "echo now > >({}; cat)", "({}) >&2 & echo now", "({}) <&- & exec echo now"]
)
async def test_output_is_read_to_its_end_whoever_holds_it(
    certificates: Certificates, tmp_path: Path, leaving: str
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = "echo $$; " + leaving.format(f"read line < {gate}; echo LATE")
    async with stack(certificates, tmp_path / "state") as (_, _, client):
        session = await within(client.open_session("n1", args=["bash", "-c", command]))
        async with session:
            chunks = aiter(session)
            leader, _, found = (await within(anext(chunks))).data.partition(b"\n")
            await until(lambda: not is_running(int(leader)))
            gate.write_text("\n")
            found += b"".join([chunk.data async for chunk in chunks])
            assert await within(session.wait()) == ExitStatus(0, None)
    assert sorted(found.split()) == [b"LATE", b"now"]


@pytest.mark.parametrize(("code", "told"), [(0, 255), (3, 3)])
async def test_output_that_is_cut_off_is_told_and_no_success(
    certificates: Certificates, tmp_path: Path, code: int, told: int
) -> None:
    async with stack(certificates, tmp_path, drain_limit=0.1) as (_, _, client):
        result = await within(client.execute("n1", f"sleep 60 & echo started; exit {code}"))
    assert (result.stdout, result.status.code) == (b"started\n", told)
    assert b"is cut off" in result.stderr


@pytest.mark.parametrize("left", ["sleep 60", "yes", "yes >&2"])
async def test_a_command_may_end_with_its_own_process(certificates: Certificates, tmp_path: Path, left: str) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        command = f"{left} & head -c 100000 /dev/zero; exit 3"
        async with await within(client.open_session("n1", command=command, leader_only=True)) as session:
            found = b"".join([chunk.data async for chunk in session])
            assert await within(session.wait()) == ExitStatus(3, None)
    assert found.count(b"\0") == 100_000


async def test_a_hub_that_cannot_end_it_so_is_told_apart(certificates: Certificates) -> None:
    async with raw_hub(certificates) as (port, _), connected_client(certificates, port) as client:
        with pytest.raises(SessionRejectedException, match="too old"):
            await within(client.open_session("n1", command="true", leader_only=True))


async def test_bytes_that_are_no_text_reach_the_program(certificates: Certificates, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xe9\xff")
    (tmp_path / odd).mkdir()
    async with stack(certificates, tmp_path / "state") as (_, _, client):
        command = f"printf '%s|' {odd} $'\\303\\251' \"$ODD\"; pwd"
        told = await within(client.execute("n1", command, env={"ODD": f"=é{odd}"}, cwd=str(tmp_path / odd)))
        apart = await within(client.open_session("n1", args=["printf", "%s", odd]))
        async with apart:
            passed = b"".join([chunk.data async for chunk in apart])
        with pytest.raises(SessionRejectedException, match=r"There is no directory '/\\xe9\\xff'"):
            await within(client.open_session("n1", command="true", cwd=f"/{odd}"))
        with pytest.raises(SessionRejectedException, match=r"There is no program '\\xe9\\xff'"):
            await within(client.open_session("n1", args=[odd]))
    where = os.fsencode(tmp_path / odd)
    assert told.stdout == b"\xe9\xff|\xc3\xa9|=\xc3\xa9\xe9\xff|" + where + b"\n"
    assert passed == b"\xe9\xff"


async def test_a_hub_that_knows_no_bytes_is_told_apart(certificates: Certificates) -> None:
    async with raw_hub(certificates) as (port, _), connected_client(certificates, port) as client:
        with pytest.raises(SessionRejectedException, match="'byte-text'"):
            await within(client.open_session("n1", command=os.fsdecode(b"cat \xe9")))


async def test_a_deadline_ends_the_command(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client):
        with pytest.raises(OmnyShellTimeoutException):
            await client.execute("n1", "sleep 60", timeout=0.2)
        await until(lambda: len(hub.sessions) == 0)


async def test_losing_the_hub_fails_what_is_pending_where_nothing_is_resumed(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        stack(certificates, tmp_path) as (hub, _, _),
        connected_client(certificates, hub.port, reconnect_timeout=0) as client,
    ):
        session = await within(client.open_session("n1", command="sleep 60"))
        waiting = asyncio.create_task(session.wait())
        await hub.stop()
        with pytest.raises(TransportException):
            await within(waiting)
        with pytest.raises(TransportException):
            await within(client.list_nodes())


async def test_who_asks_for_an_allowed_program_does_not_say_which_that_is(
    certificates: Certificates, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "ls").write_text("#!/bin/sh\necho mine\n")
    (mine / "ls").chmod(0o755)
    env = {"PATH": str(mine), "BASH_FUNC_ls%%": "() { echo mine; }", "SHELLOPTS": "xtrace", "PS4": "$(echo mine)"}
    policy = CommandPolicy((f"ls {tmp_path}", f"bash -c 'ls {tmp_path}'"))
    async with stack(certificates, tmp_path / "n", commands=policy) as (_, _, client):
        for arguments in (["ls", str(tmp_path)], ["bash", "-c", f"ls {tmp_path}"]):
            result = await within(client.execute("n1", args=arguments, env=env))
            assert (result.stdout, result.stderr) == (b"mine\nn\n", b"")


@pytest.mark.parametrize(("code", "shown"), [(0, 0), (255, 255), (256, 255), (2**31, 255), (-9, 137), (-(2**62), 255)])
def test_a_code_that_no_process_can_end_with_never_looks_like_success(code: int, shown: int) -> None:
    assert ExitStatus(code).shell_code == shown


async def test_losing_the_node_is_told_with_a_message(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        stack(certificates, tmp_path) as (hub, node, _),
        connected_client(certificates, hub.port, reconnect_timeout=0) as client,
    ):
        session = await within(client.open_session("n1", command="sleep 60"))
        node._connection.link.abort()
        with pytest.raises(NodeUnavailableException, match="n1"):
            await within(session.wait())


async def test_sessions_leave_no_descriptor_or_child(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        await within(client.execute("n1", "true"))
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(30):
            await within(client.execute("n1", "true"))
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        assert [path.read_text().strip() for path in (tmp_path / "children").iterdir()] == [""]
    assert not list((tmp_path / "children").iterdir())


async def test_a_node_that_stops_leaves_nothing_that_ignores_the_hang_up(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(
            client.open_session("n1", command="(trap '' HUP; echo $(exec sh -c 'echo $PPID'); exec sleep 60) & wait")
        )
        pid = int((await within(anext(aiter(session)))).data)
        assert is_running(pid)
    assert not is_running(pid)


@pytest.mark.parametrize(("call", "made", "mode"), [("pipe", 2, SessionMode.EXEC), ("dup", 0, SessionMode.SHELL)])
async def test_a_session_that_finds_no_descriptors_keeps_none(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, made: int, mode: SessionMode
) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        await within(client.execute("n1", "true"))
        before = len(list(Path("/proc/self/fd").iterdir()))
        outcomes = [getattr(os, call)() for _ in range(made)] + [OSError(errno.EMFILE, os.strerror(errno.EMFILE))]
        with monkeypatch.context() as patched:
            patched.setattr(os, call, Mock(side_effect=outcomes))
            pty = PtySpec() if mode is SessionMode.SHELL else None
            with pytest.raises(SessionRejectedException, match="Too many open files"):
                await within(client.open_session("n1", command="true", mode=mode, pty=pty))
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
