"""The examples do what their first lines say, with a hub, nodes and clients of this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.stack import (
    GRANTS,
    Certificates,
    access,
    connected_client,
    hub_config,
    running_node,
    within,
)

from examples import audit_sink, bot, embedded_hub, own_authenticator, run_everywhere
from omnyshell import (
    AuthException,
    ClientConfig,
    CompositeAuthenticator,
    Ed25519PrivateKey,
    HubAccess,
    HubAddress,
    OmnyShellClient,
    OmnyShellHub,
    PrincipalId,
    PublicKeyCredentialProvider,
    SystemClock,
    TokenAuthenticator,
    TokenCredentialProvider,
    TokenGrant,
    TransportException,
)

SECRET = bytes(range(32))


class MovedClock(SystemClock):
    """The machine's clock, and what a test lets pass besides."""

    passed = timedelta()

    def now(self) -> datetime:
        return super().now() + self.passed


@asynccontextmanager
async def hub_with_nodes(certificates: Certificates, state: Path, *node_ids: str) -> AsyncIterator[OmnyShellHub]:
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(OmnyShellHub(hub_config(certificates)))
        for node_id in node_ids:
            labels = {"role": "web"} if node_id.startswith("web") else {}
            node = running_node(certificates, hub.port, state / node_id, node_id, labels=labels)
            await stack.enter_async_context(node)
        yield hub


async def test_a_hub_of_ones_own_takes_the_keys_in_its_file(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    line = f"ann {key.public_key.to_base64()} admin\n"
    (tmp_path / "authorized_keys").write_text(line)
    async with embedded_hub.serving(tmp_path, "127.0.0.1", 0) as hub:
        found = HubAccess(
            address=HubAddress("127.0.0.1", hub.port),
            credentials=PublicKeyCredentialProvider(PrincipalId("ann"), key),
            ca=tmp_path / "certs" / "ca.pem",
        )
        async with OmnyShellClient(ClientConfig(access=found)) as client:
            assert client.identity.principal == "ann"
            assert embedded_hub.report(hub) == "1 connections, 0 nodes, 0 sessions"
        mallory = PublicKeyCredentialProvider(PrincipalId("ann"), Ed25519PrivateKey.generate())
        with pytest.raises(AuthException):
            await OmnyShellClient(
                ClientConfig(access=HubAccess(address=found.address, credentials=mallory, ca=found.ca))
            ).connect()


async def test_a_command_runs_on_every_node_that_is_meant_and_each_says_how_it_ended(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        hub_with_nodes(certificates, tmp_path, "web-1", "web-2", "db-1") as hub,
        connected_client(certificates, hub.port) as client,
    ):
        outcomes = await within(run_everywhere.run_everywhere(client, {"role": "web"}, "echo here; exit 3"))
        assert [outcome.node_id for outcome in outcomes] == ["web-1", "web-2"]
        assert [str(outcome) for outcome in outcomes] == [
            f"{node}: here\n{node}: exit code 3" for node in ("web-1", "web-2")
        ]
        assert not any(outcome.is_success for outcome in outcomes)
        everywhere = await within(run_everywhere.run_everywhere(client, {}, "true"))
        assert [outcome.is_success for outcome in everywhere] == [True] * 3


async def test_one_exit_code_stands_for_all_of_them(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMNYSHELL_PRINCIPAL", "admin")
    monkeypatch.setenv("OMNYSHELL_TOKEN", "admin-token")
    monkeypatch.setenv("OMNYSHELL_CA", str(certificates.ca))
    async with hub_with_nodes(certificates, tmp_path, "web-1") as hub:
        monkeypatch.setenv("OMNYSHELL_HUB", f"wss://127.0.0.1:{hub.port}")
        assert await within(run_everywhere.main(["role=web", "--", "echo", "here"])) == 0
        assert await within(run_everywhere.main(["role=web", "--", "false"])) == 1
        assert await within(run_everywhere.main(["role=none", "--", "true"])) == 1
    assert capsys.readouterr().out == "web-1: here\nweb-1: exit code 1\n"


async def test_signed_tokens_log_in_beside_others_and_their_connections_end_with_them(
    certificates: Certificates,
) -> None:
    clock = MovedClock()
    ours = own_authenticator.SignedTokenAuthenticator(SECRET, clock)
    others = TokenAuthenticator([TokenGrant.parse(grant) for grant in GRANTS])
    end = int(clock.now().timestamp()) + 60
    token = own_authenticator.make_token(SECRET, "eve", frozenset({"operator"}), end)
    async with OmnyShellHub(hub_config(certificates, authenticator=CompositeAuthenticator([others, ours]))) as hub:
        for principal, shown, is_right in (("eve", token, True), ("ann", token, False), ("eve", token[:-1], False)):
            login = HubAccess(
                address=HubAddress("127.0.0.1", hub.port),
                credentials=TokenCredentialProvider(PrincipalId(principal), shown),
                ca=certificates.ca,
            )
            client = OmnyShellClient(ClientConfig(access=login))
            if is_right:
                await client.connect()
                eve = client
                assert (client.identity.principal, set(client.identity.roles)) == ("eve", {"operator"})
            else:
                with pytest.raises(AuthException):
                    await client.connect()
        async with connected_client(certificates, hub.port) as admin:
            hub.reload(hub.config)
            await within(eve.ping())
            clock.passed = timedelta(minutes=2)
            hub.reload(hub.config)
            assert isinstance(await within(eve.wait_lost()), TransportException)
            await within(admin.ping())
        await eve.close()


async def test_people_are_told_of_a_refused_login(certificates: Certificates) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    async with audit_sink.serving(hub_config(certificates), said.put) as hub:
        async with connected_client(certificates, hub.port):
            pass
        wrong = TokenCredentialProvider(PrincipalId("ann"), "guessed")
        address = HubAddress("127.0.0.1", hub.port)
        client = OmnyShellClient(ClientConfig(access=HubAccess(address=address, credentials=wrong, ca=certificates.ca)))
        with pytest.raises(AuthException):
            await client.connect()
        assert (await within(said.get())).startswith("auth.fail · denied · ann at 127.0.0.1")


async def test_a_bot_greets_who_comes_and_says_who_leaves(certificates: Certificates, tmp_path: Path) -> None:
    said: list[str] = []
    spoken = asyncio.Condition()

    def say(text: str) -> None:
        said.append(text)
        asyncio.get_running_loop().create_task(tell())

    async def tell() -> None:
        async with spoken:
            spoken.notify_all()

    async def wait_for(text: str) -> None:
        async with asyncio.timeout(DEADLINE), spoken:
            await spoken.wait_for(lambda: text in said)

    async with hub_with_nodes(certificates, tmp_path, "db-1") as hub:
        greeter = bot.Greeter(access(certificates, hub.port, "admin"), ("role", "web"), "echo hello", say)
        running = asyncio.create_task(greeter.run())
        await wait_for("db-1 is here")
        async with running_node(certificates, hub.port, tmp_path / "web-1", "web-1", labels={"role": "web"}):
            await wait_for("web-1: exit code 0, hello")
        await wait_for("web-1 has left")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert not [line for line in said if line.startswith("db-1:")]
