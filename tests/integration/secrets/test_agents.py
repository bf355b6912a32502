"""Keys of agents at a real hub: OpenSSH's agent with the installed commands, and a hardware token made of software."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.agents import SK, HeldKey, fake_agent, needs_ssh_agent, ssh_add, ssh_agent, ssh_key
from support.commands import run_text, start_command
from support.deadline import DEADLINE
from support.passing import passes
from support.raw_admin import b64, dialled, fields, proof_request, spki_hash
from support.raw_peer import stranger
from support.stack import GRANTS, Certificates, hub_config, until, within

from omnyshell import (
    AuthException,
    AuthorizedKeysStore,
    ClientConfig,
    CompositeAuthenticator,
    HubAccess,
    HubAddress,
    OmnyShellClient,
    OmnyShellHub,
    PrincipalId,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
    TransportException,
)
from omnyshell.security.agent.agent import SOCKET_VARIABLE
from omnyshell.security.authorized_keys import parse_authorized_keys
from omnyshell.security.login_limit import LoginLimit
from omnyshell.security.public_keys import public_key_of_ssh
from omnyshell.services.client.agent_login import AgentCredentialProvider
from omnyshell.services.dial import LoginWait


@asynccontextmanager
async def hub_with(certificates: Certificates, lines: str, **changes: Any) -> AsyncIterator[OmnyShellHub]:
    """A hub with these lines in its `authorized_keys`, and an administrator by a token."""
    members = [
        TokenAuthenticator([TokenGrant.parse(grant) for grant in GRANTS]),
        PublicKeyAuthenticator(AuthorizedKeysStore(parse_authorized_keys(lines))),
    ]
    async with OmnyShellHub(hub_config(certificates, authenticator=CompositeAuthenticator(members), **changes)) as hub:
        yield hub


class Commands:
    """Runs commands beside the loop that serves the hub."""

    def __init__(self, certificates: Certificates, port: int, env: dict[str, str]) -> None:
        self._access = ["--hub", f"wss://127.0.0.1:{port}", "--ca", str(certificates.ca)]
        self._env = env

    async def run(self, *words: str, as_: str = "ann", key: str = "") -> tuple[int, str, str]:
        who = ["--principal", as_, "--key", key] if key else []
        return await self.ran(*words, *self._access, *who)

    async def ran(self, *words: str, **more: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(run_text, *words, env=self._env | more)
        return done.returncode, done.stdout, done.stderr


@needs_ssh_agent
async def test_openssh_agent_from_login_to_a_key_that_is_gone(certificates: Certificates, tmp_path: Path) -> None:
    """Takes more than a second, as each of its sentences is one of a command."""
    one = ssh_key(tmp_path / "one", "ann@laptop")
    desk = ssh_key(tmp_path / "other", "ann@desk")
    line = f"ann {' '.join(one.split()[:2])} admin"
    with ssh_agent(tmp_path) as env:
        env["OMNYSHELL_HOME"] = str(tmp_path / "home")
        async with hub_with(certificates, line) as hub:
            commands = Commands(certificates, hub.port, env)
            whoami = "whoami"
            assert "holds no key: `ssh-add`" in (await commands.run(whoami, key="agent"))[2]
            ssh_add(env, str(tmp_path / "one"))
            assert (await commands.run(whoami, key="agent"))[:2] == (
                0, f"ann (roles: admin) at wss://127.0.0.1:{hub.port}\n",
            )  # fmt: skip
            ssh_add(env, str(tmp_path / "other"))
            told = (await commands.run(whoami, key="agent"))[2]
            assert told.strip() == (
                "omnyshell: the agent holds several keys: 'ann@laptop', 'ann@desk'; --key agent:COMMENT names one"
            )
            assert "no Ed25519 key 'bob'; it holds 'ann@laptop'" in (await commands.run(whoami, key="agent:bob"))[2]
            told = (await commands.run(whoami, key="agent:ann@desk"))[2]
            offered = public_key_of_ssh(desk)
            assert offered is not None
            assert "Authentication failed" in told
            assert f"an admin adds: `omnyshell keys add ann {offered.to_base64()}`" in told
            assert (await commands.run("login", key="agent:ann@laptop"))[0] == 0
            saved = json.loads((await commands.ran("login", "--list", "--json"))[1])[0]
            assert saved["key"] == "agent:ann@laptop"
            assert saved["keyFingerprint"].startswith("SHA256:")
            assert (await commands.ran(whoami))[0] == 0
            assert (await commands.ran("login", "--check"))[0] == 0
            # The saved login goes by the key: another one with its comment is not asked for.
            ssh_add(env, "-D")
            renamed = ssh_key(tmp_path / "third", "ann@laptop")
            assert renamed != one
            ssh_add(env, str(tmp_path / "third"))
            told = (await commands.ran(whoami))[2]
            assert f"does not hold the key 'ann@laptop' of this login, {saved['keyFingerprint']}" in told
            agent_reader, agent_writer = await asyncio.open_unix_connection(env["SSH_AUTH_SOCK"])
            agent_writer.write(fields(b"\x16" + fields(b"secret")))
            assert await agent_reader.readexactly(5) == fields(b"\x06")
            agent_writer.close()
            assert "if it is locked, `ssh-add -X` unlocks it" in (await commands.ran(whoami))[2]
            assert "an invite enrols a key" in (await commands.run("login", "--join", "x", key="agent"))[2]
            assert "no agent answers at" in (await commands.ran(whoami, SSH_AUTH_SOCK=str(tmp_path / "nobody")))[2]
            assert "SSH_AUTH_SOCK is not set" in (await commands.ran(whoami, SSH_AUTH_SOCK=""))[2]
            node = ("node", "start", "--id", "n1", "--state-dir", str(tmp_path / "node"))
            assert "a node logs in by itself" in (await commands.run(*node, key="agent"))[2]


def provider(told: list[str], principal: str = "ann") -> AgentCredentialProvider:
    return AgentCredentialProvider(PrincipalId(principal), "agent", "", LoginWait(told.append))


def access(certificates: Certificates, port: int, credentials: AgentCredentialProvider) -> HubAccess:
    return HubAccess(address=HubAddress("127.0.0.1", port), credentials=credentials, ca=certificates.ca)


async def roles_of(certificates: Certificates, hub: OmnyShellHub, principal: str = "ann") -> tuple[str, ...]:
    """The roles that a login by the agent gives."""
    config = ClientConfig(access=access(certificates, hub.port, provider([], principal)), reconnect_timeout=0)
    async with OmnyShellClient(config) as client:
        return client.identity.roles


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(SOCKET_VARIABLE, str(tmp_path / "agent"))
    return tmp_path / "agent"


def reasons(hub: OmnyShellHub) -> list[str]:
    return [record.reason for record in hub.audit if record.action == "auth.fail"]


async def test_a_hardware_token_logs_in_where_it_was_touched_and_verified(
    certificates: Certificates, place: Path
) -> None:
    held = HeldKey()
    key = " ".join(held.line().split()[:2])
    lines = f"ann {key} admin\nbob verify-required {key} developer\n"
    async with fake_agent(place, held), hub_with(certificates, lines) as hub:
        assert await roles_of(certificates, hub) == ("admin",)
        for principal, flags, is_taken in (("ann", 5, True), ("ann", 4, False), ("ann", 0, False),
                                           ("bob", 1, False), ("bob", 4, False), ("bob", 5, True)):  # fmt: skip
            held.flags = flags
            if is_taken:
                assert await roles_of(certificates, hub, principal)
            else:
                with pytest.raises(AuthException):
                    await roles_of(certificates, hub, principal)
        assert reasons(hub) == ["wrong credential"] * 4
    held.flags = 1
    async with fake_agent(place, held), hub_with(certificates, lines, verify_required=True) as hub:
        with pytest.raises(AuthException):
            await roles_of(certificates, hub)
        assert reasons(hub) == ["the hardware key did not verify its owner, and verify-required is set"]
        held.flags = 5
        assert await roles_of(certificates, hub) == ("admin",)
        # Who is connected by a touch alone leaves when more is asked for, and who has given more stays.
        hub.reload(replace(hub.config, verify_required=False))
        more, less = (
            OmnyShellClient(ClientConfig(access=access(certificates, hub.port, provider([])), reconnect_timeout=0))
            for _ in range(2)
        )
        await more.connect()
        held.flags = 1
        await less.connect()
        hub.reload(replace(hub.config, verify_required=True))
        async with asyncio.timeout(DEADLINE):
            await less.wait_lost()
        await more.ping()
        for client in (more, less):
            await client.close()


async def test_a_counter_that_goes_back_is_told_and_remembered(
    certificates: Certificates, place: Path, tmp_path: Path
) -> None:
    held = HeldKey(counter=7)
    line = f"ann {held.line()}"
    for counters in ((7, 8), (9, 9, 3), (4, 0)):
        async with fake_agent(place, held), hub_with(certificates, line, state_dir=tmp_path / "state") as hub:
            for held.counter in counters:
                await roles_of(certificates, hub)
            told = [record.detail.partition(",")[0] for record in hub.audit if record.action == "auth.counter"]
    assert told == ["counter 9 after 9", "counter 3 after 9", "counter 0 after 4"]
    # A token that does not count says 0 for ever.
    silent = HeldKey(counter=0)
    async with fake_agent(place, silent), hub_with(certificates, f"ann {silent.line()}") as hub:
        for _ in range(2):
            silent.counter = 0
            await roles_of(certificates, hub)
        assert not [record for record in hub.audit if record.action == "auth.counter"]


async def test_no_other_request_is_a_tokens(certificates: Certificates) -> None:
    held, plain = HeldKey(), HeldKey(application="")
    lines = f"ann {held.line().rsplit(' ', 1)[0]}\nbob {plain.line().rsplit(' ', 1)[0]}\n"

    async def answer(principal: str, key: HeldKey, sent: dict[str, Any]) -> str:
        async with stranger(certificates, hub.port) as peer:
            request = proof_request(peer, "client", principal, key.private, 2, {})
            if key is held:
                host, port = dialled(peer)
                nonce = peer.hub_hello["d"]["nonce"].encode()
                parts = (nonce, spki_hash(peer), b"client", principal.encode(), host.encode(), str(port).encode())
                flags, counter = held.flags, held.counter
                blob = held.sign(fields(b"omnyshell:auth-bind:v2", *parts))
                signature = blob[1 + 4 + 4 + len(SK) + 4 :][:64]
                token = {"application": "ssh:", "flags": flags, "counter": counter}
                request |= {"signature": b64(signature), **token}
            await peer.greet("client")
            await peer.say("auth.request", {name: value for name, value in (request | sent).items() if value != ""})
            return str((await peer.hear())["t"])

    async with hub_with(certificates, lines, login_limit=LoginLimit.parse("0")) as hub:
        assert await answer("ann", held, {}) == "auth.ok"
        assert await answer("bob", plain, {}) == "auth.ok"
        wrong: list[tuple[str, HeldKey, dict[str, Any]]] = [
            ("ann", held, {"application": "ssh:other"}),
            ("ann", held, {"application": "ssh:\n"}),
            ("ann", held, {"application": "x" * 256}),
            ("ann", held, {"flags": 5}),
            ("ann", held, {"flags": 257}),
            ("ann", held, {"flags": -1}),
            ("ann", held, {"counter": 99}),
            ("ann", held, {"counter": 2**32}),
            *(("ann", held, {name: ""}) for name in ("application", "flags", "counter")),
            ("ann", held, {"host": "", "port": ""}),
            ("ann", held, {"port": 1}),
            ("ann", held, {"binding": "A" * 86}),
            # The same 32 bytes as a plain key, and a plain key as a token's.
            ("ann", held, {"application": "", "flags": "", "counter": ""}),
            ("bob", plain, {"application": "ssh:", "flags": 1, "counter": 1}),
            ("bob", held, {}),
        ]
        for case in wrong:
            assert await answer(*case) == "auth.fail", case


async def test_a_tokens_key_is_enrolled_by_its_public_line(
    certificates: Certificates, place: Path, tmp_path: Path
) -> None:
    held = HeldKey("eve's token")
    env = os.environ | {"OMNYSHELL_HOME": str(tmp_path / "home"), "OMNYSHELL_TOKEN": "admin-token"}
    env["OMNYSHELL_PRINCIPAL"] = "admin"
    async with fake_agent(place, held), hub_with(certificates, "", state_dir=tmp_path / "state") as hub:
        commands = Commands(certificates, hub.port, env)
        await commands.run("users", "add", "eve", "--role", "developer")
        assert await commands.run("keys", "add", "eve", held.line()) == (0, "eve may log in with this key\n", "")
        assert "has this key already" in (await commands.run("keys", "add", "eve", held.line()))[2]
        assert await roles_of(certificates, hub, "eve") == ("developer",)
        listed = json.loads((await commands.run("users", "list", "--json"))[1])
        (eve,) = [each for each in listed if each["principal"] == "eve"]
        (key,) = eve["credentials"]
        assert (key["kind"], key["application"], key["publicKey"]) == ("key", "ssh:", b64(held.raw))
        detail = next(record.detail for record in hub.audit if record.action == "key.add")
        assert "SHA256:" in detail
    async with fake_agent(place, held), hub_with(certificates, "", state_dir=tmp_path / "state") as hub:
        assert await roles_of(certificates, hub, "eve") == ("developer",)
        config = ClientConfig(access=access(certificates, hub.port, provider([], "eve")), reconnect_timeout=0)
        async with OmnyShellClient(config) as client:
            commands = Commands(certificates, hub.port, env)
            assert (await commands.run("keys", "revoke", "eve", key["id"]))[0] == 0
            async with asyncio.timeout(DEADLINE):
                await client.wait_lost()
        with pytest.raises(AuthException):
            await roles_of(certificates, hub, "eve")


async def test_a_reconnect_says_that_it_waits_for_a_touch(certificates: Certificates, place: Path) -> None:
    held = HeldKey()
    told: list[str] = []
    line = f"ann {held.line()}"
    async with fake_agent(place, held) as agent:
        async with hub_with(certificates, line) as hub:
            port = hub.port
            client = OmnyShellClient(ClientConfig(access=access(certificates, port, provider(told))))
            await client.connect()
            agent.touched.clear()
            agent.asked_for_touch.clear()
        async with hub_with(certificates, line, port=port):
            async with asyncio.timeout(DEADLINE):
                await agent.asked_for_touch.wait()
            assert told == ["touch the key 'token' to log in"] * 2
            assert not client.is_connected
            agent.touched.set()
            await until(lambda: client.is_connected)
            assert len(agent.signed) == 2
            await client.close()


async def test_the_time_for_a_touch_is_not_the_hubs_and_has_an_end(certificates: Certificates, place: Path) -> None:
    held = HeldKey()
    async with fake_agent(place, held) as agent:
        agent.touched.clear()
        # Less time to answer than the touch takes; and a hub that does not wait for it.
        async with hub_with(certificates, f"ann {held.line()}", login_timeout=5.0) as hub:
            config = ClientConfig(access=access(certificates, hub.port, provider([])), reconnect_timeout=0)
            connecting = asyncio.create_task(OmnyShellClient(config).connect())
            await within(agent.asked_for_touch.wait())
            await passes(5.0)
            with pytest.raises(TransportException, match="the hub waited no longer for the signature"):
                await within(connecting)


async def test_who_waits_for_a_touch_can_leave_by_ctrl_c(certificates: Certificates, place: Path) -> None:
    held = HeldKey()
    async with fake_agent(place, held) as agent, hub_with(certificates, f"ann {held.line()}") as hub:
        agent.touched.clear()
        words = ["whoami", "--hub", f"wss://127.0.0.1:{hub.port}", "--ca", str(certificates.ca)]
        pipe = subprocess.PIPE
        process = start_command(*words, "--principal", "ann", "--key", "agent", stdout=pipe, stderr=pipe)
        async with asyncio.timeout(DEADLINE):
            await agent.asked_for_touch.wait()
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.to_thread(process.communicate, timeout=DEADLINE)
        assert (process.returncode, said.decode()) == (130, "omnyshell: touch the key 'token' to log in\n")
