"""A tunnel never shows a certificate that a client takes for the hub's: the attack, and what turns TLS tunnels off."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.pki import issue, root
from support.ports import free_range
from support.stack import Certificates, access, connected_client, hub_config, until, within

from omnyshell import (
    CertGenerator,
    ClientConfig,
    HubAddress,
    HubConfig,
    OmnyShellClient,
    OmnyShellHub,
    TunnelRejectedException,
)
from omnyshell.errors import UntrustedHubException
from omnyshell.security.credentials import PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey

HOSTS = ("localhost", "127.0.0.1", "::1")


class Listener:
    """The program behind the attacker's tunnel: keeps whatever it is sent."""

    def __init__(self) -> None:
        self.heard = b""
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while piece := await reader.read(65_536):
            self.heard += piece
            writer.write(piece)
        writer.close()


@asynccontextmanager
async def attacked(config: HubConfig, certificates: Certificates) -> AsyncIterator[tuple[OmnyShellHub, Listener, int]]:
    """A hub, and a TLS tunnel of it whose target listens to logins; the tunnel's port."""
    listener = Listener()
    async with (
        await asyncio.start_server(listener.take, "127.0.0.1", 0) as server,
        OmnyShellHub(config) as hub,
        connected_client(certificates, hub.port) as attacker,
    ):
        target = server.sockets[0].getsockname()[1]
        tunnel = await attacker.open_tunnel(target_port=target, secure=True)
        yield hub, listener, tunnel.public_port


def as_made_by_0_1_0(directory: Path) -> None:
    CertGenerator().generate(directory, HOSTS, keep_key=True)
    for path in directory.glob("tunnel*"):
        path.unlink()


def as_made_now(_directory: Path) -> None:
    """Nothing is there before."""


@pytest.mark.parametrize("before", [as_made_now, as_made_by_0_1_0])
@pytest.mark.parametrize("host", HOSTS[:2])
@pytest.mark.parametrize("pinned", ["ca.pem", "hub.pem"])
async def test_a_login_at_a_tunnels_port_fails_before_a_byte_of_it_is_sent(
    tmp_path: Path, before: Callable[[Path], None], host: str, pinned: str
) -> None:
    before(tmp_path)
    certificates = Certificates.made(tmp_path, *HOSTS)
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1")
    async with attacked(config, certificates) as (hub, listener, port):
        by_token = access(certificates, port, "admin")
        by_key = replace(by_token, credentials=PublicKeyCredentialProvider("admin", Ed25519PrivateKey.generate()))
        for victim in (by_token, by_key):
            victim = replace(victim, address=HubAddress(host, port), ca=tmp_path / pinned)
            with pytest.raises(UntrustedHubException, match="this is a tunnel's port, and not a hub's"):
                await within(OmnyShellClient(ClientConfig(access=victim)).connect())
        await until(lambda: hub.tunnels.connections == 0)
        assert listener.heard == b""
        # But for that it would work: who trusts the tunnels' authority gets through, and the hub's port is right.
        tls = ssl.create_default_context(cafile=str(certificates.tunnel_ca))
        reader, writer = await within(asyncio.open_connection(host, port, ssl=tls))
        writer.write(b"hello")
        assert await within(reader.readexactly(5)) == b"hello"
        writer.close()
        real = replace(by_token, address=HubAddress(host, hub.port))
        async with OmnyShellClient(ClientConfig(access=real)) as client:
            assert client.identity.principal == "admin"


async def refusal(client: OmnyShellClient) -> str:
    with pytest.raises(TunnelRejectedException) as rejected:
        await client.open_tunnel(target_port=80, secure=True)
    assert rejected.value.code == "secure_unavailable"
    return str(rejected.value)


async def test_without_a_pair_of_their_own_there_are_no_tls_tunnels(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    config = hub_config(certificates, tunnel_ports=free_range(), tunnel_cert=None, tunnel_key=None, host="127.0.0.1")
    async with OmnyShellHub(config) as hub, connected_client(certificates, hub.port) as client:
        assert await refusal(client) == "This hub has no TLS tunnels"
        await client.open_tunnel(target_port=80)
        hub.reload(config)
    told = [record.getMessage() for record in caplog.records if "TLS tunnels are off" in record.getMessage()]
    assert len(told) == 1
    assert "set tunnel-cert and tunnel-key" in told[0]
    assert "omnyshell cert gen" in told[0]
    caplog.clear()
    for quiet in (replace(config, tunnel_ports=None), replace(config, secure_tunnels=False)):
        async with OmnyShellHub(quiet):
            pass
    assert "TLS tunnels" not in caplog.text


def the_same_files(found: Certificates, _directory: Path) -> dict[str, Any]:
    return {"tunnel_cert": found.cert, "tunnel_key": found.key}


def copies(found: Certificates, directory: Path) -> dict[str, Any]:
    shutil.copy(found.cert, directory / "copy.pem")
    shutil.copy(found.key, directory / "copy.key")
    return {"tunnel_cert": directory / "copy.pem", "tunnel_key": directory / "copy.key"}


def another_certificate_of_the_same_key(_found: Certificates, directory: Path) -> dict[str, Any]:
    hub = issue(root(), names=["127.0.0.1"])
    cert, key = hub.write(directory, "hub")
    tunnel_cert, tunnel_key = issue(root(), names=["tunnels.example"], key=hub.key).write(directory, "tunnels")
    return {"cert": cert, "key": key, "tunnel_cert": tunnel_cert, "tunnel_key": tunnel_key}


def another_key_of_the_same_authority(_found: Certificates, directory: Path) -> dict[str, Any]:
    top = root()
    cert, key = issue(top, names=["127.0.0.1"]).write(directory, "hub")
    tunnel_cert, tunnel_key = issue(top, names=["127.0.0.1", "tunnels.example"]).write(directory, "tunnels")
    return {"cert": cert, "key": key, "tunnel_cert": tunnel_cert, "tunnel_key": tunnel_key}


SHARED = [the_same_files, copies, another_certificate_of_the_same_key, another_key_of_the_same_authority]


@pytest.mark.parametrize("share", SHARED)
async def test_a_pair_that_is_not_apart_from_the_hubs_turns_tls_tunnels_off(
    certificates: Certificates, tmp_path: Path, share: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    changes = share(certificates, tmp_path)
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1", **changes)
    trusting = replace(certificates, ca=config.cert)
    async with OmnyShellHub(config) as hub, connected_client(trusting, hub.port) as client:
        assert await refusal(client) == "TLS tunnels are off on this hub: its log says why"
        await client.open_tunnel(target_port=80)
        (record,) = [record for record in hub.audit if record.action == "certificate.warning"]
        assert (record.outcome, record.reason) == ("error", "tunnels not apart")
        assert str(config.tunnel_cert) in record.detail
    assert "TLS tunnels are off: clients could take this certificate for the hub's: both " in caplog.text


async def test_another_name_of_the_same_authority_is_apart(certificates: Certificates, tmp_path: Path) -> None:
    top = root()
    cert, key = issue(top, names=["127.0.0.1"]).write(tmp_path, "hub")
    tunnel_cert, tunnel_key = issue(top, names=["tunnels.example"]).write(tmp_path, "tunnels")
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1")
    config = replace(config, cert=cert, key=key, tunnel_cert=tunnel_cert, tunnel_key=tunnel_key)
    trusting = replace(certificates, ca=cert)
    async with attacked(config, trusting) as (_, listener, port):
        pinned = tmp_path / "ca.pem"
        pinned.write_bytes(top.pem)
        victim = replace(access(replace(certificates, ca=pinned), port, "admin"))
        with pytest.raises(UntrustedHubException, match=r"it is for tunnels\.example, and not for 127\.0\.0\.1"):
            await within(OmnyShellClient(ClientConfig(access=victim)).connect())
        assert listener.heard == b""


async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    assert await within(reader.readexactly(5)) == b"hello"


async def is_refused(port: int, tls: ssl.SSLContext | None) -> bool:
    """Whether a connection gets nothing, not even in clear text."""
    try:
        reader, writer = await within(asyncio.open_connection("127.0.0.1", port, ssl=tls))
        writer.write(b"hello")
        got = await within(reader.read(5))
        writer.close()
    except (ConnectionError, ssl.SSLError):
        return True
    return not got


@pytest.mark.parametrize("how", ["shared by a reload", "shared by a renewal", "turned off", "taken away"])
async def test_what_is_turned_off_meanwhile_ends_no_connection_and_takes_none(
    certificates: Certificates, tmp_path: Path, how: str
) -> None:
    own = Certificates.made(tmp_path, *HOSTS)
    config = hub_config(own, tunnel_ports=free_range(), host="127.0.0.1")
    assert own.tunnel_cert is not None
    assert own.tunnel_key is not None
    before = own.tunnel_cert.read_bytes(), own.tunnel_key.read_bytes()
    tls = ssl.create_default_context(cafile=str(own.tunnel_ca))
    async with attacked(config, own) as (hub, listener, port):
        reader, writer = await within(asyncio.open_connection("127.0.0.1", port, ssl=tls))
        await echoes(reader, writer)
        if how == "shared by a renewal":
            shutil.copy(own.key, own.tunnel_key)
            shutil.copy(own.cert, own.tunnel_cert)
            await until(lambda: any(record.action == "certificate.warning" for record in hub.audit))
        elif how == "shared by a reload":
            hub.reload(replace(config, tunnel_cert=own.cert, tunnel_key=own.key))
        elif how == "turned off":
            hub.reload(replace(config, secure_tunnels=False))
        else:
            hub.reload(replace(config, tunnel_cert=None, tunnel_key=None))
        await echoes(reader, writer)
        known = listener.connections
        assert await is_refused(port, tls)
        assert await is_refused(port, None)
        assert listener.connections == known
        refused = [record for record in hub.audit if record.action == "tunnel.refused"]
        assert [record.reason for record in refused] == ["secure_unavailable"]
        # Once it is mended, the tunnel serves again.
        own.tunnel_cert.write_bytes(before[0])
        own.tunnel_key.write_bytes(before[1])
        hub.reload(config)
        again, more = await within(asyncio.open_connection("127.0.0.1", port, ssl=tls))
        await echoes(again, more)
        await echoes(reader, writer)
        more.close()
        writer.close()
