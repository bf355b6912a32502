"""Proofs of keys at a real hub, over real TLS: which are taken, from whom, and what a relay can do with one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.false_hubs import tls_relay
from support.ports import free_range
from support.raw_admin import ADMIN, ask, b64, log_in, proof_request, try_join
from support.raw_peer import logged_in, stranger
from support.stack import GRANTS, Certificates, hub_config

from omnyshell import (
    AuthException,
    AuthorizedKeysStore,
    ClientConfig,
    CompositeAuthenticator,
    ConfigException,
    Ed25519PrivateKey as OurKey,
    HubAccess,
    HubAddress,
    OmnyShellClient,
    OmnyShellHub,
    PrincipalId,
    PublicKeyAuthenticator,
    PublicKeyCredentialProvider,
    TokenAuthenticator,
    TokenCredentialProvider,
    TokenGrant,
)
from omnyshell.security.authorized_keys import parse_authorized_keys

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def public(key: Ed25519PrivateKey) -> str:
    return b64(key.public_key().public_bytes_raw())


def key_config(certificates: Certificates, **changes: Any) -> Any:
    """A hub that knows ann and bob by their keys, and an administrator by a token."""
    keys = parse_authorized_keys(f"ann {public(KEY)} admin\nbob {public(OTHER)} admin\n")
    members = [
        TokenAuthenticator([TokenGrant.parse(grant) for grant in GRANTS]),
        PublicKeyAuthenticator(AuthorizedKeysStore(keys)),
    ]
    return hub_config(certificates, authenticator=CompositeAuthenticator(members), **changes)


@asynccontextmanager
async def key_hub(certificates: Certificates, **changes: Any) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(key_config(certificates, **changes)) as hub:
        yield hub


async def outcome(certificates: Certificates, hub: OmnyShellHub, principal: str = "ann", **how: Any) -> str:
    """What a login is answered."""
    key = KEY if principal == "ann" else OTHER
    async with stranger(certificates, hub.port) as peer:
        return str((await log_in(peer, "client", principal, key, **how))["t"])


def why_refused(hub: OmnyShellHub) -> list[str]:
    return [record.reason for record in hub.audit if record.action == "auth.fail"]


async def test_the_hub_announces_both_versions(certificates: Certificates) -> None:
    async with key_hub(certificates) as hub, stranger(certificates, hub.port) as peer:
        assert {"auth-bind", "auth-bind-2"} <= set(peer.hub_hello["d"]["info"]["features"])


@pytest.mark.parametrize("listed", [False, True])
async def test_a_pair_is_taken_until_its_key_has_made_a_bound_proof(certificates: Certificates, listed: bool) -> None:
    async with key_hub(certificates, allow_unbound_keys=frozenset({"ann"} if listed else ())) as hub:
        unbound = "auth.ok" if listed else "auth.fail"
        assert await outcome(certificates, hub, proof=0) == unbound
        assert await outcome(certificates, hub, proof=1) == "auth.ok"
        assert await outcome(certificates, hub, proof=2) == "auth.ok"
        assert await outcome(certificates, hub, proof=1) == unbound
        assert await outcome(certificates, hub, proof=0) == unbound
        # Another key has nothing to do with that, and another principal is not listed.
        assert await outcome(certificates, hub, "bob", proof=1) == "auth.ok"
        assert await outcome(certificates, hub, "bob", proof=0) == "auth.fail"
        reasons = why_refused(hub)
        assert sum("allow-unbound-keys" in reason for reason in reasons) == (1 if listed else 4)
        assert sum("has used version 2" in reason for reason in reasons) == (0 if listed else 1)


async def test_that_is_remembered_by_the_next_hub_with_the_same_state(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with key_hub(certificates, state_dir=tmp_path) as hub:
        assert await outcome(certificates, hub, proof=2) == "auth.ok"
    async with key_hub(certificates, state_dir=tmp_path) as hub:
        assert await outcome(certificates, hub, proof=1) == "auth.fail"
        assert await outcome(certificates, hub, "bob", proof=1) == "auth.ok"
    async with key_hub(certificates) as hub:
        assert await outcome(certificates, hub, proof=1) == "auth.ok"


@pytest.mark.parametrize(
    "how",
    [
        {"signed": {"nonce": "A" * 43}},
        {"signed": {"spki": bytes(32)}},
        {"signed": {"role": "node"}},
        {"signed": {"principal": "bob"}},
        {"sent": {"host": "localhost"}},
        {"sent": {"port": 9}},
        {"sent": {"principal": "bob"}},
        {"sent": {"publicKey": public(OTHER)}},
        {"sent": {"host": None, "port": None}},
        {"sent": {"host": None}},
        {"sent": {"port": None}},
        {"sent": {"host": ""}},
        {"sent": {"host": "a b"}},
        {"sent": {"host": "h\u00f6st"}},
        {"sent": {"host": "h" * 256}},
        {"signed": {"host": "127.0.0.1", "port": 0}},
        {"signed": {"host": "127.0.0.1", "port": -1}},
        {"signed": {"host": "127.0.0.1", "port": 65_536}},
        {"sent": {"binding": b64(KEY.sign(b"whatever"))}},
    ],
)
async def test_a_bound_proof_that_is_wrong_anywhere_is_refused(certificates: Certificates, how: Any) -> None:
    async with key_hub(certificates) as hub:
        assert await outcome(certificates, hub, proof=2, **how) == "auth.fail"
        assert await outcome(certificates, hub, proof=1) == "auth.ok", "a refused proof counts for nothing"


async def test_a_pair_beside_a_bound_proof_is_refused_even_where_both_are_right(certificates: Certificates) -> None:
    async with key_hub(certificates) as hub, stranger(certificates, hub.port) as peer:
        pair = proof_request(peer, "client", "ann", KEY, 1, {})
        assert (await log_in(peer, "client", "ann", KEY, proof=2, sent={"binding": pair["binding"]}))["t"] == (
            "auth.fail"
        )


@pytest.mark.parametrize("proof", [0, 1, 2])
async def test_a_proof_that_was_seen_is_worth_nothing_at_another_connection(
    certificates: Certificates, proof: int
) -> None:
    async with key_hub(certificates, allow_unbound_keys=frozenset({"ann"})) as hub:
        async with stranger(certificates, hub.port) as peer:
            seen = proof_request(peer, "client", "ann", KEY, proof, {})
            await peer.greet("client")
            await peer.say("auth.request", seen)
            await peer.hear("auth.ok")
        async with stranger(certificates, hub.port) as thief:
            await thief.greet("client")
            await thief.say("auth.request", seen)
            await thief.hear("auth.fail")


async def test_a_proof_for_any_port_of_tunnels_is_refused_whether_one_is_open_or_not(
    certificates: Certificates,
) -> None:
    ports = free_range(4)
    async with key_hub(certificates, tunnel_ports=ports) as hub:
        for port in range(ports.first, ports.last + 1):
            assert await outcome(certificates, hub, proof=2, signed={"port": port}) == "auth.fail"
        for port in (ports.first - 1, ports.last + 1, 443):
            assert (
                await outcome(certificates, hub, proof=2, signed={"port": port, "host": "elsewhere.example"})
                == "auth.ok"
            )
        assert why_refused(hub) == [
            f"proof for another address wss://127.0.0.1:{port}: its port is one of tunnel-port-range"
            for port in range(ports.first, ports.last + 1)
        ]


async def test_the_hubs_own_port_is_its_own_also_among_those_of_tunnels(certificates: Certificates) -> None:
    ports = free_range(3)
    config = {"tunnel_ports": ports, "port": ports.first + 1, "tunnel_bind_host": "127.0.0.2"}
    async with key_hub(certificates, **config) as hub:
        assert await outcome(certificates, hub, proof=2) == "auth.ok"
        assert await outcome(certificates, hub, proof=2, signed={"port": ports.first}) == "auth.fail"
        async with logged_in(certificates, hub.port, "client", "admin") as client:
            opened = []
            for number, wanted in enumerate((ports.first + 1, None, None, None)):
                request = {"requestId": f"r{number}", "nodeId": "", "targetPort": 80, "publicPort": wanted}
                await client.say("tunnel.open.request", request)
                answer = await client.hear()
                opened.append(answer["d"].get("publicPort", answer["d"].get("reason")))
        assert opened == ["port_in_use", ports.first, ports.last, "port_in_use"]


@pytest.mark.parametrize(
    ("host", "port", "is_right"),
    [
        ("hub.example", 8443, True),
        ("HUB.example", 8443, True),
        ("hub.example.", 8443, True),
        ("xn--bcher-kva.example", 443, True),
        ("::1", 9000, True),
        ("0:0:0:0:0:0:0:1", 9000, True),
        ("::1%lo", 9000, True),
        ("::ffff:192.0.2.7", 9001, True),
        ("hub.example", 8444, False),
        ("hub.example", 443, False),
        ("hub.example.evil.example", 8443, False),
        ("hub", 8443, False),
        ("127.0.0.1", 8443, False),
        ("localhost", 9000, False),
        ("evil.example", 8443, False),
    ],
)
async def test_with_public_urls_no_other_address_will_do(
    certificates: Certificates, host: str, port: int, is_right: bool
) -> None:
    urls = ("wss://hub.example", "wss://B\u00fccher.example:443", "wss://[::1]:9000", "wss://192.0.2.7:9001/a/path")
    async with key_hub(certificates, public_urls=tuple(map(HubAddress.parse, urls))) as hub:
        assert await outcome(certificates, hub, proof=2, signed={"host": host, "port": port}) == (
            "auth.ok" if is_right else "auth.fail"
        )
        # What names no address cannot name a wrong one.
        assert await outcome(certificates, hub, "bob", proof=1) == "auth.ok"


async def test_a_public_url_among_the_ports_of_tunnels_is_refused_at_start_and_at_a_reload(
    certificates: Certificates,
) -> None:
    ports = free_range(2)
    url = (HubAddress("hub.example", ports.last),)
    with pytest.raises(ConfigException, match="public-url"):
        await OmnyShellHub(key_config(certificates, tunnel_ports=ports, public_urls=url)).start()
    async with key_hub(certificates, tunnel_ports=ports) as hub:
        with pytest.raises(ConfigException, match="public-url"):
            hub.reload(replace(hub.config, public_urls=url))
        assert await outcome(certificates, hub, proof=2) == "auth.ok"


async def test_a_reload_says_anew_who_may_come_unbound_and_where_the_hub_is(certificates: Certificates) -> None:
    async with key_hub(certificates, allow_unbound_keys=frozenset({"ann", "bob"})) as hub:
        async with (
            stranger(certificates, hub.port) as unbound,
            stranger(certificates, hub.port) as pair,
            stranger(certificates, hub.port) as spared,
        ):
            assert (await log_in(unbound, "client", "ann", KEY, proof=0))["t"] == "auth.ok"
            assert (await log_in(pair, "client", "ann", KEY, proof=1))["t"] == "auth.ok"
            assert (await log_in(spared, "client", "bob", OTHER, proof=0))["t"] == "auth.ok"
            kept = frozenset({PrincipalId("bob")})
            hub.reload(replace(hub.config, allow_unbound_keys=kept, public_urls=(HubAddress("hub.example", 1),)))
            assert (await unbound.hear("error"))["d"]["code"] == "auth_failed"
            await pair.still_there()
            await spared.still_there()
        assert await outcome(certificates, hub, proof=0) == "auth.fail"
        assert await outcome(certificates, hub, proof=2) == "auth.fail"
        assert await outcome(certificates, hub, proof=2, signed={"host": "hub.example", "port": 1}) == "auth.ok"


def our_access(certificates: Certificates, port: int, key: OurKey) -> HubAccess:
    credentials = PublicKeyCredentialProvider(PrincipalId("ann"), key)
    return HubAccess(address=HubAddress("127.0.0.1", port), credentials=credentials, ca=certificates.ca)


async def test_a_relay_in_a_tunnels_place_with_the_hubs_own_certificate_gets_nothing(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The attack that was seen: TLS on a tunnel's port with the hub's key, and every byte handed on to the hub."""
    ports, key = free_range(), OurKey.generate()
    keys = AuthorizedKeysStore(parse_authorized_keys(f"ann {key.public_key.to_base64()} admin\n"))
    config = hub_config(certificates, authenticator=PublicKeyAuthenticator(keys), tunnel_ports=ports)
    async with OmnyShellHub(config) as hub:
        async with tls_relay(certificates, hub.port, ports.first) as port:
            with pytest.raises(Exception, match="Authentication failed"):
                async with OmnyShellClient(ClientConfig(access=our_access(certificates, port, key))):
                    pytest.fail("the relay is the administrator")
        assert why_refused(hub) == [
            f"proof for another address wss://127.0.0.1:{ports.first}: its port is one of tunnel-port-range"
        ]
        # Where the hub forwards a port itself, the same way in is right, and needs no setting.
        async with (
            tls_relay(certificates, hub.port) as port,
            OmnyShellClient(ClientConfig(access=our_access(certificates, port, key))) as client,
        ):
            assert client.identity.principal == "ann"


async def invite(certificates: Certificates, hub: OmnyShellHub) -> str:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        made = await ask(admin, "admin.invite.create", "admin.invite.created", kind="user", principal="eve")
        return str(made["token"])


@pytest.mark.parametrize("bound", [False, True])
async def test_who_joined_by_either_version_logs_in_by_the_same_or_a_better_one(
    certificates: Certificates, bound: bool
) -> None:
    async with key_hub(certificates, allow_unbound_keys=frozenset({"eve"})) as hub:
        key, token = Ed25519PrivateKey.generate(), await invite(certificates, hub)
        at = ("127.0.0.1", hub.port) if bound else None
        answer, code = await try_join(certificates, hub.port, "client", token, key, at)
        assert (answer["t"], code) == ("join.accepted", 1000)
        async with stranger(certificates, hub.port) as peer:
            # Who joined has to bind, whoever is listed.
            assert (await log_in(peer, "client", "eve", key, proof=0))["t"] == "auth.fail"
        async with stranger(certificates, hub.port) as peer:
            assert (await log_in(peer, "client", "eve", key, proof=2))["t"] == "auth.ok"
    async with key_hub(certificates) as hub:
        key, token = Ed25519PrivateKey.generate(), await invite(certificates, hub)
        at = ("127.0.0.1", hub.port) if bound else None
        await try_join(certificates, hub.port, "client", token, key, at)
        async with stranger(certificates, hub.port) as peer:
            assert (await log_in(peer, "client", "eve", key, proof=1))["t"] == ("auth.fail" if bound else "auth.ok")


@pytest.mark.parametrize("where", ["tunnel", "public", "half", "other"])
async def test_a_join_for_another_address_is_refused_and_the_invite_stays_good(
    certificates: Certificates, where: str
) -> None:
    ports = free_range(2)
    urls = (HubAddress("hub.example", 8443),) if where == "public" else ()
    async with key_hub(certificates, tunnel_ports=ports, public_urls=urls) as hub:
        key, token = Ed25519PrivateKey.generate(), await invite(certificates, hub)
        at = ("127.0.0.1", ports.last if where == "tunnel" else hub.port)
        sent = {"half": {"port": None}, "other": {"host": "localhost"}}.get(where, {})
        answer, code = await try_join(certificates, hub.port, "client", token, key, at, sent=sent)
        assert (answer["t"], code) == ("auth.fail", 4401)
        begins = {"tunnel": "proof for another address", "public": "proof for another address"}
        (why,) = why_refused(hub)
        assert why.startswith(f"{begins[where]} wss://{at[0]}:{at[1]}" if where in begins else "wrong join token")
        answer, _ = await try_join(certificates, hub.port, "client", token, key, ("hub.example", 8443))
        assert answer["t"] == "join.accepted"


async def test_a_reload_tells_who_cannot_log_in_again(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with key_hub(certificates) as hub, stranger(certificates, hub.port) as ann:
        here = HubAddress("127.0.0.1", hub.port)
        assert (await log_in(ann, "client", "ann", KEY, proof=2))["t"] == "auth.ok"
        hub.reload(replace(hub.config, public_urls=(here,)))
        assert "cannot log in again" not in caplog.text
        hub.reload(replace(hub.config, public_urls=(HubAddress("hub.example", 8443),)))
        assert f"of 1 who are connected; they cannot log in again: ann by {here}" in caplog.text
        await ann.still_there()
        assert await outcome(certificates, hub, proof=2) == "auth.fail"
        # The trail and the line of the log both say what would be right, and it is one line.
        (refused,) = [line for line in caplog.messages if "refused: " in line]
        assert refused.endswith(f"proof for another address {here}: public-url names wss://hub.example:8443")


@pytest.mark.parametrize("with_key", [True, False])
async def test_our_client_knows_which_address_it_signed(certificates: Certificates, with_key: bool) -> None:
    credentials: Any = PublicKeyCredentialProvider(PrincipalId("ann"), OurKey.generate())
    if not with_key:
        credentials = TokenCredentialProvider(PrincipalId("ann"), "wrong")
    async with key_hub(certificates, public_urls=(HubAddress("hub.example", 8443),)) as hub:
        address = HubAddress("127.0.0.1", hub.port)
        access = HubAccess(address=address, credentials=credentials, ca=certificates.ca)
        with pytest.raises(AuthException) as caught:
            await OmnyShellClient(ClientConfig(access=access, reconnect_timeout=0)).connect()
        assert caught.value.address == (f"127.0.0.1:{hub.port}" if with_key else "")
