"""Tunnels under administration: listed, closed, and ended by a revocation though their owner has left."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_range
from support.raw_peer import RawPeer, logged_in, registered, stranger
from support.stack import GRANTS, OPEN_TUNNELS, Certificates, hub_config, until, within

from omnyshell import CertGenerator, ConfigException, OmnyShellHub, TokenAuthenticator, TokenGrant

LABELS = {"allow-roles": "developer"}


async def ask(peer: RawPeer, type_: str, expected: str = "admin.result", /, **data: Any) -> dict[str, Any]:
    await peer.say(type_, {"requestId": "r1", **data})
    return (await peer.hear(expected))["d"]


async def open_tunnel(client: RawPeer, **extra: Any) -> dict[str, Any]:
    await client.say("tunnel.open.request", {"requestId": "t", "nodeId": "n1", "targetPort": 80, **extra})
    return (await client.hear("tunnel.opened"))["d"]


async def test_tunnels_of_others_are_listed_and_closed(certificates: Certificates) -> None:
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1", **OPEN_TUNNELS)
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port, features=("tunnel-eof",), labels=LABELS) as node,
        logged_in(certificates, hub.port, "client", "admin", ("admin",)) as admin,
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        await node.say("node.capabilities", {"features": ["tunnel"]})
        await node.still_there()
        tunnel = await open_tunnel(dev)
        (shown,) = (await ask(admin, "admin.tunnels.request", "admin.tunnels.response"))["tunnels"]
        assert (shown["tunnelId"], shown["ownerUserId"], shown["nodeId"]) == (tunnel["tunnelId"], "dev", "n1")
        assert (await ask(admin, "admin.hub.request", "admin.hub.response"))["tunnels"] == 1
        reader, writer = await within(asyncio.open_connection("127.0.0.1", tunnel["publicPort"]))
        await node.hear("node.tunnel.connect")
        assert (await ask(admin, "admin.tunnel.close", tunnelRef=tunnel["tunnelId"][:6]))["ok"]
        assert await within(reader.read()) == b""
        writer.close()
        assert len(hub.tunnels) == 0
        # A ceiling that forbids the owner closes as well.
        await open_tunnel(dev)
        assert (await ask(admin, "admin.node.labels", nodeId="n1", labels={"allow-roles": "operator"}))["ok"]
        assert len(hub.tunnels) == 0
        closes = [record for record in hub.audit if record.action == "tunnel.close"]
        assert [record.principal for record in closes] == ["dev", "dev"]


async def test_a_revoked_owner_who_has_left_loses_the_tunnel(certificates: Certificates) -> None:
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1", **OPEN_TUNNELS)
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port, features=("tunnel-eof",), labels=LABELS) as node,
        logged_in(certificates, hub.port, "client", "admin", ("admin",)) as admin,
    ):
        await node.say("node.capabilities", {"features": ["tunnel"]})
        await ask(admin, "admin.principal.add", principal="eve", roles=["developer"])
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="eve")
        async with stranger(certificates, hub.port) as eve:
            await eve.greet("client")
            await eve.say("auth.request", {"method": "token", "principal": "eve", "token": made["token"]})
            await eve.hear("auth.ok")
            await open_tunnel(eve)
        peers = (await ask(admin, "admin.peers.request", "admin.peers.response"))["peers"]
        assert "eve" not in [peer["principal"] for peer in peers]
        assert len(hub.tunnels) == 1
        # Another's change leaves it alone.
        await ask(admin, "admin.principal.add", principal="bob")
        assert len(hub.tunnels) == 1
        assert (await ask(admin, "admin.credential.revoke", principal="eve", credentialId=made["credentialId"]))["ok"]
        assert len(hub.tunnels) == 0


@asynccontextmanager
async def logged_in_with(
    certificates: Certificates, hub: OmnyShellHub, principal: str, token: str
) -> AsyncIterator[RawPeer]:
    async with stranger(certificates, hub.port) as peer:
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": principal, "token": token})
        await peer.hear("auth.ok")
        yield peer


async def test_a_stolen_token_takes_its_tunnels_along_when_it_is_revoked_and_no_others(
    certificates: Certificates,
) -> None:
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1", **OPEN_TUNNELS)
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port, features=("tunnel-eof",), labels=LABELS) as node,
        logged_in(certificates, hub.port, "client", "admin", ("admin",)) as admin,
    ):
        await node.say("node.capabilities", {"features": ["tunnel"]})
        await ask(admin, "admin.principal.add", principal="eve", roles=["developer"])
        good, stolen = [await ask(admin, "admin.token.add", "admin.token.added", principal="eve") for _ in "12"]
        opened = []
        for made in (good, stolen):
            async with logged_in_with(certificates, hub, "eve", made["token"]) as eve:
                opened.append((await open_tunnel(eve))["tunnelId"])
        revoke = {"principal": "eve", "credentialId": stolen["credentialId"]}
        assert (await ask(admin, "admin.credential.revoke", **revoke))["ok"]
        assert [tunnel.info.tunnel_id for tunnel in hub.tunnels.tunnels] == opened[:1]


async def test_a_login_with_fewer_roles_changes_no_tunnel_of_another_credential(certificates: Certificates) -> None:
    grants = [TokenGrant.parse(text) for text in (*GRANTS, "dev:weak-token:")]
    config = hub_config(
        certificates,
        authenticator=TokenAuthenticator(grants),
        tunnel_ports=free_range(),
        host="127.0.0.1",
        **OPEN_TUNNELS,
    )
    async with (
        OmnyShellHub(config) as hub,
        registered(certificates, hub.port, features=("tunnel-eof",), labels=LABELS) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        await node.say("node.capabilities", {"features": ["tunnel"]})
        await node.still_there()
        await open_tunnel(dev)
        async with logged_in_with(certificates, hub, "dev", "weak-token"):
            (tunnel,) = hub.tunnels.tunnels
            assert tunnel.owner.roles == {"developer"}


async def test_tunnels_show_a_renewed_certificate(certificates: Certificates, tmp_path: Path) -> None:
    own = Certificates.made(tmp_path, "127.0.0.1")
    inside, outside = (ssl.create_default_context(cafile=str(ca)) for ca in (own.ca, own.tunnel_ca))
    config = hub_config(own, tunnel_ports=free_range(), host="127.0.0.1")

    async def shown(port: int, tls: ssl.SSLContext = outside) -> bytes:
        _, writer = await within(asyncio.open_connection("127.0.0.1", port, ssl=tls))
        try:
            return bytes(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        finally:
            writer.transport.abort()

    async with (
        OmnyShellHub(config) as hub,
        registered(own, hub.port, features=("tunnel-eof",)) as node,
        logged_in(own, hub.port, "client", "admin") as admin,
    ):
        await node.say("node.capabilities", {"features": ["tunnel"]})
        await node.still_there()
        tunnel = await open_tunnel(admin, secure=True)
        first = await shown(tunnel["publicPort"])
        first_of_hub = await shown(hub.port, inside)
        CertGenerator().generate(tmp_path, ["127.0.0.1"])
        await until(lambda: [record.action for record in hub.audit].count("hub.reload") == 2)
        second = await shown(tunnel["publicPort"])
        assert second != first
        second_of_hub = await shown(hub.port, inside)
        assert second_of_hub not in (first_of_hub, first, second)
        # A pair that does not match changes nothing, here and there.
        broken = replace(config, tunnel_cert=own.tunnel_cert, tunnel_key=certificates.key)
        with pytest.raises(ConfigException, match="the key of another certificate"):
            hub.reload(broken)
        assert await shown(tunnel["publicPort"]) == second
        assert await shown(hub.port, inside) == second_of_hub
