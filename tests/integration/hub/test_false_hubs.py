"""Our client and our node at a hub that is none: what they sign for it, which is all that it can use elsewhere."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from support.false_hubs import NONCE, FalseHub, false_hub, tls_relay
from support.stack import Certificates, hub_config, until, within

from omnyshell import (
    AuthorizedKeysStore,
    AuthRequest,
    CertGenerator,
    ClientConfig,
    ConfigException,
    Ed25519PrivateKey,
    HubAccess,
    HubAddress,
    NodeConfig,
    OmnyShellClient,
    OmnyShellException,
    OmnyShellHub,
    OmnyShellNode,
    PrincipalId,
    PublicKeyAuthenticator,
    PublicKeyCredentialProvider,
)
from omnyshell.security.authorized_keys import parse_authorized_keys
from omnyshell.services.binding import Binding
from omnyshell.services.bound_hubs import BoundHubs
from omnyshell.services.join import join

KEY = Ed25519PrivateKey.generate()
ANNOUNCED = {"nothing": (), "the first": ("auth-bind",), "both": ("auth-bind", "auth-bind-2")}


def access(certificates: Certificates, port: int, host: str = "127.0.0.1", **binding: Any) -> HubAccess:
    return HubAccess(
        address=HubAddress(host, port),
        credentials=PublicKeyCredentialProvider(PrincipalId("ann"), KEY),
        ca=certificates.ca,
        binding=Binding(**binding),
    )


def key_config(certificates: Certificates, **changes: Any) -> Any:
    keys = parse_authorized_keys(f"ann {KEY.public_key.to_base64()} admin\n")
    return hub_config(certificates, authenticator=PublicKeyAuthenticator(AuthorizedKeysStore(keys)), **changes)


async def log_in(access: HubAccess) -> None:
    async with OmnyShellClient(ClientConfig(access=access, reconnect_timeout=0)):
        pass


@pytest.mark.parametrize("announced", ANNOUNCED)
@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("old", [False, True])
async def test_a_false_hub_gets_what_is_bound_to_it_or_what_the_user_allowed(
    certificates: Certificates, announced: str, allowed: bool, old: bool
) -> None:
    is_bound = announced == "both"
    may_sign = is_bound or allowed or (old and announced == "the first")
    async with false_hub(certificates, ANNOUNCED[announced]) as hub:
        there = access(certificates, hub.port, allow_unbound=allowed, is_old_friend=old)
        if may_sign:
            await log_in(there)
        else:
            with pytest.raises(ConfigException, match="Nothing was signed"):
                await log_in(there)
        assert len(hub.signatures()) == (0 if not may_sign else 2 if announced == "the first" else 1)
        said = [message["d"] for message in hub.heard if message["t"] == "auth.request"]
        assert [("host" in one, "binding" in one) for one in said] == (
            [(is_bound, announced == "the first")] if may_sign else []
        )
        # Whatever it got: it is nothing to the real hub, which takes no unbound proof of ann.
        for one in said:
            assert await shown_to(certificates, one) == "auth.fail"


async def shown_to(certificates: Certificates, request: dict[str, Any]) -> str:
    """What a hub with another key answers to a request that it is shown, with the same nonce."""
    from omnyshell.protocol.messages import AuthRequest as Message
    from omnyshell.security.credentials import LoginContext
    from omnyshell.services.hub.peers.login_gate import LoginRefusal

    async with OmnyShellHub(key_config(certificates)) as hub:
        context = LoginContext(NONCE, "client", bytes(32))
        verdict = hub._services.gate.judge(Message.from_wire(request), context, "192.0.2.1")
        stripped = {name: value for name, value in request.items() if name not in ("binding", "host", "port")}
        without = hub._services.gate.judge(Message.from_wire(stripped), context, "192.0.2.1")
    return "auth.fail" if verdict is without is LoginRefusal.WRONG else "auth.ok"


@pytest.mark.parametrize("announced", ["nothing", "the first"])
@pytest.mark.parametrize("nonce", ["SSH-2.0-OpenSSH_9.6", "\x00\x00\x00\x16omnyshell:auth-bind:v2", NONCE + "=", ""])
async def test_a_hub_that_wants_something_else_signed_gets_nothing(
    certificates: Certificates, announced: str, nonce: str
) -> None:
    async with false_hub(certificates, ANNOUNCED[announced], nonce) as hub:
        with pytest.raises(OmnyShellException):
            await log_in(access(certificates, hub.port, allow_unbound=True, is_old_friend=True))
        assert hub.heard == []


@pytest.mark.parametrize("later", ["nothing", "the first"])
@pytest.mark.parametrize("on_disk", [False, True])
async def test_who_announced_it_once_gets_nothing_weaker_ever(
    certificates: Certificates, tmp_path: Path, later: str, on_disk: bool
) -> None:
    memory = BoundHubs(tmp_path / "hubs" if on_disk else None)
    async with false_hub(certificates, ANNOUNCED["both"]) as hub:
        there = access(certificates, hub.port, allow_unbound=True, is_old_friend=True, hubs=memory)
        await log_in(there)
        hub.features, before = ANNOUNCED[later], len(hub.heard)
        if on_disk:
            there = replace(there, binding=structs.replace(there.binding, hubs=BoundHubs(tmp_path / "hubs")))
        with pytest.raises(ConfigException, match="took bound logins before"):
            await log_in(there)
        assert len(hub.heard) == before


async def test_a_relay_between_gets_a_proof_for_its_own_certificate(certificates: Certificates, tmp_path: Path) -> None:
    """Whoever has another certificate that the user trusts for the name hands on what it is shown: to no avail."""
    other = CertGenerator().generate(tmp_path, ["localhost", "127.0.0.1"])
    relay = Certificates(other.ca_pem_path, other.hub_pem_path, other.hub_key_path)
    async with (
        OmnyShellHub(key_config(certificates)) as hub,
        tls_relay(relay, hub.port, trusted=certificates.ca) as port,
    ):
        with pytest.raises(OmnyShellException, match="Authentication failed"):
            await log_in(access(relay, port))
        # A proxy that is the user's own is named by the certificate of the hub behind it.
        await log_in(access(relay, port, certificate=certificates.cert))
        with pytest.raises(ConfigException, match="cannot read"):
            await log_in(access(relay, port, certificate=tmp_path / "none.pem"))


async def test_what_was_dialled_is_what_the_user_wrote_in_lower_case(certificates: Certificates) -> None:
    for host in ("localhost", "LOCALHOST", "127.0.0.1"):
        async with false_hub(certificates, ANNOUNCED["both"]) as hub:
            await log_in(access(certificates, hub.port, host))
            said = hub.heard[-1]["d"]
            assert (said["host"], said["port"]) == (host.lower(), hub.port)


async def test_a_provider_of_ones_own_that_does_less_is_not_sent(certificates: Certificates) -> None:
    class Old:
        principal = PrincipalId("ann")

        def auth_request(self, context: Any, *, bind: bool) -> AuthRequest:
            real = PublicKeyCredentialProvider(self.principal, KEY)
            return real.auth_request(structs.replace(context, host="", port=0), bind=bind)

    async with false_hub(certificates, ANNOUNCED["both"]) as hub:
        with pytest.raises(ConfigException, match="credential provider"):
            await log_in(replace(access(certificates, hub.port), credentials=Old()))
        assert hub.heard == []


@pytest.mark.parametrize("was_bound", [False, True])
async def test_an_invites_token_is_not_shown_to_a_hub_that_knew_better_before(
    certificates: Certificates, was_bound: bool
) -> None:
    async with false_hub(certificates, ("admin", "auth-bind")) as hub:
        address, hubs = HubAddress("127.0.0.1", hub.port), BoundHubs()
        if was_bound:
            hubs.assume(address)
        binding = Binding(hubs=hubs, allow_unbound=True)
        joining = asyncio.ensure_future(
            join(address, certificates.ca, role="client", token="t", key=KEY, binding=binding)
        )
        if was_bound:
            with pytest.raises(ConfigException, match="Nothing was signed"):
                await within(joining)
        else:
            await until(lambda: len(hub.heard) == 2)
            joining.cancel()
            await asyncio.wait([joining])
        asked = [said["d"] for said in hub.heard if said["t"] == "join.request"]
        assert [sorted(one) for one in asked] == ([] if was_bound else [["publicKey", "signature", "token"]])


# The node


async def run_node(there: HubAccess, state: Path) -> None:
    """Run a node until it is registered."""
    node = OmnyShellNode(NodeConfig(node_id="n1", access=there, state_dir=state, run_as_node_user=True))
    running = asyncio.create_task(node.run())
    registered = asyncio.create_task(node.registered.wait())
    await within(asyncio.wait({running, registered}, return_when=asyncio.FIRST_COMPLETED))
    registered.cancel()
    node.stop()
    await within(running)


def from_before(state: Path) -> Path:
    """A state directory as version 0.1 left it."""
    state.mkdir()
    uid = '{"uid": "nod_x", "computedAt": "2026-01-02T03:04:05.678Z"}'
    (state / "uid-node-n1.json").write_text(uid)
    (state / "uid-node-n1.json").chmod(0o600)
    return state


async def refused(hub: FalseHub, there: HubAccess, state: Path) -> None:
    before = len(hub.heard)
    with pytest.raises(ConfigException, match="Nothing was signed"):
        await run_node(there, state)
    assert len(hub.heard) == before


async def test_a_node_that_is_new_signs_nothing_for_a_hub_that_cannot_bind(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with false_hub(certificates, ANNOUNCED["the first"]) as hub:
        there = access(certificates, hub.port)
        allowed = access(certificates, hub.port, allow_unbound=True)
        await refused(hub, there, tmp_path)
        await run_node(allowed, tmp_path)
        # What the first run left makes it no older.
        await refused(hub, there, tmp_path)
        hub.features = ()
        await refused(hub, there, tmp_path)
        await run_node(allowed, tmp_path)


async def test_a_nodes_state_from_before_lets_it_go_on_until_its_hub_is_newer(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with false_hub(certificates, ANNOUNCED["the first"]) as hub:
        there, state = access(certificates, hub.port), from_before(tmp_path / "state")
        await run_node(there, state)
        await run_node(there, state)
        hub.features = ()
        await refused(hub, there, state)
        hub.features = ANNOUNCED["both"]
        await run_node(there, state)
        for hub.features in (ANNOUNCED["the first"], ()):
            await refused(hub, access(certificates, hub.port, allow_unbound=True), state)


async def test_a_service_outlives_a_false_hub_in_its_hubs_place(certificates: Certificates, tmp_path: Path) -> None:
    async with false_hub(certificates) as hub:
        config = NodeConfig(
            node_id="n1",
            access=access(certificates, hub.port),
            state_dir=tmp_path / "state",
            is_service=True,
            run_as_node_user=True,
        )
        node = OmnyShellNode(config)
        running = asyncio.create_task(node.run())
        await until(lambda: hub.connections > 0)
        hub.features = ANNOUNCED["both"]
        node.dial_now()
        await within(node.registered.wait())
        assert len(hub.signatures()) == 1
        hub.features = ()
        hub.drop_all()
        await until(lambda: hub.connections > 2)
        assert not running.done()
        assert len(hub.signatures()) == 1
        node.stop()
        await within(running)


async def test_what_is_refused_right_behind_a_login_ends_nothing(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with false_hub(certificates, ["auth-bind-2"]) as hub:
        hub.behind_login = {"t": "session.opened", "c": 1, "d": {"sessionId": "../..", "nodeId": "web-1"}}
        config = ClientConfig(access=access(certificates, hub.port), reconnect_timeout=0)
        async with OmnyShellClient(config) as client:
            assert await within(client.list_nodes()) == ()
    assert not caplog.records
