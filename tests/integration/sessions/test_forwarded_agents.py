"""An agent of the client, asked by programs at a node."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support.agents import HeldKey, fake_agent, needs_ssh_agent, ssh_add, ssh_agent, ssh_key
from support.commands import run_text
from support.deadline import DEADLINE
from support.hub_process import hub_process
from support.raw_admin import ADMIN, ask, fields
from support.raw_peer import logged_in
from support.stack import Certificates, connected_client, hub_config, running_node, stack, until, within

from omnyshell import OmnyShellClient, OmnyShellHub, OmnyShellNode, SessionRejectedException
from omnyshell.protocol.extensions import AGENT, OF_NODE
from omnyshell.security.agent.agent import SOCKET_VARIABLE, AgentException
from omnyshell.services.client.agent_forwarding import forwarded_agent
from omnyshell.services.node import node as node_module
from omnyshell.services.node.config import Keeping
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.transport.backoff import Backoff, BackoffTimes

LABELS = {"allow-roles": "developer"}
FAILED, LISTED = b"\x05", b"\x0b"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(SOCKET_VARIABLE, str(tmp_path / "agent"))
    return tmp_path / "agent"


class Program:
    """A program at the node, which asks what its environment names."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, body: bytes) -> bytes:
        self.writer.write(fields(body))
        return await self.answer()

    async def answer(self) -> bytes:
        """The next answer; b"" at the end of the connection."""
        try:
            async with asyncio.timeout(DEADLINE):
                return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4), "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@asynccontextmanager
async def program(path: str) -> AsyncIterator[Program]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield Program(reader, writer)
    finally:
        writer.close()


@needs_ssh_agent
async def test_openssh_tools_at_the_node_use_the_agent_of_the_command_line(
    certificates: Certificates, tmp_path: Path
) -> None:
    public = ssh_key(tmp_path / "id", "ann@laptop")
    with ssh_agent(tmp_path) as env:
        ssh_add(env, str(tmp_path / "id"))
        (tmp_path / "id").unlink()
        async with stack(certificates, tmp_path / "state", allow_agent=True) as (hub, _, _):
            access = ["--hub", f"wss://127.0.0.1:{hub.port}", "--ca", str(certificates.ca), "--principal", "admin"]
            env |= {"OMNYSHELL_HOME": str(tmp_path / "home"), "OMNYSHELL_TOKEN": "admin-token"}

            async def run(*words: str) -> tuple[int, str]:
                done = await asyncio.to_thread(run_text, words[0], *access, *words[1:], env=env)
                return done.returncode, done.stdout + done.stderr

            # Its keys are used, and can be neither removed nor locked.
            line = (
                "ssh-add -L; ssh-add -qD 2>/dev/null || echo refused; ls -ld $(dirname $SSH_AUTH_SOCK) | cut -c1-10;"
                f" echo text | ssh-keygen -q -Y sign -n x -f {tmp_path}/id.pub | head -1"
            )
            code, said = await run("exec", "-A", "n1", line)
            assert (code, said.splitlines()) == (
                0, [public, "refused", "drwx------", "-----BEGIN SSH SIGNATURE-----"],
            )  # fmt: skip
            assert "ann@laptop" not in (await run("exec", "n1", "ssh-add -L"))[1]
            shown = await run("connect", "-A", "n1", "--", "ssh-add -L")
            assert public in shown[1].replace("\r", "")
            env["SSH_AUTH_SOCK"] = ""
            assert "SSH_AUTH_SOCK is not set" in (await run("exec", "-A", "n1", "true"))[1]


async def test_only_what_signing_takes_reaches_the_agent_and_each_connection_has_its_own(
    certificates: Certificates, tmp_path: Path, place: Path
) -> None:
    held, seen = HeldKey("laptop", ""), []

    def note(body: bytes) -> bytes | None:
        seen.append(body)
        return fields(b"\x06") if body[0] == 27 else None

    async with fake_agent(place, held) as agent, stack(certificates, tmp_path, allow_agent=True) as (hub, _, client):
        agent.says = note
        async with forwarded_agent(client, "n1", "") as env, program(env[SOCKET_VARIABLE]) as asks:
            assert held.comment.encode() in await asks.ask(LISTED)
            signed = await asks.ask(b"\x0d" + fields(held.blob, b"text") + bytes(4))
            assert signed == held.sign(b"text")
            bind = b"\x1b" + fields(b"session-bind@openssh.com", b"key")
            assert await asks.ask(bind) == b"\x06"
            others = [bytes([kind]) for kind in range(256) if kind not in (11, 13, 27)]
            others += [b"\x1b" + fields(b"restrict-destination-v00@openssh.com"), b"\x1b", b"\x1b\xff\xff\xff\xff"]
            for body in others:
                assert await asks.ask(body) == FAILED, body
            assert [body[0] for body in seen] == [11, 13, 27]
            # Several requests at once are answered in their order, and a large one is one.
            large = b"\x0d" + fields(held.blob, os.urandom(200_000)) + bytes(4)
            asks.writer.write(fields(LISTED) + fields(b"\x13") + fields(large) + fields(LISTED))
            kinds = [(await asks.answer())[0] for _ in range(4)]
            assert kinds == [12, 5, 14, 12]
            async with program(env[SOCKET_VARIABLE]) as other:
                await other.ask(LISTED)
                # One at the client for each at the node, as an agent tells them apart.
                assert agent.connections == 2
            await until(lambda: agent.connections == 1)
        await until(lambda: any(record.action == "session.close" for record in hub.audit))
        begun, ended = (record for record in hub.audit if record.session_id)
        assert begun.action == "agent.open"
        assert ended.detail.startswith("agent ")
        assert ended.detail.endswith(" out")


async def test_what_is_no_request_or_one_too_many_ends_its_connection_alone(
    certificates: Certificates, tmp_path: Path, place: Path
) -> None:
    async with (
        fake_agent(place, HeldKey()),
        stack(certificates, tmp_path, allow_agent=True) as (_, _, client),
        forwarded_agent(client, "n1", "") as env,
    ):
        path = env[SOCKET_VARIABLE]
        async with program(path) as asks:
            for wrong in (bytes(4), b"\xff\xff\xff\xff", (256 * 1024 + 1).to_bytes(4, "big")):
                async with program(path) as wrongs:
                    wrongs.writer.write(wrong)
                    assert await wrongs.answer() == b""
            others = [await asyncio.open_unix_connection(path) for _ in range(15)]
            async with program(path) as refused:
                assert await refused.answer() == b""
            for _, writer in others:
                writer.close()
            # Who asks and goes leaves nothing.
            for _ in range(20):
                async with program(path) as hasty:
                    hasty.writer.write(fields(LISTED))
            assert (await asks.ask(LISTED))[0] == 12


async def test_an_agent_that_is_gone_or_silent_fails_what_is_asked(
    certificates: Certificates, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stack(certificates, tmp_path, allow_agent=True) as (_, _, client):
        with pytest.raises(AgentException, match="no agent answers at"):
            async with forwarded_agent(client, "n1", ""):
                pass
        async with fake_agent(place, HeldKey()) as agent, forwarded_agent(client, "n1", "") as env:
            with monkeypatch.context() as patch:
                patch.setattr("omnyshell.services.client.agent_forwarding.SIGN_TIMEOUT", 0.05)
                for says in (lambda _body: b"", lambda _body: b"\xff\xff\xff\xff"):
                    agent.says = says
                    async with program(env[SOCKET_VARIABLE]) as asks:
                        assert await asks.ask(LISTED) == FAILED
                        assert await asks.answer() == b""
            place.unlink()
            async with program(env[SOCKET_VARIABLE]) as asks:
                assert await asks.ask(LISTED) == FAILED


@pytest.mark.parametrize(
    ("settings", "why", "code"),
    [
        ({}, "lets nobody forward an agent", "forbidden"),
        (
            {"allow_agent": True, "commands": CommandPolicy(("/usr/bin/id",))},
            "nobody brings an agent along",
            "not_authorized",
        ),
    ],
)
async def test_a_node_lets_nobody_unless_it_says_so(
    certificates: Certificates, tmp_path: Path, place: Path, settings: dict[str, object], why: str, code: str
) -> None:
    async with fake_agent(place, HeldKey()), stack(certificates, tmp_path, **settings) as (_, _, client):
        with pytest.raises(SessionRejectedException, match=why) as refused:
            async with forwarded_agent(client, "n1", ""):
                pass
        assert refused.value.code == code
        (node,) = await within(client.list_nodes())
        assert AGENT not in node.capabilities.features


async def test_a_node_that_is_too_old_is_refused(
    certificates: Certificates, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "OF_NODE", OF_NODE - {AGENT})
    async with fake_agent(place, HeldKey()), stack(certificates, tmp_path, allow_agent=True) as (_, _, client):
        with pytest.raises(SessionRejectedException, match="too old for forwarding an agent"):
            async with forwarded_agent(client, "n1", ""):
                pass


class Scene(NamedTuple):
    """All that a forwarded agent hangs on."""

    certificates: Certificates
    hub: OmnyShellHub
    node: OmnyShellNode
    client: OmnyShellClient


async def leave(_scene: Scene) -> None:
    """End it, as the command does that is left or whose session is detached."""


async def lose(scene: Scene) -> None:
    await scene.client.close()


async def stop(scene: Scene) -> None:
    scene.node.stop()


async def lock(scene: Scene) -> None:
    async with logged_in(scene.certificates, scene.hub.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.lock.add", kind="principal", name="dev"))["ok"]


@pytest.mark.parametrize("ends", [leave, lose, stop, lock])
async def test_nothing_is_left_of_it(
    certificates: Certificates, tmp_path: Path, place: Path, ends: Callable[[Scene], Awaitable[None]]
) -> None:
    keeping = Keeping(exec_timeout=0.1)
    async with (
        fake_agent(place, HeldKey()) as agent,
        OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub")) as hub,
        running_node(certificates, hub.port, tmp_path / "n", keeping=keeping, labels=LABELS, allow_agent=True) as node,
        connected_client(certificates, hub.port, "dev", reconnect_timeout=0) as client,
    ):
        async with forwarded_agent(client, "n1", "") as env:
            directory = Path(env[SOCKET_VARIABLE]).parent
            async with program(env[SOCKET_VARIABLE]) as asks:
                assert (await asks.ask(LISTED))[0] == 12
                await ends(Scene(certificates, hub, node, client))
                if ends is not leave:
                    await until(lambda: not directory.exists())
                    assert await asks.answer() == b""
        await until(lambda: not directory.exists() and not agent.connections)


async def test_it_goes_on_over_a_hub_that_is_killed_and_started_anew(
    certificates: Certificates, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = BackoffTimes(0.05, 0.2, 0.2)
    monkeypatch.setattr("omnyshell.services.node.node.Backoff", lambda: Backoff(times=times))
    async with (
        fake_agent(place, HeldKey()),
        hub_process(certificates, tmp_path / "hub") as hub,
        running_node(certificates, hub.port, tmp_path / "node", allow_agent=True),
        connected_client(certificates, hub.port) as client,
        forwarded_agent(client, "n1", "") as env,
        program(env[SOCKET_VARIABLE]) as asks,
    ):
        assert (await asks.ask(LISTED))[0] == 12
        hub.kill()
        asks.writer.write(fields(LISTED))
        await hub.start()
        assert (await asks.answer())[0] == 12
