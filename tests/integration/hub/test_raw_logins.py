"""The hub before and at login, driven with raw JSON and raw bytes over loopback TLS."""

import asyncio
import base64
import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.raw_peer import RawPeer, logged_in, stranger
from support.stack import Certificates, hub_config, until, within

from omnyshell import (
    AuthorizedKeysStore,
    CompositeAuthenticator,
    EndpointLimits,
    LoginLimit,
    OmnyShellHub,
    PublicKeyAuthenticator,
)


async def test_the_hub_speaks_first_and_welcomes_a_right_token(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with stranger(certificates, hub.port) as peer:
        hello = peer.hub_hello["d"]
        assert (hello["role"], hello["protocolVersion"], hello["minVersion"]) == ("hub", 1, 1)
        assert len(base64.urlsafe_b64decode(hello["nonce"] + "=")) == 32
        assert hello["info"]["hubUid"].startswith("hub_")
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": "dev", "token": "dev-token"})
        welcome = (await peer.hear("auth.ok"))["d"]
        assert welcome["principal"] == welcome["displayName"] == "dev"
        assert welcome["roles"] == ["developer"]
        assert welcome["sessionToken"]


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "token", "principal": "dev", "token": "wrong"},
        {"method": "token", "principal": "nobody", "token": "wrong"},
        {"method": "token", "principal": "dev", "token": ""},
        {"method": "token", "principal": "", "token": "dev-token"},
        {"method": "publicKey", "principal": "dev", "publicKey": "no key", "signature": "no signature"},
    ],
)
async def test_a_wrong_credential_always_gets_the_same_answer(
    certificates: Certificates, hub: OmnyShellHub, request_: dict[str, str]
) -> None:
    async with stranger(certificates, hub.port) as peer:
        await peer.greet("client")
        await peer.say("auth.request", request_)
        assert (await peer.hear("auth.fail"))["d"] == {"reason": "auth_failed", "message": "Authentication failed"}
        assert (await peer.hear_close())[0] == 4401


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([("hello", {"role": "client", "protocolVersion": 9, "minVersion": 9})], "version_mismatch"),
        ([("hello", {"role": "client", "protocolVersion": 0})], "version_mismatch"),
        ([("node.list.request", {})], "not_authenticated"),
        ([("hello", {"role": "client", "protocolVersion": 1}), ("ping", {"id": "a", "ts": "2026-01-01"})],
         "not_authenticated"),
        ([("hello", {"role": "client", "protocolVersion": 1}), ("auth.request", {"principal": "dev"})], "auth_failed"),
        ([("hello", {"role": "client", "protocolVersion": 1}),
          ("auth.request", {"method": "magic", "principal": "dev"})], "auth_failed"),
    ],
)  # fmt: skip
async def test_what_breaks_the_handshake_is_told_and_closed_with_4400(
    certificates: Certificates, hub: OmnyShellHub, messages: list[tuple[str, dict[str, object]]], code: str
) -> None:
    async with stranger(certificates, hub.port) as peer:
        for message_type, data in messages:
            await peer.say(message_type, data)
        error = (await peer.hear("error"))["d"]
        assert (error["code"], error["fatal"]) == (code, True)
        assert await peer.hear_close() == (4400, code)


@pytest.mark.parametrize("bind", [False, True])
async def test_a_key_proves_itself_by_signing_the_nonce(certificates: Certificates, bind: bool) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    store = AuthorizedKeysStore.from_file(write_keys(certificates, public))
    config = hub_config(
        certificates,
        authenticator=CompositeAuthenticator([PublicKeyAuthenticator(store)]),
        allow_unbound_keys=frozenset({"ann"}),
    )
    async with OmnyShellHub(config) as hub, stranger(certificates, hub.port) as peer:
        nonce = peer.hub_hello["d"]["nonce"]
        request = {
            "method": "publicKey",
            "principal": "ann",
            "publicKey": base64.b64encode(public).decode().rstrip("="),
            "signature": base64.b64encode(key.sign(nonce.encode())).decode().rstrip("="),
        }
        if bind:
            request["binding"] = base64.b64encode(key.sign(binding(peer, nonce, "client", "ann"))).decode()
        await peer.greet("client")
        await peer.say("auth.request", request)
        assert (await peer.hear("auth.ok"))["d"]["displayName"] == "Ann Other"


async def test_a_binding_to_another_hub_is_refused(certificates: Certificates) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    store = AuthorizedKeysStore.from_file(write_keys(certificates, public))
    config = hub_config(certificates, authenticator=PublicKeyAuthenticator(store))
    async with OmnyShellHub(config) as hub, stranger(certificates, hub.port) as peer:
        nonce = peer.hub_hello["d"]["nonce"]
        request = {
            "method": "publicKey",
            "principal": "ann",
            "publicKey": base64.b64encode(public).decode(),
            "signature": base64.b64encode(key.sign(nonce.encode())).decode(),
            "binding": base64.b64encode(key.sign(binding(peer, nonce, "node", "ann"))).decode(),
        }
        await peer.greet("client")
        await peer.say("auth.request", request)
        await peer.hear("auth.fail")


async def test_another_role_may_only_ping(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "observer", "dev") as peer:
        await peer.still_there()
        await peer.say("node.list.request")
        error = (await peer.hear("error"))["d"]
        assert (error["code"], error["fatal"]) == ("protocol_error", True)
        assert (await peer.hear_close())[0] == 4400


async def test_deadlines_before_login(certificates: Certificates) -> None:
    """Each alone: the others are no hindrance on the way there, however slow the machine is."""
    config = hub_config(certificates)
    async with OmnyShellHub(config) as hub:
        hub.reload(replace(config, login_timeout=0.2))
        async with stranger(certificates, hub.port) as silent:
            error = (await silent.hear("error"))["d"]
            assert (error["code"], error["fatal"]) == ("timeout", True)
            assert (await silent.hear_close())[0] == 4400
        hub.reload(replace(config, endpoint=EndpointLimits(tls_timeout=0.2)))
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        assert await within(reader.read()) == b""
        writer.close()
        hub.reload(replace(config, endpoint=EndpointLimits(upgrade_timeout=0.2)))
        tls = ssl.create_default_context(cafile=str(certificates.ca))
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=tls, server_hostname="127.0.0.1")
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await within(read_to_the_end(reader)) == b""
        writer.close()


async def test_junk_leaves_the_hub_serving_others(certificates: Certificates, hub: OmnyShellHub) -> None:
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    writers = []
    for number in range(200):
        kind = number % 4
        _, writer = await asyncio.open_connection(
            "127.0.0.1", hub.port, **({} if kind < 2 else {"ssl": tls, "server_hostname": "127.0.0.1"})
        )
        writer.write((os.urandom(100), b"", b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff" * 50)[kind])
        writers.append(writer)
    async with logged_in(certificates, hub.port, "client", "dev") as client:
        await client.still_there()
    for writer in writers:
        writer.transport.abort()
    await until(lambda: hub.connections == 0)
    assert list(hub._peers) == []


async def test_too_many_failures_from_an_address_are_not_answered(certificates: Certificates) -> None:
    config = hub_config(certificates, login_limit=LoginLimit.parse("3/min"))
    async with OmnyShellHub(config) as hub:
        codes = []
        for _ in range(5):
            async with stranger(certificates, hub.port) as peer:
                await peer.greet("client")
                await peer.say("auth.request", {"method": "token", "principal": "dev", "token": "wrong"})
                codes.append((await peer.hear_close())[0])
        assert codes == [4401, 4401, 4401, 1013, 1013]


async def read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except (ConnectionError, ssl.SSLError):
        return b""


def write_keys(certificates: Certificates, public: bytes) -> Path:
    path = certificates.ca.with_name("authorized_keys")
    path.write_text(f"# people\r\nann {base64.b64encode(public).decode()} developer Ann Other\n")
    return path


def binding(peer: RawPeer, nonce: str, role: str, principal: str) -> bytes:
    """What docs/extensions.md#auth-bind says is signed."""
    import hashlib

    from cryptography import x509

    der = peer.ws.transport.get_extra_info("ssl_object").getpeercert(True)
    spki = x509.load_der_x509_certificate(der).public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    fields = (
        b"omnyshell:auth-bind:v1",
        nonce.encode(),
        hashlib.sha256(spki).digest(),
        role.encode(),
        principal.encode(),
    )
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
